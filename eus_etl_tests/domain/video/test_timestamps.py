from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.video.timestamps import FrameClock
from eus_etl.domain.video.types import DecodeCounts

BASE = Fraction(1, 1000)


def clock(held: list[int], counts: DecodeCounts | None = None, step: int = 40) -> FrameClock:
    return FrameClock(BASE, Fraction(step), np.array(held, np.int64), counts or DecodeCounts())


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=50))
def test_order_is_kept_and_equal_pts_are_numbered(pts: list[int]) -> None:
    counts = DecodeCounts()
    ticking = clock([], counts)
    stamps = [ticking.stamp(time) for time in pts]
    assert [stamp.pts for stamp in stamps] == pts
    assert [stamp.frame_index for stamp in stamps] == list(range(len(pts)))
    assert [stamp.repeat for stamp in stamps] == [pts[:n].count(time) for n, time in enumerate(pts)]
    assert [stamp.time_s for stamp in stamps] == [(time - pts[0]) * BASE for time in pts]
    assert counts.repeated == len(pts) - len(set(pts))
    assert counts.backward == sum(b < a for a, b in pairwise(pts))


@given(st.sets(st.integers(-1000, 1000), min_size=1, max_size=50), st.data())
def test_index_counts_lost_frames(held: set[int], data: st.DataObject) -> None:
    ordered = sorted(held)
    shown = sorted(data.draw(st.sets(st.sampled_from(ordered), min_size=1)))
    ticking = clock(ordered)
    assert [ticking.stamp(time).frame_index for time in shown] == [ordered.index(time) for time in shown]


def test_a_frame_without_pts_follows_at_the_distance_seen_last() -> None:
    counts = DecodeCounts()
    ticking = clock([], counts)
    assert [ticking.stamp(time).pts for time in (None, None, 100, 133, None, None)] == [
        0,
        40,
        100,
        133,
        166,
        199,
    ]
    assert counts.untimed == 4
