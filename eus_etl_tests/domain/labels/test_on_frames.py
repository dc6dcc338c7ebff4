"""Intervals on frames: against a plain loop, at the borders exactly, and with the rounding of frame times."""

import itertools
import math
import random
from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.labels.on_frames import attach_intervals, border_distance
from eus_etl.domain.tables.catalog import LABELS
from eus_etl.errors import OverlapError

Span = tuple[float, float]


def intervals(*spans: Span, status: str = "ok", family: str = "station") -> pl.DataFrame:
    return LABELS.frame(
        {
            "patient_id": "p1",
            "family": family,
            "label": f"L{number}",
            "occurrence": 1,
            "start_s": start,
            "stop_s": stop,
            "status": status,
        }
        for number, (start, stop) in enumerate(spans)
    )


def frames(*times: float | None) -> pl.DataFrame:
    seconds = pl.Series("procedure_s", times, dtype=pl.Float64, strict=False)
    return pl.DataFrame(
        [pl.Series("frame_id", [str(n) for n in range(len(times))], dtype=pl.String), seconds]
    )


def labels(at: pl.DataFrame, spans: pl.DataFrame) -> list[str | None]:
    return attach_intervals(at, spans, "station")["station"].to_list()


def test_start_is_included_and_stop_excluded() -> None:
    found = labels(frames(9.999999, 10, 19.999999, 20, 29.99, 30, None, -5), intervals((10, 20), (20, 30)))
    assert found == [None, "L0", "L0", "L1", "L1", None, None, None]


def test_a_frame_time_with_rounding_stays_on_its_side_of_the_border() -> None:
    just_before, just_after = math.nextafter(10, 0), math.nextafter(20, 0)
    assert labels(frames(just_before, just_after), intervals((10, 20), (20, 30))) == ["L0", "L1"]
    assert 0.1 * 3 != 0.3
    assert labels(frames(0.1 * 3), intervals((0, 0.3))) == [None]


def test_frames_keep_their_order_and_columns() -> None:
    attached = attach_intervals(frames(25, None, 12), intervals((10, 20), (20, 30)), "station")
    assert attached.rows() == [("0", 25.0, "L1"), ("1", None, None), ("2", 12.0, "L0")]
    assert attached.schema["station"] == pl.String


def test_only_used_intervals_of_the_family_count() -> None:
    found = pl.concat(
        [
            intervals((0, 10), status="rejected"),
            intervals((20, 30), status="suspect"),
            intervals((0, 40), family="fna"),
        ]
    )
    assert labels(frames(5, 25, 35), found) == [None, "L0", None]


def test_no_intervals_and_no_frames() -> None:
    attached = attach_intervals(frames(5, None), LABELS.empty(), "station")
    assert attached["station"].to_list() == [None, None]
    assert attached.schema["station"] == pl.String
    assert attach_intervals(frames(), intervals((0, 10)), "station").height == 0
    assert border_distance(frames(5), LABELS.empty()).to_list() == [None]
    assert border_distance(frames(), intervals((0, 10))).to_list() == []


def test_intervals_that_overlap_are_refused() -> None:
    with pytest.raises(OverlapError, match=r"^p1: interval 1 of L0 overlaps"):
        attach_intervals(frames(5), intervals((0, 10), (9.5, 20)), "station")
    attach_intervals(frames(5), intervals((0, 10), (9.5, 20), status="rejected"), "station")
    attach_intervals(frames(5), intervals((0, 10), (9.5, 20), family="fna"), "station")


def test_border_distance_is_over_all_families() -> None:
    found = pl.concat(
        [intervals((10, 20)), intervals((12, 50), family="fna"), intervals((16, 17), status="rejected")]
    )
    distance = border_distance(frames(0, 10, 13.25, 16, 30, 60, None), found)
    assert distance.name == "border_s"
    assert distance.to_list() == [10, 0, 1.25, 4, 10, 10, None]


times = st.lists(st.none() | st.integers(-50, 1050).map(lambda n: n / 10), max_size=30)


@st.composite
def spans(draw: st.DrawFn) -> list[Span]:
    borders = sorted(draw(st.lists(st.integers(0, 1000), max_size=12, unique=True)))
    pairs = [(a / 10, b / 10) for a, b in itertools.pairwise(borders)]
    return [pair for pair in pairs if draw(st.booleans())]


@given(times, spans(), st.randoms())
def test_as_a_plain_loop_would_say(at: Sequence[float | None], found: list[Span], rng: random.Random) -> None:
    rng.shuffle(found)
    expected = [
        next(
            (f"L{n}" for n, (start, stop) in enumerate(found) if time is not None and start <= time < stop),
            None,
        )
        for time in at
    ]
    assert labels(frames(*at), intervals(*found)) == expected

    borders = [border for span in found for border in span]
    distance = border_distance(frames(*at), intervals(*found)).to_list()
    for time, said in zip(at, distance, strict=True):
        if time is None or not borders:
            assert said is None
        else:
            assert said == pytest.approx(min(abs(time - border) for border in borders), abs=1e-9)
