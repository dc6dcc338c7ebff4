"""Alerts: what needs a person, what of it is new, and how it is said."""
