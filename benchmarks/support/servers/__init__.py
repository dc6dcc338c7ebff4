"""Servers on loopback that speak the protocols of Google and AWS."""
