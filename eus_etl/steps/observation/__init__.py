"""Observing the sources: what they hold of each visit."""
