"""Intervals of label items: every quirk of the labelling apps, one by one."""

import itertools
import json
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.support.places import DOCS
from eus_etl.domain.labels.items import intervals_from_item
from eus_etl.domain.labels.on_frames import used_intervals
from eus_etl.domain.labels.problems import PROBLEMS
from eus_etl_tests.support.hospitals.label_items import EUS, LABELS_OF_EUS, LIVER, item, judged


def test_items_that_the_apps_wrote(shared: Path) -> None:
    sample = json.loads((shared / "labels" / "labeller_items_sample.json").read_bytes())
    first, second = (
        {name: value.get("S") for name, value in found.items()} for found in sample["eus"]["patient"]
    )
    (liver,) = (
        {name: value.get("S") for name, value in found.items()} for found in sample["liver"]["patient"]
    )
    assert intervals_from_item("p1", first, EUS).rows() == [
        ("p1", "station", "Station 1", 1, 40.0, 183.0, "ok", None),
        ("p1", "station", "Station 3", 1, 183.0, 363.0, "ok", None),
        ("p1", "station", "Station 1", 2, 364.0, 394.0, "ok", None),
        ("p1", "position", "Stomach 1", 1, 0.0, 394.0, "ok", None),
        ("p1", "fna", "FNA", 1, 100.0, 133.0, "ok", None),
        ("p1", "fna", "FNA", 2, 145.0, 166.0, "ok", None),
        ("p1", "tumor", "Tumor", 1, 166.0, 181.0, "ok", None),
    ]
    assert judged(second) == {
        "Station 1 1": (63.0, 193.0, "ok", None),
        "Station 2 1": (258.0, 359.0, "ok", None),
        "Stomach 1 1": (0.0, 198.0, "ok", None),
        "D 1 1": (198.0, 359.0, "ok", None),
        "D 2 1": (359.0, 479.0, "ok", None),
    }
    assert intervals_from_item("p2", liver, LIVER).rows() == [
        ("p2", "liver", "Liver", 1, 12.0, 72.0, "ok", None),
        ("p2", "liver", "Liver", 2, 76.0, 122.0, "ok", None),
    ]


def test_an_item_without_timers_has_no_intervals() -> None:
    assert judged({"Date": "2026-10-05", "Stop Procedure": "00:06:34"}) == {}
    assert judged({}) == {}


def test_a_tick_of_neighbours_is_cut_off_the_earlier() -> None:
    assert judged(item(("Station 1 1", 3, 12), ("Station 2 1", 11, 26), end=30)) == {
        "Station 1 1": (3.0, 11.0, "ok", None),
        "Station 2 1": (11.0, 26.0, "ok", None),
    }


def test_a_tick_within_one_label_is_cut_as_well() -> None:
    assert judged(item(("Liver 1", 3, 10), ("Liver 2", 9, 18)), LIVER) == {
        "Liver 1": (3.0, 9.0, "ok", None),
        "Liver 2": (9.0, 18.0, "ok", None),
    }


def test_a_tick_past_stop_procedure_is_cut() -> None:
    assert judged(item(("Station 1 1", 3, 31), end=30)) == {"Station 1 1": (3.0, 30.0, "ok", None)}


def test_past_stop_procedure_by_more_is_from_an_earlier_run() -> None:
    stale = "past_procedure_end|stale_rerun"
    assert judged(item(("Station 1 1", 3, 20), ("Station 2 1", 22, 33), ("FNA 1", 40, 50), end=30)) == {
        "Station 1 1": (3.0, 20.0, "ok", None),
        "Station 2 1": (22.0, 33.0, "rejected", stale),
        "FNA 1": (40.0, 50.0, "rejected", stale),
    }


def test_a_press_in_the_last_tick_holds_nothing() -> None:
    assert judged(item(("FNA 1", 30, 31), end=30)) == {
        "FNA 1": (30.0, 31.0, "rejected", "past_procedure_end")
    }


def test_without_stop_procedure_nothing_is_past_it() -> None:
    assert judged(item(("Station 1 1", 3, 36000))) == {"Station 1 1": (3.0, 36000.0, "ok", None)}
    rubbish = {**item(("Station 1 1", 3, 36000)), "Stop Procedure": "99:99:99"}
    assert judged(rubbish) == {"Station 1 1": (3.0, 36000.0, "ok", None)}


def test_fna_and_tumor_may_run_over_stations() -> None:
    found = judged(
        item(("Station 1 1", 0, 20), ("Station 2 1", 25, 50), ("FNA 1", 10, 40), ("Tumor 1", 15, 45), end=60)
    )
    assert {interval[2] for interval in found.values()} == {"ok"}


def test_presses_without_their_partner() -> None:
    attributes = item(("Station 1 1", 3, 12), ("Station 2 1", 12, None), ("FNA 1", None, 8), end=30)
    assert judged(attributes | {"Stop Station 2 1": None, "Start FNA 1": " "}) == {
        "Station 1 1": (3.0, 12.0, "ok", None),
        "Station 2 1": (12.0, None, "rejected", "no_stop"),
        "FNA 1": (None, 8.0, "rejected", "no_start"),
    }


def test_bad_times_hide_no_good_ones() -> None:
    attributes = item(
        ("Station 1 1", 3, 12), ("Station 1 2", 20, 15), ("Station 1 3", 22, 25), ("D 1 1", 5, 5)
    )
    attributes |= {"Start Tumor 1": "ab:cd", "Stop Tumor 1": "00:00:09", "Start FNA 1": "99:99:99"}
    assert judged(attributes) == {
        "Station 1 1": (3.0, 12.0, "ok", None),
        "Station 1 2": (20.0, 15.0, "rejected", "stop_before_start"),
        "Station 1 3": (22.0, 25.0, "ok", None),
        "D 1 1": (5.0, 5.0, "rejected", "stop_before_start"),
        "Tumor 1": (None, 9.0, "rejected", "bad_time"),
        "FNA 1": (None, None, "rejected", "no_stop|bad_time"),
    }


def test_a_second_run_leaves_higher_numbers_of_the_first() -> None:
    # the first run had three, the second overwrote one of them
    attributes = item(("FNA 1", 10, 30), ("FNA 2", 20, 25), ("FNA 3", 40, 45), end=60)
    assert judged(attributes) == {
        "FNA 1": (10.0, 30.0, "ok", None),
        "FNA 2": (20.0, 25.0, "rejected", "overlaps_same_family|stale_rerun"),
        "FNA 3": (40.0, 45.0, "suspect", "stale_rerun"),
    }


def test_a_number_before_a_lower_one_is_from_an_earlier_run() -> None:
    assert judged(item(("FNA 1", 30, 40), ("FNA 2", 10, 15), end=60)) == {
        "FNA 1": (30.0, 40.0, "ok", None),
        "FNA 2": (10.0, 15.0, "suspect", "stale_rerun"),
    }


def test_a_suspect_interval_gives_way_to_a_good_one() -> None:
    attributes = item(("Station 1 1", 30, 40), ("Station 1 2", 10, 15), ("Station 2 1", 12, 25), end=60)
    assert judged(attributes) == {
        "Station 1 1": (30.0, 40.0, "ok", None),
        "Station 1 2": (10.0, 15.0, "rejected", "overlaps_same_family|stale_rerun"),
        "Station 2 1": (12.0, 25.0, "ok", None),
    }


def test_two_labels_that_contradict_each_other_are_both_left_out() -> None:
    attributes = item(("Station 1 1", 5, 20), ("Station 2 1", 12, 30), ("Station 3 1", 35, 50), end=60)
    assert judged(attributes) == {
        "Station 1 1": (5.0, 20.0, "rejected", "overlaps_same_family"),
        "Station 2 1": (12.0, 30.0, "rejected", "overlaps_same_family"),
        "Station 3 1": (35.0, 50.0, "ok", None),
    }


def test_one_interval_against_several_that_agree_is_left_out() -> None:
    attributes = item(
        ("Station 1 1", 0, 20),
        ("Station 2 1", 10, 50),
        ("Station 3 1", 20, 40),
        ("Station 1 2", 40, 48),
        end=60,
    )
    assert judged(attributes) == {
        "Station 1 1": (0.0, 20.0, "suspect", "overlaps_same_family"),
        "Station 2 1": (10.0, 50.0, "rejected", "overlaps_same_family"),
        "Station 3 1": (20.0, 40.0, "suspect", "overlaps_same_family"),
        "Station 1 2": (40.0, 48.0, "suspect", "overlaps_same_family"),
    }


Timers = Sequence[tuple[str, int, int, int]]
timers = st.lists(
    st.tuples(st.sampled_from(LABELS_OF_EUS), st.integers(1, 5), st.integers(0, 60), st.integers(0, 60)),
    max_size=12,
)


def _with_rubbish(found: Timers, rubbish: Mapping[str, object]) -> dict[str, object]:
    return {**rubbish, **item(*((f"{label} {n}", start, stop) for label, n, start, stop in found))}


@given(
    timers,
    st.dictionaries(
        st.builds("{} {}".format, st.sampled_from(["Start", "Stop"]), st.text(max_size=8))
        | st.text(max_size=8),
        st.text(max_size=8) | st.none() | st.integers() | st.sampled_from(["00:00:09", "00:00:40"]),
        max_size=6,
    ),
    st.none() | st.integers(0, 60),
    st.randoms(),
)
def test_what_holds_of_any_item(
    found: Timers, rubbish: dict[str, object], end: int | None, rng: random.Random
) -> None:
    attributes = _with_rubbish(found, rubbish) | item(end=end)
    rows = intervals_from_item("p1", attributes, EUS)

    listed = set(rows.select("label", "occurrence").rows())
    assert {(label, number) for label, number, _, _ in found} <= listed, "every press is accounted for"
    for row in rows.to_dicts():
        words = (row["problem"] or "").split("|") if row["problem"] else []
        assert set(words) <= set(PROBLEMS)
        assert (row["status"] == "ok") == (not words)
    used = used_intervals(rows)
    assert used.filter(pl.col("start_s") >= pl.col("stop_s")).is_empty()
    if end is not None:
        assert used.filter(pl.col("stop_s") > end).is_empty()
    for _, group in used.group_by("family"):
        spans = sorted(group.select("start_s", "stop_s").rows())
        assert all(stop <= start for (_, stop), (start, _) in itertools.pairwise(spans))

    shuffled = list(attributes.items())
    rng.shuffle(shuffled)
    assert intervals_from_item("p1", dict(shuffled), EUS).equals(rows)


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 20)), min_size=1, max_size=8), st.data())
def test_one_good_run_stays_whole_beside_rubbish(steps: list[tuple[int, int]], data: st.DataObject) -> None:
    """Stations pressed one after the other, each numbered, are all ok whatever else the item says."""
    time, counts, good = 0, dict.fromkeys(("Station 1", "Station 2", "Station 3"), 0), {}
    for length, pause in steps:
        label = data.draw(st.sampled_from(sorted(counts)))
        counts[label] += 1
        good[f"{label} {counts[label]}"] = (time, time + length)
        time += length + pause
    attributes = item(*((timer, start, stop) for timer, (start, stop) in good.items()), end=time)
    attributes |= {"Start Tumor 1": "rubbish", "Stop FNA 9": "00:00:01", "Start Xyz 1": "00:00:00"}
    found = judged(attributes)
    assert {timer: found[timer] for timer in good} == {
        timer: (*span, "ok", None) for timer, span in good.items()
    }


def test_the_page_for_readers_names_every_problem() -> None:
    page = DOCS / "labels.md"
    explained = re.findall(r"^\| `(\w+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert explained == list(PROBLEMS)
