"""Checking preprocessed frames for text."""
