"""Patients' rows: facts of items as old and new apps write them, cells of a sheet, and what is not copied."""

from collections.abc import Mapping
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.patients import REASONS, Value, checked_cells, patient_row
from eus_etl.domain.tables import catalog
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.settings import PatientColumnConfig, PatientsConfig, load_study, shipped

EUS = load_study(shipped("configs") / "eus_config.yaml").patients
LIVER = load_study(shipped("configs") / "liver_config.yaml").patients
NO_SHEET = PatientsConfig(key_header="Patient")


def facts(attributes: Mapping[str, object]) -> tuple[dict[str, Value], list[tuple[str, str]]]:
    """Values that are not null, and (column, reason) of what was not taken."""
    row, rejected = patient_row("p1", attributes, [], NO_SHEET)
    assert list(row) == catalog.patients(()).names
    assert row.pop("patient_id") == "p1"
    return _told(row, rejected)


def cells(column: PatientColumnConfig, *texts: str) -> tuple[Value | None, list[tuple[str, str]]]:
    """The value of a column of these cells, and (column, reason) of what was not taken."""
    config = PatientsConfig(key_header="Patient", columns=(column,))
    row, rejected = patient_row("p1", None, [{column.header: text} for text in texts], config)
    told = _told(row, rejected)
    return row[column.name], told[1]


def _told(
    row: dict[str, Value | None], rejected: list[Rejection]
) -> tuple[dict[str, Value], list[tuple[str, str]]]:
    for bad in rejected:
        assert bad.reason in REASONS
        assert bad.detail
        assert bad.remedy
    values = {name: value for name, value in row.items() if value is not None}
    return values, [(bad.item, bad.reason) for bad in rejected]


def test_a_current_item() -> None:
    item = {
        "pseudo_name": "Coming-Ola-52",
        "org": "AIMS",
        "Date": "2026-10-05",
        "morphology": ["Cysts", "Mass"],
        "morphology_presumed": ["Normal"],
        "cancer": True,
        "Stop Procedure": "00:06:34",
        "Start FNA 1": "00:00:03",
    }
    assert facts(item) == (
        {
            "pseudo_name": "Coming-Ola-52",
            "org": "AIMS",
            "visit_date": date(2026, 10, 5),
            "morphology": "Cysts|Mass",
            "morphology_presumed": "Normal",
            "cancer": True,
            "procedure_s": 394.0,
        },
        [],
    )


def test_an_item_is_not_needed() -> None:
    row, rejected = patient_row("p1", None, [], NO_SHEET)
    assert row == {**dict.fromkeys(catalog.patients(()).names), "patient_id": "p1"}
    assert rejected == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"cancer": False}, {"cancer": False}),
        ({"cancer": " "}, {}),
        ({"cancer": None}, {}),
        ({"cancer": "true"}, {"cancer": True}),
        ({"morphology": "Mass"}, {"morphology": "Mass"}),
        ({"morphology": "ccp"}, {"morphology": "CCP"}),
        ({"morphology": []}, {}),
        ({"morphology": [" ", "Mass", "Mass"]}, {"morphology": "Mass"}),
        ({"morphology": " "}, {}),
        ({"Date": "2026-10-05T23:59:59.000Z"}, {"visit_date": date(2026, 10, 5)}),
        ({"stopProcedure": "00:00:36"}, {"procedure_s": 36.0}),
        ({"org": "  All   India "}, {"org": "All India"}),
    ],
)
def test_old_and_empty_ways_to_say_it(said: Mapping[str, object], expected: Mapping[str, Value]) -> None:
    assert facts(said) == (expected, [])


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"cancer": "maybe Quillfeather"}, ("cancer", "not_a_boolean")),
        ({"cancer": 1}, ("cancer", "not_a_boolean")),
        ({"Date": "05/10/2026"}, ("visit_date", "not_a_date")),
        ({"Date": "2026-02-30"}, ("visit_date", "not_a_date")),
        ({"Date": 20261005}, ("visit_date", "not_a_date")),
        ({"Stop Procedure": "99:99:99"}, ("procedure_s", "bad_time")),
        ({"org": ["Quillfeather"]}, ("org", "not_text")),
        ({"morphology": "seen by Quillfeather"}, ("morphology", "not_allowed")),
        ({"morphology": {"a": "Quillfeather"}}, ("morphology", "not_allowed")),
    ],
)
def test_a_fact_that_cannot_be_used_is_null_and_recorded(
    said: Mapping[str, object], reason: tuple[str, str]
) -> None:
    assert facts({**said, "pseudo_name": "Ola"}) == ({"pseudo_name": "Ola"}, [reason])
    assert "Quillfeather" not in repr(patient_row("p1", said, [], NO_SHEET))


def test_good_findings_stay_beside_strange_ones() -> None:
    assert facts({"morphology": ["Mass", "told by Quillfeather", "CCP"]}) == (
        {"morphology": "Mass|CCP"},
        [("morphology", "not_allowed")],
    )


def test_free_text_and_people_are_not_copied() -> None:
    item = {
        "biopsy": "Quillfeather",
        "doctor": "Quillfeather",
        "name": "Quillfeather",
        "mrd_hash": "Quillfeather",
    }
    assert facts(item) == ({}, [])


def column(
    kind: str, allowed: tuple[str, ...] | None = None, unit: str = "", low: float | None = None
) -> PatientColumnConfig:
    return PatientColumnConfig.model_validate(
        {
            "name": "x",
            "header": "X",
            "type": kind,
            "unit": unit,
            "meaning": "m",
            "allowed": allowed,
            "minimum": low,
            "maximum": None if low is None else 400,
        }
    )


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("number", "310", 310.0),
        ("number", " -3.50 ", -3.5),
        ("number", "1e2", 100.0),
        ("integer", "12", 12),
        ("integer", "12.0", 12),
        ("boolean", "YES", True),
        ("boolean", "0", False),
        ("date", "2026-10-05", date(2026, 10, 5)),
        ("text", " some   text ", "some text"),
        ("text", "", None),
    ],
)
def test_cells_by_type(kind: str, text: str, expected: Value | None) -> None:
    value, rejected = cells(column(kind), text)
    assert (value, type(value), rejected) == (expected, type(expected), [])


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("number", "3,5", "not_a_number"),
        ("number", "nan", "not_a_number"),
        ("number", "1e999", "not_a_number"),
        ("number", "9" * 400, "not_a_number"),
        ("number", "inf", "not_a_number"),
        ("number", "1_000", "not_a_number"),
        ("number", "Quillfeather", "not_a_number"),
        ("integer", "12.5", "not_an_integer"),
        ("integer", "9" * 30, "not_an_integer"),
        ("boolean", "Quillfeather", "not_a_boolean"),
        ("date", "5.10.2026", "not_a_date"),
    ],
)
def test_a_bad_cell_is_null_and_recorded(kind: str, text: str, reason: str) -> None:
    assert cells(column(kind), text) == (None, [("x", reason)])


def test_units_and_ranges() -> None:
    with_unit = column("number", unit="dB/m", low=100)
    assert cells(with_unit, "310 db/M") == (310.0, [])
    assert cells(with_unit, "310 kPa") == (None, [("x", "not_a_number")])
    assert [cells(with_unit, text)[0] for text in ("100", "400", "99.99", "400.01")] == [
        100.0,
        400.0,
        None,
        None,
    ]
    _, (bad,) = patient_row("p1", None, [{"CAP score": "4000"}], LIVER)
    assert (bad.item, bad.reason) == ("cap_db_m", "out_of_range")
    assert bad.detail == "4000 is outside 100 to 400 dB/m"


def test_allowed_values_take_the_configured_spelling_and_no_other_text() -> None:
    row, rejected = patient_row("p1", None, [{"Cancer type": " NeuroEndocrine"}], EUS)
    assert (row["cancer_type"], rejected) == ("neuroendocrine", [])
    row, rejected = patient_row("p1", None, [{"Cancer type": "sarcoma? ask Quillfeather"}], EUS)
    assert row["cancer_type"] is None
    assert [bad.reason for bad in rejected] == ["not_allowed"]
    assert "Quillfeather" not in repr(rejected)


def test_several_rows_of_one_patient() -> None:
    number = column("number", low=100)
    assert cells(number, "310", "", "310.0") == (310.0, [])
    assert cells(number, "", "9999", "320", "310") == (320.0, [("x", "out_of_range"), ("x", "conflict")])


def test_a_bad_cell_hides_no_good_one() -> None:
    row, rejected = patient_row("p1", {"org": "AIMS"}, [{"CAP score": "?", "Stiffness": "5.5"}], LIVER)
    assert (row["org"], row["cap_db_m"], row["stiffness_kpa"]) == ("AIMS", None, 5.5)
    assert len(rejected) == 1


@given(
    st.dictionaries(
        st.sampled_from(["pseudo_name", "org", "Date", "morphology", "cancer", "Stop Procedure", "biopsy"]),
        st.text() | st.none() | st.booleans() | st.integers() | st.floats() | st.lists(st.text()),
    ),
    st.lists(st.dictionaries(st.sampled_from(["CAP score", "Stiffness"]), st.text())),
)
def test_any_item_and_any_cells_give_a_row(item: dict[str, object], rows: list[dict[str, str]]) -> None:
    row, rejected = patient_row("p1", item, rows, LIVER)
    assert catalog.patients(LIVER.columns).frame([row]).height == 1
    _told(row, rejected)
    for name, low, high in (("cap_db_m", 100, 400), ("stiffness_kpa", 0, 100)):
        value = row[name]
        assert value is None or (isinstance(value, float) and low <= value <= high)


def test_cells_that_are_not_of_their_columns_kind_are_dropped_and_recorded_alike() -> None:
    for cell in ("310", "5000", "Quillfeather", "1e999", ""):
        cells = {"CAP score": cell, "Stiffness": " 5.5 "}
        checked = checked_cells(cells, LIVER)
        assert checked["Stiffness"] == "5.5"
        assert checked["CAP score"] == (cell if cell in ("310", "5000", "") else "?")
        row, rejected = patient_row("p", None, [cells], LIVER)
        again, recorded = patient_row("p", None, [checked], LIVER)
        assert again == row
        assert [bad.reason for bad in recorded] == [bad.reason for bad in rejected]
