"""Where things lie in a checkout."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
"""The repository's root."""

CONFIGS = CHECKOUT / "configs"
DOCS = CHECKOUT / "docs"
DATA = CHECKOUT / "eus_etl_tests" / "data"
"""Coordinates drawn by hand over real clips."""

SHARED = CHECKOUT.parent / "shared"
"""Real clips, odd media and items of the labelling apps, where they lie beside the checkout."""
