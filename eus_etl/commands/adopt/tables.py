"""Compares old tables with what the sources give today; decodes nothing and changes nothing.

``domain.legacy.tables`` reads old tables, ``domain.legacy.differences`` says what counts as a difference.
"""

from collections.abc import Iterator, Mapping

import polars as pl

from eus_etl.domain.labels.items import intervals_from_item
from eus_etl.domain.legacy.differences import Comparison, compare_facts, compare_intervals
from eus_etl.domain.legacy.tables import holds_intervals, old_facts, old_intervals, visit_column
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.patient_matching import PatientMatcher
from eus_etl.domain.patients import patient_row
from eus_etl.domain.tables import catalog
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.snapshot import LABEL_ITEMS, PATIENT_ROWS, attributes_of, rows_of
from eus_etl.storage.source_snapshots import Inventory


def compare_labels(
    study: StudyConfig, seen: StudyPaths, match: PatientMatcher, notes: list[str]
) -> Iterator[tuple[str, str, Comparison]]:
    """Compare an old ``labels.csv`` with the intervals that today's items give, visit by visit.

    Args:
        study: the configuration, with the old root.
        seen: paths below which the sources were observed.
        match: finds the visit of an id or alias.
        notes: receives what could not be compared, and why.

    Returns:
        Patient id, table and comparison of each visit that both know.
    """
    old = _old_table(study, catalog.LABELS.name, notes)
    if old is not None and not holds_intervals(old.columns, study.families):
        notes.append("labels: not compared, the old table has no columns for label, start and stop")
        old = None
    items = Inventory(seen, LABEL_ITEMS).versions
    for patient, rows in _rows_by_visit(old, catalog.LABELS.name, match, items, notes).items():
        new = intervals_from_item(patient, attributes_of(seen, patient) or {}, study.families).to_dicts()
        found = compare_intervals(patient, old_intervals(rows, study.families), new)
        yield patient, catalog.LABELS.name, found


def compare_patients(
    study: StudyConfig, seen: StudyPaths, match: PatientMatcher, notes: list[str]
) -> Iterator[tuple[str, str, Comparison]]:
    """Compare an old ``patients.csv`` with the rows that today's items and sheet give, visit by visit.

    Arguments and results are those of ``compare_labels``.
    """
    old = _old_table(study, catalog.PATIENTS.name, notes)
    known = {**Inventory(seen, LABEL_ITEMS).versions, **Inventory(seen, PATIENT_ROWS).versions}
    for patient, rows in _rows_by_visit(old, catalog.PATIENTS.name, match, known, notes).items():
        new, _ = patient_row(patient, attributes_of(seen, patient), rows_of(seen, patient), study.patients)
        if len(rows) > 1:
            notes.append(f"patients: visit {patient} has {len(rows)} old rows; the last one is compared")
        old_row, unreadable = old_facts(rows[-1], study.patients)
        yield patient, catalog.PATIENTS.name, compare_facts(patient, old_row, unreadable, new)


def _old_table(study: StudyConfig, name: str, notes: list[str]) -> pl.DataFrame | None:
    """An old table, all text, where it was or where a killed process has moved it; None for none."""
    paths = StudyPaths(study.root)
    file = paths.table(name)
    if not file.is_file():
        file = paths.legacy_tables / file.name
    if not file.is_file():
        notes.append(f"{name}: not compared, there is no old table")
        return None
    try:
        return pl.read_csv(file, infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True)
    except (pl.exceptions.PolarsError, OSError):  # its message may repeat a cell
        notes.append(f"{name}: not compared, the old table cannot be read as CSV")
        return None


def _rows_by_visit(
    old: pl.DataFrame | None,
    table: str,
    match: PatientMatcher,
    known: Mapping[str, str],
    notes: list[str],
) -> dict[str, list[dict[str, str | None]]]:
    """An old table's rows of each visit that the sources know; notes how many of either have no match."""
    if old is None:
        return {}
    key = visit_column(old.columns)
    if key is None:
        notes.append(f"{table}: not compared, the old table has no column for the visit's id or alias")
        return {}
    rows: dict[str, list[dict[str, str | None]]] = {}
    unknown = 0
    for row in old.to_dicts():
        patient = _only(match.of_key(row[key] or ""))
        if patient is None or patient not in known:
            unknown += 1
        else:
            rows.setdefault(patient, []).append(row)
    if unknown:
        notes.append(f"{table}: {unknown} old rows belong to visits that the sources do not have")
    if new := len(known.keys() - rows.keys()):
        notes.append(f"{table}: {new} visits in the sources have no old row")
    return rows


def _only(found: frozenset[str]) -> str | None:
    return next(iter(found)) if len(found) == 1 else None
