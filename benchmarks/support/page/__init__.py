"""Dagster's page over a study, and a browser that looks at it and clicks in it as a person does."""
