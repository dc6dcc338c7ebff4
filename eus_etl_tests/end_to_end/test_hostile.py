"""Damaged videos and records, by chance: each ends as frames or rows, or as a rejection with a reason."""

import random
from pathlib import Path

import pytest

from benchmarks.hostile import Damage, observe_records, read_media

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("damage", [read_media, observe_records])
def test_what_is_damaged_costs_itself_alone(damage: Damage, tmp_path: Path) -> None:
    outcomes = damage(100, random.Random(3), tmp_path)
    assert [failure for found in outcomes.values() for failure in found.failures] == []
    # some are still good, and some are not
    ends = {end for found in outcomes.values() for end in found.ends}
    assert len(ends) > 1
