"""Clean-up of what Dagster records."""
