"""Hand-written corrections, ``sync.csv`` and ``regions.csv``: read, and given to the visits they speak of.

Reading only: what a row means for times belongs to ``domain.timeline``, for regions to
``domain.region_rows``; storing what was found is ``observe``'s.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.patient_matching import PatientMatcher
from eus_etl.domain.screen.region_overrides import Row, has_good_signature, is_remembered
from eus_etl.domain.tables.catalog import REGIONS, SYNC
from eus_etl.domain.tables.schema import Table
from eus_etl.storage.table_files import read_correction


@dataclass(frozen=True, slots=True)
class WrittenRows:
    """The rows of a hand-written file.

    Attributes:
        of_visits: patient ids to the rows that speak of them, with that id.
        rejected: what is recorded of rows that cannot be used.
        remembered: rows for a screen on any visit.
    """

    of_visits: Mapping[str, list[dict[str, object]]]
    rejected: list[dict[str, object]]
    remembered: list[Row]


def sync_rows(paths: StudyPaths, match: PatientMatcher) -> WrittenRows:
    """The rows of ``sync.csv``.

    Raises:
        ConfigError: the file is no table of these columns.
    """
    return _of_visits(_numbered(paths.sync_csv, SYNC), match)


def region_rows(paths: StudyPaths, match: PatientMatcher) -> WrittenRows:
    """The rows of ``regions.csv``.

    Raises:
        ConfigError: the file is no table of these columns.
    """
    written = _numbered(paths.regions_csv, REGIONS)
    good = {number: row for number, row in written.items() if has_good_signature(row)}
    found = _of_visits({number: row for number, row in good.items() if not is_remembered(row)}, match)
    bad = [_bad_signature(number) for number in written if number not in good]
    return WrittenRows(
        found.of_visits, [*bad, *found.rejected], [row for row in good.values() if is_remembered(row)]
    )


def unknown_row(number: int, patients: int) -> dict[str, object]:
    """What is recorded of a row whose key fits no visit, or several."""
    return {
        "item": f"row {number}",
        "reason": "unknown_patient" if patients == 0 else "several_patients",
        "detail": f"its key fits {patients} visits",
        "remedy": "write the visit's id or alias as the label item has it",
    }


def _numbered(path: Path, table: Table) -> dict[int, dict[str, object]]:
    """The rows of a hand-written file by the number of their line."""
    return dict(enumerate(read_correction(path, table).to_dicts(), start=2))


def _of_visits(written: Mapping[int, Row], match: PatientMatcher) -> WrittenRows:
    rows: dict[str, list[dict[str, object]]] = {}
    rejected: list[dict[str, object]] = []
    for number, row in written.items():
        found = match.of_key(str(row["patient_id"] or ""))
        if len(found) == 1:
            (patient_id,) = found
            rows.setdefault(patient_id, []).append({**row, "patient_id": patient_id})
        else:
            rejected.append(unknown_row(number, len(found)))
    return WrittenRows(rows, rejected, [])


def _bad_signature(number: int) -> dict[str, object]:
    return {
        "item": f"row {number}",
        "reason": "bad_signature",
        "detail": "its signature is none: picture size and 32 hex digits",
        "remedy": "copy the signature from layouts.csv, or from what `eus-etl regions` prints",
    }
