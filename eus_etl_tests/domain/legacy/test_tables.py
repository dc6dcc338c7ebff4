"""Old tables in the spellings that scripts and spreadsheets give them, beside today's rows."""

import pytest

from eus_etl.domain.labels.items import intervals_from_item
from eus_etl.domain.legacy.differences import compare_facts, compare_intervals
from eus_etl.domain.legacy.tables import (
    UNKNOWN_LABEL,
    OldInterval,
    holds_intervals,
    old_facts,
    old_intervals,
    visit_column,
)
from eus_etl.settings import load_study, shipped
from eus_etl_tests.support.hospitals.label_items import EUS, item

LIVER = load_study(shipped("configs") / "liver_config.yaml").patients


def today(*timers: tuple[str, int | None, int | None], end: int | None = None) -> list[dict[str, object]]:
    return intervals_from_item("p1", item(*timers, end=end), EUS).to_dicts()


@pytest.mark.parametrize(
    "columns", [["Patient_ID", "id"], ["", "patient id"], ["PatientId"], ["pk"], ["alias"]]
)
def test_the_visit_is_named_by_whatever_column_there_is(columns: list[str]) -> None:
    assert visit_column(columns) == columns[-1 if columns[0] == "" else 0]
    assert visit_column(["frame", "label"]) is None


@pytest.mark.parametrize(
    ("label", "start", "stop", "expected"),
    [
        ("Station 1", "10", "20.5", OldInterval("Station 1", 10.0, 20.5)),
        ("station1", "00:00:10", "00:01:00", OldInterval("Station 1", 10.0, 60.0)),
        ("D 1 2", "0 days 00:00:10", "0 days 01:00:00.500000", OldInterval("D 1", 10.0, 3600.5)),
        ("Tumour", "", "nan", OldInterval("Tumor", None, None)),
        ("Gallbladder", "soon", "-3", OldInterval(UNKNOWN_LABEL, None, None)),
        (None, None, "inf", OldInterval(UNKNOWN_LABEL, None, None)),
    ],
)
def test_one_row_per_interval(
    label: str | None, start: str | None, stop: str | None, expected: OldInterval
) -> None:
    row = {"Patient": "p1", "Label Name": label, "Start_Time": start, "End Time": stop}
    assert holds_intervals(list(row), EUS)
    assert old_intervals([row], EUS) == [expected]


def test_one_row_per_visit_with_one_column_per_press() -> None:
    row = {
        "pk": "p1",
        "Start D 1 2": "00:01:00",
        "Stop D 1 2": "90",
        "startFNA": "1.25",
        "Stop Procedure": "99",
    }
    assert holds_intervals(list(row), EUS)
    assert old_intervals([row], EUS) == [OldInterval("D 1", 60.0, 90.0), OldInterval("FNA", 1.25, None)]


def test_one_row_per_frame_holds_no_intervals() -> None:
    assert not holds_intervals(["frame", "patient_id", "label", "disturbed"], EUS)


def test_equal_intervals_are_paired_before_unequal_ones() -> None:
    old = [OldInterval("FNA", 50.0, 60.0), OldInterval("FNA", 10.4, 20.0), OldInterval("FNA", 30.0, 40.0)]
    found = compare_intervals("p1", old, today(("FNA 1", 10, 20), ("FNA 2", 32, 40), end=99))
    assert found.agree == 1
    assert [(row["what"], row["old_start_s"], row["new_start_s"]) for row in found.differences] == [
        ("times", 30.0, 32.0),
        ("only_old", 50.0, None),
    ]


def test_an_interval_that_is_not_used_any_more_is_a_difference() -> None:
    old = [OldInterval("FNA", 20.0, 10.0)]
    found = compare_intervals("p1", old, today(("FNA 1", 20, 10), end=99))
    assert [row["what"] for row in found.differences] == ["rejected_now"]
    assert found.agree == 0


def test_facts_are_read_as_todays_are() -> None:
    row = {
        "patient": "p1",
        "Cancer": "False",
        "morphology": "['Normal', 'CCP']",
        "Stop_Procedure": "61",
        "Date": "05/10/2026",
        "CAP score": "250 dB/m",
        "stiffness_kpa": "nan",
        "biopsy": "never read",
    }
    values, unreadable = old_facts(row, LIVER)
    assert values == {
        "visit_date": None,
        "morphology": "Normal|CCP",
        "cancer": False,
        "procedure_s": 61.0,
        "cap_db_m": 250.0,
        "stiffness_kpa": None,
    }
    assert unreadable == {"visit_date"}
    new = {**values, "cap_db_m": 251.0, "stiffness_kpa": 5.0, "cancer": None}
    found = compare_facts("p1", values, unreadable, new)
    assert found.agree == 2
    assert {row["item"]: row["what"] for row in found.differences} == {
        "visit_date": "unreadable",
        "cancer": "only_old",
        "cap_db_m": "value",
        "stiffness_kpa": "only_new",
    }
