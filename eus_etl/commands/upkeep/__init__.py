"""Looks after what is stored: verifies it against its checksums, and finds what nothing refers to."""
