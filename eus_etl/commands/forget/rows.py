"""What tables and records that several visits share hold of one visit.

Study tables are not among them: they are made again of the parts that are left.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import polars as pl

from eus_etl.commands.forget.names import Names
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import REGIONS, REJECTED, SPLITS, SYNC
from eus_etl.errors import ConfigError
from eus_etl.sources.videos.local_folder import forget_sums
from eus_etl.steps.observation.snapshot import SOURCES
from eus_etl.steps.release.records import read_ledger
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.listing import listed
from eus_etl.storage.source_snapshots import Inventory
from eus_etl.storage.tables.csv_cells import without_rows
from eus_etl.storage.tables.parts import NOBODY, rejected_part
from eus_etl.storage.tables.table_files import write_csv, write_parquet


def remove_rows(paths: StudyPaths, names: Names) -> dict[str, int]:
    """Remove a visit's rows from files of the whole study; returns paths below the root to how many.

    Raises:
        ConfigError: a hand-written file cannot be read.
    """
    for source in SOURCES:
        Inventory(paths, source).drop(names.patient_id)
    forget_sums(paths.md5_sums, {file.source_id for file in names.uploads})
    for file in (paths.drive_mirror, paths.drive_mirror.with_name(f"{paths.drive_mirror.name}-journal")):
        file.unlink(missing_ok=True)  # it is listed again, and nothing is fetched again
    shutil.rmtree(paths.gathered("any").parent, ignore_errors=True)
    for file in (paths.verification, paths.report):
        file.unlink(missing_ok=True)
    removed = dict(_each(paths, names))
    return {name: count for name, count in removed.items() if count}


def _each(paths: StudyPaths, names: Names) -> Iterator[tuple[str, int]]:
    for source in SOURCES:
        part = rejected_part(paths, source, NOBODY)
        yield paths.relative(part), _remove_rejected(part, names)
    for path, columns in ((paths.sync_csv, SYNC.names), (paths.regions_csv, REGIONS.names)):
        yield paths.relative(path), _remove_lines(path, columns, names)
    yield paths.relative(paths.sync_proposal), _remove_lines(paths.sync_proposal, SYNC.names, names)
    for path in sorted(paths.legacy_tables.rglob("*.csv")):
        yield paths.relative(path), _remove_lines(path, (), names)
    yield "master-dataset/Data/splits.csv", _remove_from_ledger(paths, names.patient_id)
    for folder in listed(paths.leak_sheets("any").parent):
        yield paths.relative(folder), _remove_leaks(folder, names.patient_id)


def _remove_rejected(part: Path, names: Names) -> int:
    """Of what is unassigned or not taken, the rows of this visit's files, items and rows."""
    if not part.is_file():
        return 0
    rows = pl.read_parquet(part)
    own = {names.patient_id, *(file.source_id for file in names.uploads)}

    def is_own(row: dict[str, str | None]) -> bool:
        parts = (row.get("file_name") or "").split("/")
        return row.get("patient_id") in own or row.get("item") in own or any(map(names.has_name, parts))

    kept = [row for row in rows.iter_rows(named=True) if not is_own(row)]
    if not kept:
        part.unlink()
    elif len(kept) < rows.height:
        write_parquet(REJECTED.frame(kept), part)
    return rows.height - len(kept)


def _remove_lines(path: Path, headers: tuple[str, ...] | list[str], names: Names) -> int:
    """Of a CSV that people or earlier scripts wrote, this visit's rows; all else stays as it is."""
    if not path.is_file():
        return 0
    removed: list[list[str]] = []

    def is_own(row: list[str]) -> bool:
        if own := names.has_row(row):
            removed.append(row)
        return own

    try:
        left = without_rows(path.read_bytes(), headers, is_own)
    except ValueError:
        raise ConfigError(
            path.name,
            "it cannot be read as a table, so that rows of the visit may stay in it",
            "save it as CSV in UTF-8, then call again",
        ) from None
    write_atomically(path, left)
    return len(removed)


def _remove_from_ledger(paths: StudyPaths, patient_id: str) -> int:
    ledger = read_ledger(paths)
    left = ledger.filter(pl.col("patient_id").ne_missing(pl.lit(patient_id)))
    if left.height < ledger.height:
        write_csv(left, paths.table(SPLITS.name))
    return ledger.height - left.height


def _remove_leaks(folder: Path, patient_id: str) -> int:
    """The sheets of a refused release that show the visit: they are drawn again if it is asked for again."""
    with suppress(FileNotFoundError):
        if patient_id in (folder / "leaks.csv").read_text(encoding="utf-8"):
            shutil.rmtree(folder)
            return 1
    return 0
