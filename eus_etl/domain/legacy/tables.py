"""Tables that earlier scripts left, read tolerantly: how they may spell columns, labels and times.

Which files they are in belongs to ``commands.adopt``, how they differ from today's to ``differences``.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from eus_etl.domain.labels.item_keys import seconds_of, timer_key
from eus_etl.domain.labels.items import intervals_from_item
from eus_etl.domain.patients import Value, patient_row
from eus_etl.settings import LabelConfig, PatientsConfig, label_key

UNKNOWN_LABEL = "unknown label"
"""Replaces any label that the configuration does not have: its text may be anything."""

_VISIT_NAMES = ("patientid", "pk", "uuid", "visitid", "patient", "pseudoname", "alias", "id")
_LABEL_NAMES = ("label", "labelname", "name", "class")
_START_NAMES = ("starts", "start", "starttime", "startsec", "startseconds", "begin")
_STOP_NAMES = ("stops", "stop", "stoptime", "stopsec", "stopseconds", "ends", "end", "endtime", "endsec")
_EMPTY = {"", "nan", "nat", "null"}
_DAYS = re.compile(r"0+ days?,? (?:\+)?")

# columns of patients.csv: the item's attribute that today's reader takes them from, and other names
_FACTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "pseudo_name": ("pseudo_name", ("alias",)),
    "org": ("org", ("hospital", "organisation", "organization")),
    "visit_date": ("Date", ("date",)),
    "morphology": ("morphology", ()),
    "morphology_presumed": ("morphology_presumed", ()),
    "cancer": ("cancer", ()),
    "procedure_s": ("Stop Procedure", ("stopprocedure", "procedurestop", "procedureduration")),
}


@dataclass(frozen=True, slots=True)
class OldInterval:
    """An interval of an old table; times in s of procedure time, None where the cell states none."""

    label: str
    start_s: float | None
    stop_s: float | None


def visit_column(columns: Iterable[str]) -> str | None:
    """The column of an old table that names the visit, by id or alias; None where there is none."""
    return _column(columns, _VISIT_NAMES)


def holds_intervals(columns: Sequence[str], families: Mapping[str, Sequence[LabelConfig]]) -> bool:
    """Whether a table with these columns holds intervals, as one row each or one column per press."""
    return _long_columns(columns) is not None or bool(_press_columns(columns, _labels(families)))


def old_intervals(
    rows: Sequence[Mapping[str, str | None]], families: Mapping[str, tuple[LabelConfig, ...]]
) -> list[OldInterval]:
    """The intervals of one visit's rows of an old ``labels.csv``.

    Reads one row per interval (label, start, stop), or one row per visit with columns such as
    ``Start Station 1 1`` and ``Stop Station 1 1``; times in seconds or ``HH:MM:SS``, labels in any spelling
    that ``families`` lists.
    """
    columns = list(rows[0]) if rows else []
    labels = _labels(families)
    if long := _long_columns(columns):
        label, start, stop = long
        return [
            OldInterval(_label_of(row[label], labels), _seconds(row[start]), _seconds(row[stop]))
            for row in rows
        ]
    presses = _press_columns(columns, labels)
    items = [{name: _as_clock(row[name]) for name in presses} for row in rows]
    return [
        OldInterval(interval["label"], interval["start_s"], interval["stop_s"])
        for item in items
        for interval in intervals_from_item("", item, families).to_dicts()
    ]


def old_facts(
    row: Mapping[str, str | None], config: PatientsConfig
) -> tuple[dict[str, Value | None], frozenset[str]]:
    """One row of an old ``patients.csv``, read as today's items and sheets are.

    So ``True`` and ``true``, or ``250`` and ``250.0 dB/m``, come out the same. ``subject_id`` is left out: it
    cannot be made without its key.

    Returns:
        The columns that today's table has as well, with their values; names of those whose cell cannot be
        read, or not all of it.
    """
    attributes: dict[str, object] = {}
    cells: dict[str, str] = {}
    shared = []
    for name, (attribute, others) in _FACTS.items():
        if column := _column(row, (label_key(name), *others)):
            shared.append(name)
            attributes[attribute] = _attribute(name, row[column])
    for sheet in config.columns:
        if column := _column(row, (label_key(sheet.name), label_key(sheet.header))):
            shared.append(sheet.name)
            cells[sheet.header] = _text(row[column]) or ""
    found, rejected = patient_row("", attributes, [cells], config)
    return {name: found[name] for name in shared}, frozenset(bad.item for bad in rejected)


def _attribute(name: str, cell: str | None) -> object:
    """A cell as the label item would hold it."""
    if name == "procedure_s":
        return _as_clock(cell)
    text = _text(cell)
    if name.startswith("morphology") and text:
        return [finding.strip(" '\"") for finding in re.split(r"[|,;]", text.strip("[] "))]
    return text


def _column(columns: Iterable[str], names: Iterable[str]) -> str | None:
    folded = {label_key(column): column for column in columns}
    return next((folded[name] for name in names if name in folded), None)


def _long_columns(columns: Sequence[str]) -> tuple[str, str, str] | None:
    label, start, stop = (_column(columns, names) for names in (_LABEL_NAMES, _START_NAMES, _STOP_NAMES))
    return (label, start, stop) if label and start and stop else None


def _press_columns(columns: Sequence[str], labels: Mapping[str, str]) -> list[str]:
    """Columns named after a label's timer."""
    keys = {column: timer_key(column) for column in columns}
    return [
        column
        for column, key in keys.items()
        if key is not None and any(label_key(text) in labels for text, _ in key.readings)
    ]


def _labels(families: Mapping[str, Sequence[LabelConfig]]) -> dict[str, str]:
    """Folded spellings to label names."""
    return {
        label_key(spelling): label.name
        for labels in families.values()
        for label in labels
        for spelling in (label.name, *label.spellings)
    }


def _label_of(cell: str | None, labels: Mapping[str, str]) -> str:
    """The configured label that a cell means, with or without the number of its interval behind it."""
    text = _text(cell) or ""
    key = timer_key(f"Start {text}")
    spellings = [text, *(reading for reading, _ in key.readings)] if key else [text]
    return next(
        (labels[label_key(spelling)] for spelling in spellings if label_key(spelling) in labels),
        UNKNOWN_LABEL,
    )


def _text(cell: str | None) -> str | None:
    text = (cell or "").strip()
    return None if text.casefold() in _EMPTY else text


def _seconds(cell: str | None) -> float | None:
    """Seconds of a cell that holds a number of them or ``HH:MM:SS``; None for anything else."""
    text = _DAYS.sub("", _text(cell) or "", count=1)
    clock = seconds_of(text)
    if clock is not None:
        return clock
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _as_clock(cell: str | None) -> str | None:
    """A cell's time as the items write it; the text itself if it is not a time."""
    seconds = _seconds(cell)
    if seconds is None:
        return _text(cell)
    whole_ms = round(seconds * 1000)
    minutes, rest_ms = divmod(whole_ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest_ms // 1000:02}.{rest_ms % 1000:03}"
