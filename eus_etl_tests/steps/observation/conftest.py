"""A study that is observed again and again."""

from pathlib import Path

import pytest

from benchmarks.support.hospitals.visits import make_study
from eus_etl.steps.observation.snapshot import (
    LABEL_ITEMS,
)
from eus_etl_tests.support.hospitals.observed_study import Looking, Outside


@pytest.fixture
def looking(tmp_path: Path) -> Looking:
    """A study that knows the alias of one visit."""
    made = Looking(make_study(tmp_path), Outside())
    made.look(LABEL_ITEMS)
    return made
