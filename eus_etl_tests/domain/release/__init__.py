"""Tests of eus_etl.domain.release."""
