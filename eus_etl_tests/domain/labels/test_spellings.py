"""Names and values of timers: every spelling that items have had."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.labels.item_keys import procedure_end_s, seconds_of, timer_key
from eus_etl.domain.labels.items import intervals_from_item
from eus_etl_tests.support.hospitals.label_items import EUS, LABELS_OF_EUS, LIVER, clock, item, judged


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Start D 1 2", "D 1 2"),
        ("Start D 1 1", "D 1 1"),
        ("Start D 1", "D 1 1"),
        ("Start D1", "D 1 1"),
        ("Start D1 3", "D 1 3"),
        ("Start D2", "D 2 1"),
        ("d1Start", "D 1 1"),
        ("Start Stomach", "Stomach 1 1"),
        ("Start Stomach 2", "Stomach 1 2"),
        ("Start Stomach 1 2", "Stomach 1 2"),
        ("stomachStart", "Stomach 1 1"),
        ("Start Station1", "Station 1 1"),
        ("Start Station1 2", "Station 1 2"),
        ("Start Station 3", "Station 3 1"),
        ("station1Start", "Station 1 1"),
        ("station2Start3", "Station 2 3"),
        ("startStation3", "Station 3 1"),
        ("start_station_3_2", "Station 3 2"),
        ("station_3_start", "Station 3 1"),
        ("Start FNA 12", "FNA 12"),
        ("fnaStart", "FNA 1"),
        ("Start  tumour  1 ", "Tumor 1"),
    ],
)
def test_spellings(name: str, expected: str) -> None:
    stop = name.replace("Start", "Stop").replace("start", "stop")
    assert judged({name: "00:00:05", stop: "00:00:09"}) == {expected: (5.0, 9.0, "ok", None)}


@pytest.mark.parametrize(
    "name", ["Date", "org", "biopsy", "cancer", "restart", "Stopwatch", "Starting point", "Start", "nonstop"]
)
def test_other_attributes_are_no_timers(name: str) -> None:
    assert timer_key(name) is None
    assert judged({name: "00:00:05"}) == {}


@pytest.mark.parametrize("name", ["Stop Procedure", "stopProcedure", "procedureStop", "Procedure Stop"])
def test_stop_procedure_is_no_label(name: str) -> None:
    attributes = {name: "00:01:30", "Start Procedure": "00:00:00"}
    assert procedure_end_s(attributes) == 90
    assert judged(attributes) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("00:00:00", 0.0),
        ("01:02:03", 3723.0),
        (" 0:00:07 ", 7.0),
        ("120:00:00", 432000.0),
        ("00:00:07.5", 7.5),
        ("99:99:99", None),
        ("00:60:00", None),
        ("00:00:60", None),
        ("00:07", None),
        ("7", None),
        (7, None),
        (7.0, None),
        (True, None),
        (["00:00:07"], None),
        ("ab:cd", None),
        ("-1:00:00", None),
        ("٠٠:٠٠:٠٧", None),  # noqa: RUF001 - digits that int() takes but no app writes
        ("", None),
        (None, None),
    ],
)
def test_times(text: object, expected: float | None) -> None:
    assert seconds_of(text) == expected


@given(st.integers(0, 9999 * 3600))
def test_every_time_reads_back(seconds: int) -> None:
    assert seconds_of(clock(seconds)) == seconds


@given(st.sampled_from(LABELS_OF_EUS), st.integers(1, 9999), st.integers(0, 5000), st.integers(1, 5000))
def test_every_label_and_number_reads_back(label: str, number: int, start: int, length: int) -> None:
    found = judged(item((f"{label} {number}", start, start + length)))
    assert found == {f"{label} {number}": (start, start + length, "ok", None)}


def test_a_press_written_twice_with_two_times_is_not_guessed() -> None:
    attributes = {"Start FNA 1": "00:00:03", "start FNA 1": "00:00:04", "Stop FNA 1": "00:00:09"}
    assert judged(attributes) == {"FNA 1": (None, 9.0, "rejected", "bad_time")}


def test_two_spellings_of_one_run_count_once() -> None:
    attributes = item(
        ("Station1 1", 5, 20), ("Station 1 1", 5, 20), ("Station1 2", 30, 40), ("Station 1 2", 30, 40)
    )
    assert judged(attributes) == {
        "Station 1 1": (5.0, 20.0, "ok", None),
        "Station 1 2": (30.0, 40.0, "ok", None),
    }


def test_a_run_in_an_old_spelling_does_not_lend_its_presses() -> None:
    rows = intervals_from_item("p1", item(("Station1 1", 5, 20), ("Station 1 1", 50, 80)), EUS)
    assert rows.select("start_s", "stop_s", "status").rows() == [(5.0, 20.0, "ok"), (50.0, 80.0, "ok")]
    rows = intervals_from_item("p1", item(("Station1 1", 5, 20), ("Station 1 1", 10, 80)), EUS)
    assert rows["problem"].to_list() == ["overlaps_same_family|stale_rerun"] * 2


def test_unknown_labels_are_kept_in_sight() -> None:
    long = "x" * 100
    found = judged(item(("Gall\x00bladder\n 2", 3, 9), (long, 5, None)))
    assert found == {
        "Gall bladder 2": (3.0, 9.0, "rejected", "unknown_label"),
        f"{long[:40]} 1": (5.0, None, "rejected", "no_stop|unknown_label"),
    }
    assert intervals_from_item("p1", item(("Station 1 1", 3, 9)), LIVER)["family"].to_list() == [None]


def test_an_old_stop_procedure_gives_way_to_todays() -> None:
    attributes = {"stopProcedure": "00:09:00", "Stop Procedure": "00:01:00", "Stop Procedure 1": "00:08:00"}
    assert procedure_end_s(attributes) == 60


def test_an_unnumbered_run_stays_apart_from_a_numbered_one() -> None:
    rows = intervals_from_item("p1", item(("D 1", 5, 20), ("D 1 1", 50, 80)), EUS)
    assert rows.select("label", "occurrence", "start_s", "stop_s", "status").rows() == [
        ("D 1", 1, 5.0, 20.0, "ok"),
        ("D 1", 1, 50.0, 80.0, "ok"),
    ]


def test_a_number_too_large_is_part_of_the_label() -> None:
    assert list(judged(item((f"FNA {10**30}", 3, 9)))) == [f"FNA {10**30} 1"]
