"""Servers on loopback that only tests use."""
