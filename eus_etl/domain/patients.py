"""One row of ``patients.csv``: facts of the label item, joined with the sheet's cells.

Rows are already matched to visits; reading items and sheets stays in ``sources``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TypeAlias

from eus_etl.domain.labels.item_keys import is_missing, procedure_stop, seconds_of
from eus_etl.domain.labels.item_values import BOOLEANS, MORPHOLOGY, UNREADABLE
from eus_etl.domain.numbers import finite_number
from eus_etl.domain.tables import catalog
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.settings import PatientColumnConfig, PatientsConfig

REASONS = (
    "not_text",
    "not_allowed",
    "not_a_boolean",
    "not_a_number",
    "not_an_integer",
    "not_a_date",
    "bad_time",
    "out_of_range",
    "conflict",
)
"""Why a value was rejected, wholly or in part."""

Value: TypeAlias = str | float | int | bool | date

_INTEGER = re.compile(r"[+-]?[0-9]{1,15}(\.0*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class _BadValueError(Exception):
    """A value that cannot be used. The detail never repeats its text, which may name somebody."""

    def __init__(self, reason: str, detail: str, usable: Value | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail
        self.usable = usable


def patient_row(
    patient_id: str,
    attributes: Mapping[str, object] | None,
    rows: Sequence[Mapping[str, str]],
    config: PatientsConfig,
) -> tuple[dict[str, Value | None], list[Rejection]]:
    """Join the label item and the sheet's rows of one visit.

    A value that cannot be used becomes null and is recorded as rejected. If the sheet has several rows of the
    visit, the first usable cell of a column wins, and a different one is a ``conflict``. ``subject_id`` stays
    null: it needs a key and an access that neither source has.

    Args:
        patient_id: the item's pk.
        attributes: the label item, None where there is none.
        rows: the sheet's rows of this visit, header to cell, in the sheet's order.
        config: the sheet's columns.

    Returns:
        The row, a value or None for each column of ``catalog.patients``; and what was not taken: ``item`` is
        the column, ``reason`` one of ``REASONS``.
    """
    rejected: list[Rejection] = []
    row: dict[str, Value | None] = dict.fromkeys(catalog.patients(config.columns).names)
    row["patient_id"] = patient_id
    for name, value, read in _facts(attributes or {}):
        try:
            row[name] = None if is_missing(value) else read(value)
        except _BadValueError as bad:
            row[name] = bad.usable
            rejected.append(_rejected(name, bad, "correct the attribute in the label item"))
    for column in config.columns:
        cells = [cells.get(column.header, "").strip() for cells in rows]
        row[column.name] = _from_cells([cell for cell in cells if cell], column, rejected)
    return row, rejected


def checked_cells(cells: Mapping[str, str], config: PatientsConfig) -> dict[str, str]:
    """Cells as they may be stored: ``UNREADABLE`` stands for one that is not of its column's kind.

    ``patient_row`` records it as it would record what stood there. A number out of range stays.

    Args:
        cells: headers to cells of one row of the sheet.
        config: the sheet's columns.
    """
    checked = {}
    for column in config.columns:
        cell = cells.get(column.header, "").strip()
        try:
            if cell:
                _read_cell(cell, column)
        except _BadValueError as bad:
            cell = cell if bad.reason == "out_of_range" else UNREADABLE
        checked[column.header] = cell
    return checked


def _facts(item: Mapping[str, object]) -> list[tuple[str, object, Callable[[object], Value | None]]]:
    """Columns, their values in the item and their readers."""
    return [
        ("pseudo_name", item.get("pseudo_name"), _text),
        ("org", item.get("org"), _org),
        ("visit_date", item.get("Date"), _date),
        ("morphology", item.get("morphology"), _findings),
        ("morphology_presumed", item.get("morphology_presumed"), _findings),
        ("cancer", item.get("cancer"), _boolean),
        ("procedure_s", procedure_stop(item), _time),
    ]


def _from_cells(cells: Sequence[str], column: PatientColumnConfig, rejected: list[Rejection]) -> Value | None:
    taken: Value | None = None
    for cell in cells:
        try:
            value = _read_cell(cell, column)
            if taken is not None and value != taken:
                raise _BadValueError(
                    "conflict", "an earlier row of this visit has another value, which is used"
                )
            taken = value
        except _BadValueError as bad:
            rejected.append(_rejected(column.name, bad, "correct the cell in the sheet"))
    return taken


def _read_cell(cell: str, column: PatientColumnConfig) -> Value:
    if column.allowed is not None:
        cell = _allowed(cell, column.allowed)
    match column.type:
        case "text":
            return _text(cell)
        case "boolean":
            return _boolean(cell)
        case "date":
            return _date(cell)
        case "number" | "integer":
            return _in_range(_number(cell, column), column)


def _number(cell: str, column: PatientColumnConfig) -> float | int:
    """A number, with or without the column's own unit behind it."""
    digits = cell.casefold().removesuffix(column.unit.casefold()).rstrip()
    if column.type == "integer":
        if not _INTEGER.fullmatch(digits):
            raise _BadValueError("not_an_integer", "the cell is not a whole number")
        return int(digits.partition(".")[0])
    try:
        return finite_number(digits)
    except ValueError as error:
        raise _BadValueError("not_a_number", f"the cell: {error}") from None


def _in_range(value: float | int, column: PatientColumnConfig) -> float | int:
    low = float("-inf") if column.minimum is None else column.minimum
    high = float("inf") if column.maximum is None else column.maximum
    if not low <= value <= high:
        raise _BadValueError(
            "out_of_range", f"{value:g} is outside {low:g} to {high:g} {column.unit}".rstrip()
        )
    return value


def _allowed(text: str, allowed: Sequence[str]) -> str:
    for spelling in allowed:
        if _folded(spelling).casefold() == _folded(text).casefold():
            return spelling
    raise _BadValueError("not_allowed", f"the text is not one of {', '.join(allowed)}")


def _findings(value: object) -> str | None:
    """Findings as the app spells them, each once; others are left out."""
    given = value if isinstance(value, list) else [value]
    known: dict[str, None] = {}
    strange = 0
    for finding in given:
        try:
            known[_allowed(_text(finding), MORPHOLOGY)] = None
        except _BadValueError:
            strange += not is_missing(finding)
    joined = "|".join(known) or None
    if strange:
        detail = f"{strange} of {len(given)} findings are not among {', '.join(MORPHOLOGY)}"
        raise _BadValueError("not_allowed", detail, joined)
    return joined


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _BadValueError("not_text", "the value is not text")
    return _folded(value)


def _org(value: object) -> str:
    if value == UNREADABLE:
        raise _BadValueError("not_allowed", "the hospital is none of `patients.orgs`")
    return _text(value)


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = BOOLEANS.get(value.strip().casefold()) if isinstance(value, str) else None
    if known is None:
        raise _BadValueError("not_a_boolean", "the value is neither true nor false")
    return known


def _date(value: object) -> date:
    """The day of an ISO 8601 date, or of a time that begins with one."""
    day = value.strip().partition("T")[0] if isinstance(value, str) else ""
    try:
        if _DATE.fullmatch(day):
            return date.fromisoformat(day)
    except ValueError:
        pass
    raise _BadValueError("not_a_date", "the value is not a date written YYYY-MM-DD")


def _time(value: object) -> float:
    seconds = seconds_of(value)
    if seconds is None:
        raise _BadValueError("bad_time", "the time is not written HH:MM:SS")
    return seconds


def _folded(text: str) -> str:
    return " ".join(text.split())


def _rejected(column: str, bad: _BadValueError, remedy: str) -> Rejection:
    return Rejection(item=column, reason=bad.reason, detail=bad.detail, remedy=remedy)
