"""Removes a visit whose consent was withdrawn from a study's root and its Dagster instance."""
