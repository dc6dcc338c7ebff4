"""Ticks of a sensor: which of them mean trouble, and since when."""

import pytest

from eus_etl.defs.health import Tick, trouble_of
from eus_etl.defs.triggers.skipped import in_trouble
from eus_etl.errors import RootUnavailableError

TROUBLE = str(in_trouble(RootUnavailableError("eusml", "gone")).skip_message)


def ticks(*kinds: str, every_s: float = 30.0, now: float = 1000.0) -> list[Tick]:
    """Ticks, the newest first: ``ok``, ``quiet``, ``trouble``, ``failed`` or ``running``."""
    made = {
        "ok": ("SUCCESS", None),
        "quiet": ("SKIPPED", "nothing has happened"),
        "trouble": ("SKIPPED", TROUBLE),
        "failed": ("FAILURE", None),
        "running": ("STARTED", None),
    }
    return [
        Tick(made[kind][0], now - every_s * number, made[kind][1])
        for number, kind in enumerate(kinds, start=1)
    ]


@pytest.mark.parametrize(
    "kinds", [["ok"], ["quiet", "failed"], ["running", "ok"], ["running", "quiet", "trouble"], []]
)
def test_a_sensor_that_works_is_in_no_trouble(kinds: list[str]) -> None:
    assert trouble_of(ticks(*kinds), 30.0, 1000.0) is None


def test_failures_and_skips_count_together_since_the_first() -> None:
    found = trouble_of(ticks("running", "trouble", "failed", "failed", "quiet", "failed"), 30.0, 1000.0)
    assert found == ("of its last ticks 2 failed and 1 could not look", 880.0)


def test_a_sensor_that_does_not_tick_is_silent() -> None:
    late = ticks("quiet", now=700.0)
    assert trouble_of(late, 30.0, 1000.0) == ("has not ticked", 670.0)
    assert trouble_of(late, 600.0, 1000.0) is None
    assert trouble_of(late, 30.0, 1000.0, ticking=False) is None
