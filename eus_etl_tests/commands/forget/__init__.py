"""Tests of forgetting visits."""
