"""Hand-written corrections, ``sync.csv`` and ``regions.csv``: read, and assigned to the visits they name.

Only reads: ``domain.sync_rows`` and ``domain.screen.region_overrides`` know what the rows mean, and
``observe`` stores them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from eus_etl.domain.forgotten import ForgottenNames
from eus_etl.domain.frame_ids import is_bare_video_id, is_video_id
from eus_etl.domain.patient_matching import PatientMatcher
from eus_etl.domain.screen.region_overrides import (
    SAMPLE_INITIALS,
    ConfirmedOutline,
    Row,
    confirmed_outlines,
    confirms,
    has_good_signature,
    is_known_screen,
)
from eus_etl.domain.sync_rows import sync_row, without_conflicts
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.domain.tables.schema import Table
from eus_etl.errors import SourceUnavailableError
from eus_etl.steps.observation.snapshot import RefusedRow
from eus_etl.storage.tables.table_files import WrittenTable, read_correction


@dataclass(frozen=True, slots=True)
class WrittenRows:
    """The rows of a hand-written file.

    Attributes:
        of_visits: patient ids to their rows, which hold that id.
        rejected: other rows that cannot be used, and those that are used with doubt.
        refused: patient ids to their rows that cannot be used.
        known_screens: rows for a screen in any visit.
        confirmed: outlines that were signed off for a screen in some visit.
    """

    of_visits: Mapping[str, list[Row]]
    rejected: list[Rejection]
    refused: Mapping[str, list[RefusedRow]] = field(default_factory=dict)
    known_screens: list[Row] = field(default_factory=list)
    confirmed: Sequence[ConfirmedOutline] = ()


@dataclass(frozen=True, slots=True)
class HandWritten:
    """A hand-written file as it was read.

    Attributes:
        table: its rows.
        doubted: what is recorded of rows that are used nevertheless.
    """

    table: WrittenTable
    doubted: Sequence[Rejection] = ()


def read_hand_written(path: Path, table: Table, *, had_rows: bool) -> HandWritten:
    """``sync.csv`` or ``regions.csv``, without what is only for people.

    A video id without its v, as tables once showed it, gets one.

    A file that is gone or blank may be lost; one with only its headers is meant so.

    Args:
        path: the file.
        table: its columns.
        had_rows: whether the file held rows when it was last read.

    Raises:
        ConfigError: the file is not a table with these columns.
        SourceUnavailableError: it is gone or blank, and held rows before.
    """
    written = read_correction(path, table)
    if written is None and had_rows:
        raise SourceUnavailableError(
            path.name,
            "it is gone or blank, and held corrections before; these stay in force",
            "restore it; to withdraw all corrections, keep only its row of headers",
        )
    if written is None:
        return HandWritten(WrittenTable({}, ()))
    rows = {number: _without_free_text(number, row) for number, row in written.rows.items()}
    bare = [number for number, row in written.rows.items() if is_bare_video_id(row["video_id"] or "")]
    doubted = [*map(_bare_id, bare), *_not_signed_off(written.rows)]
    return HandWritten(table=replace(written, rows=rows), doubted=doubted)


def without_forgotten(file: HandWritten, forgotten: ForgottenNames) -> HandWritten:
    """The file without rows of forgotten visits, of which nothing is recorded."""
    rows = {
        number: row
        for number, row in file.table.rows.items()
        if not forgotten.has_key(row["patient_id"] or "")
    }
    return replace(file, table=replace(file.table, rows=rows))


_NUMBERS = re.compile(r"[-+0-9.,eE\s]*")
_NO_POLYGON = "?"


def _without_free_text(number: int, row: Mapping[str, str | None]) -> dict[str, str | None]:
    """A row as it may be kept: cells that say nothing to this package, or no more than yes, are free text.

    A cell that is not what its column holds becomes what no video, and no outline, has as well.
    """
    kept = dict(row)
    video_id = row["video_id"]
    if video_id and is_bare_video_id(video_id):
        kept["video_id"] = f"v{video_id}"
    elif video_id and not is_video_id(video_id):
        kept["video_id"] = f"unknown-{number}"
    for column in ("method", "by"):
        if column in row:
            kept[column] = None
    if row.get("signed_off"):
        kept["signed_off"] = "yes" if confirms(row["signed_off"] or "") else None
    if (polygon := row.get("polygon")) and not _NUMBERS.fullmatch(polygon):
        kept["polygon"] = _NO_POLYGON
    return kept


def sync_rows(file: HandWritten, match: PatientMatcher) -> WrittenRows:
    """The rows of ``sync.csv``; ``match`` assigns them to visits."""
    written = file.table
    of_visits, rejected = _of_visits(written.rows, match)
    used: dict[str, list[Row]] = {}
    refused: dict[str, list[RefusedRow]] = {}
    for patient_id, rows in of_visits.items():
        bad: dict[int, Rejection] = {}
        good: dict[int, Row] = {}
        for number, row in rows.items():
            judged = surplus_row(number) if number in written.surplus else sync_row(number, row)
            if isinstance(judged, Rejection):
                bad[number] = judged
            else:
                good[number] = judged | {"patient_id": patient_id}
        used[patient_id], contradicting = without_conflicts(good)
        refused[patient_id] = [
            RefusedRow(video_id=rows[number]["video_id"], rejection=rejection)
            for number, rejection in sorted((bad | contradicting).items())
        ]
    return WrittenRows(used, [*rejected, *file.doubted], refused)


def region_rows(file: HandWritten, match: PatientMatcher) -> WrittenRows:
    """The rows of ``regions.csv``; ``match`` assigns them to visits."""
    written = file.table
    bad = {number: surplus_row(number) for number in written.rows if number in written.surplus}
    bad |= {
        number: _bad_signature(number)
        for number, row in written.rows.items()
        if number not in bad and not has_good_signature(row)
    }
    good = {number: row for number, row in written.rows.items() if number not in bad}
    found, rejected = _of_visits({n: row for n, row in good.items() if not is_known_screen(row)}, match)
    of_visits: dict[str, list[Row]] = {
        patient_id: [{**row, "patient_id": patient_id} for row in rows.values()]
        for patient_id, rows in found.items()
    }
    known_screens: list[Row] = [row for row in good.values() if is_known_screen(row)]
    return WrittenRows(
        of_visits,
        [*bad.values(), *rejected, *file.doubted],
        known_screens=known_screens,
        confirmed=confirmed_outlines(
            good[number] for number in sorted(number for rows in found.values() for number in rows)
        ),
    )


def unknown_row(number: int, patients: int) -> Rejection:
    """What is recorded of a row whose key matches no visit, or several."""
    return Rejection(
        item=f"row {number}",
        reason="unknown_patient" if patients == 0 else "several_patients",
        detail=f"its key matches {patients} visits" if patients else "no visit matches its key",
        remedy="write the visit's id or alias as it is in the label item",
    )


def _of_visits(
    written: Mapping[int, Mapping[str, str | None]], match: PatientMatcher
) -> tuple[dict[str, dict[int, Mapping[str, str | None]]], list[Rejection]]:
    rows: dict[str, dict[int, Mapping[str, str | None]]] = {}
    rejected: list[Rejection] = []
    for number, row in written.items():
        found = match.of_key(row["patient_id"] or "")
        if len(found) == 1:
            rows.setdefault(next(iter(found)), {})[number] = row
        else:
            rejected.append(unknown_row(number, len(found)))
    return rows, rejected


def surplus_row(number: int) -> Rejection:
    """What is recorded of a row with more cells than headers."""
    return Rejection(
        item=f"row {number}",
        reason="surplus_cells",
        detail="it has more cells than there are headers, so cells may be in the wrong column",
        remedy="write numbers with a decimal point, and quote cells that hold the separator",
    )


def _bare_id(number: int) -> Rejection:
    return Rejection(
        item=f"row {number}",
        reason="bare_video_id",
        detail="its video_id has no v in front, as earlier versions wrote it; the row is used",
        remedy="write v before the 12 digits, as in videos.csv",
    )


def _not_signed_off(rows: Mapping[int, Mapping[str, str | None]]) -> Iterator[Rejection]:
    """What is recorded of cells in ``signed_off`` that sign nothing off."""
    for number, row in rows.items():
        if not (cell := row.get("signed_off")):
            continue
        if not confirms(cell):
            why = f"its signed_off is still the sample's {SAMPLE_INITIALS}, or says no"
        elif not (row["patient_id"] and row["video_id"]):
            why = (
                "its signed_off names no visit and video, so nobody can have looked at all that it holds for"
            )
        else:
            continue
        yield Rejection(
            item=f"row {number}",
            reason="not_signed_off",
            detail=f"{why}; its polygon is used, and nothing is signed off",
            remedy="once someone has looked, write initials or the date into a row with patient_id and "
            "video_id",
        )


def _bad_signature(number: int) -> Rejection:
    return Rejection(
        item=f"row {number}",
        reason="bad_signature",
        detail="its signature is not a picture size and 32 hex digits",
        remedy="copy the signature from layouts.csv, or from what `eus-etl regions` prints",
    )
