"""Taking over a root that the old scripts filled."""
