"""Leases: who works on what, judged by one database's clock, on however many machines."""
