from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.sampling import Sampler

RATES = st.one_of(
    st.sampled_from([0.1, 0.3, 1.0, 2.5, 5.0, 7.0, 29.97, 30.0, 1000.0]),
    st.floats(0.01, 120, allow_nan=False).map(lambda rate: round(rate, 3)),
)
TIME_BASES = st.sampled_from([Fraction(1, 1000), Fraction(1, 90000), Fraction(1001, 30000), Fraction(1, 30)])


@st.composite
def times(draw: st.DrawFn) -> list[Fraction]:
    base = draw(TIME_BASES)
    steps = draw(st.lists(st.integers(0, 5000), max_size=60))
    elapsed, ticks = [Fraction(0)], 0
    for step in steps:
        ticks += step
        elapsed.append(ticks * base)
    return elapsed


def kept(rate_hz: float | None, frame_times: list[Fraction]) -> list[int]:
    sampler = Sampler(rate_hz)
    return [number for number, time in enumerate(frame_times) if sampler.keeps(time)]


@given(RATES, times())
def test_keeps_the_first_frame_at_or_after_each_grid_time_and_nothing_else(
    rate_hz: float, frame_times: list[Fraction]
) -> None:
    rate = Fraction(str(rate_hz))
    last_k = int(frame_times[-1] * rate)
    wanted = {
        next(n for n, time in enumerate(frame_times) if time * rate >= k)
        for k in range(min(last_k, 2_000) + 1)
    }
    found = [n for n in kept(rate_hz, frame_times) if frame_times[n] * rate < 2_000]
    assert set(found) == {n for n in wanted if frame_times[n] * rate < 2_000}


@given(RATES, times())
def test_all_contains_every_sampled_frame_and_the_first_is_always_kept(
    rate_hz: float, frame_times: list[Fraction]
) -> None:
    sampled = kept(rate_hz, frame_times)
    assert sampled[0] == 0
    assert set(sampled) <= set(kept(None, frame_times)) == set(range(len(frame_times)))


@given(RATES, times())
def test_at_most_one_frame_between_two_grid_times(rate_hz: float, frame_times: list[Fraction]) -> None:
    cells = [int(frame_times[n] * Fraction(str(rate_hz))) for n in kept(rate_hz, frame_times)]
    assert len(cells) == len(set(cells))


@given(st.integers(1, 8), times())
def test_a_multiple_of_a_rate_keeps_all_that_the_rate_keeps(factor: int, frame_times: list[Fraction]) -> None:
    assert set(kept(1.25, frame_times)) <= set(kept(1.25 * factor, frame_times))


@pytest.mark.parametrize(("rate_hz", "every"), [(5.0, 6), (0.1, 300), (0.3, 100), (30.0, 1), (60.0, 1)])
def test_a_frame_exactly_on_the_grid_is_kept_for_hours(rate_hz: float, every: int) -> None:
    frame_times = [Fraction(n, 30) for n in range(30 * 3600)]
    assert kept(rate_hz, frame_times) == list(range(0, len(frame_times), every))


def test_a_frame_that_goes_back_in_time_is_not_kept_again() -> None:
    assert kept(1.0, [Fraction(t) for t in (0, 1, 2, 0, 1, 2, 3)]) == [0, 1, 2, 6]
