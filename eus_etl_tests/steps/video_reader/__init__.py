"""Tests of the processes that read uploaded videos."""
