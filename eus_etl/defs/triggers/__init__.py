"""Sensors and schedules: when sources are observed and runs requested."""
