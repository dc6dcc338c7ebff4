"""Releases that hold a visit. They are immutable, and known outside: they are named, and left alone.

What leads from their pseudonyms back to the visit is removed.
"""

import json
from pathlib import Path

import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.steps.release.records import FRAMES, PLACED, RECORD
from eus_etl.storage.files.atomic import atomic_path, write_atomically
from eus_etl.storage.files.listing import listed


def releases_with(paths: StudyPaths, patient_id: str) -> list[str]:
    """Ids of the releases that hold frames of a visit, by their records."""
    return [folder.name for folder in listed(paths.release_records) if _rows(folder / FRAMES, patient_id)]


def remove_from_records(paths: StudyPaths, patient_id: str) -> None:
    """Remove from the records of all releases what leads to a visit."""
    for folder in listed(paths.release_records):
        for file in (folder / FRAMES, folder / PLACED):
            if _rows(file, patient_id):
                rows = pl.scan_parquet(file).filter(_is_not(patient_id))
                with atomic_path(file) as partial:
                    rows.sink_parquet(partial, compression="zstd", maintain_order=True)
        _remove_from_selection(folder / RECORD, patient_id)


def _remove_from_selection(record: Path, patient_id: str) -> None:
    """A selection may have named the visit as one to exclude."""
    if not record.is_file():
        return
    said = json.loads(record.read_bytes())
    excluded = said.get("selection", {}).get("exclude_visits") or []
    if patient_id in excluded:
        said["selection"]["exclude_visits"] = [visit for visit in excluded if visit != patient_id]
        write_atomically(record, json.dumps(said, indent=2).encode())


def _rows(file: Path, patient_id: str) -> int:
    if not file.is_file():
        return 0
    own = pl.scan_parquet(file).filter(~_is_not(patient_id))
    return int(own.select(pl.len()).collect().item())


def _is_not(patient_id: str) -> pl.Expr:
    return pl.col("patient_id").cast(pl.String).ne_missing(pl.lit(patient_id))
