"""Releases: immutable folders of masked pictures and tables, made from the study's tables."""
