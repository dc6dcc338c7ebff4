"""Dagster's own records as they grow: what of them is still read, and how the rest is deleted."""
