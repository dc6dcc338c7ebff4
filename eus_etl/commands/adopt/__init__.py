"""Adopting a root that the old scripts filled."""
