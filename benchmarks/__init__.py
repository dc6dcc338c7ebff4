"""Benchmarks: each script prints figures that the docs quote."""
