"""Tests of verification and clean-up."""
