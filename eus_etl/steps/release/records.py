"""What is kept of each release in the study's root, and the ledger of splits.

A release exists once its folder has its name; all else follows from its record, which was written before. So
a killed process leaves either nothing that counts, or a release whose rows ``recover`` appends.
"""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import SPLITS
from eus_etl.errors import PermanentError
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.listing import listed
from eus_etl.storage.files.removal import remove_folder, remove_partials
from eus_etl.storage.tables.table_files import write_csv, write_parquet

RECORD, PLACED, FRAMES, PUBLISHED = "record.json", "placed.parquet", "frames.parquet", "published"
_LEDGER_REMEDY = "restore the file from a backup; nobody edits it"


class Record(BaseModel):
    """One release, as its maker knows it.

    Attributes:
        release: its id.
        name: of the selection.
        number: counts the releases of the study, from 1.
        parent: the release that it follows.
        content: a hash of all that it is made from but its parent.
        selection: the selection by which it was made.
        facts: what else it was made from.
    """

    model_config = ConfigDict(frozen=True)

    release: str
    name: str
    number: int
    parent: str | None
    content: str
    selection: Mapping[str, object]
    facts: Mapping[str, object]


def recover(paths: StudyPaths) -> None:
    """Finish what killed processes left, so that folders, records and ledger agree; under the study's lock.

    Raises:
        PermanentError: the ledger or a record cannot be read.
    """
    remove_partials(paths.releases)
    for folder in listed(paths.release_records):
        if not (folder / PUBLISHED).exists():
            if not (paths.releases / folder.name).is_dir():
                remove_folder(folder)
                continue
            append_to_ledger(paths, pl.read_parquet(folder / PLACED))
            write_atomically(folder / PUBLISHED, b"")
    missing = [pl.read_parquet(folder / PLACED) for folder in _published(paths)]
    append_to_ledger(paths, pl.concat([SPLITS.empty(), *missing]))


def records(paths: StudyPaths) -> list[Record]:
    """The records of all releases, in the order in which they were made.

    Raises:
        PermanentError: one cannot be read.
    """
    found = []
    for folder in _published(paths):
        try:
            found.append(Record.model_validate_json((folder / RECORD).read_bytes()))
        except (OSError, ValidationError):
            raise PermanentError(
                f"release {folder.name}", "its record cannot be read", f"restore {paths.relative(folder)}"
            ) from None
    return sorted(found, key=lambda record: record.number)


def kept_frames(paths: StudyPaths, release: str) -> Path:
    """The table that leads from a release's frames back to the study's: ``tables.KEPT_FRAMES``."""
    return paths.release_record(release) / FRAMES


def write_record(paths: StudyPaths, record: Record, placed: pl.DataFrame) -> None:
    """Record a release that is about to be published; ``kept_frames`` are there already."""
    folder = paths.release_record(record.release)
    if not (folder / PUBLISHED).exists():  # its folder was removed and is made again: it placed these before
        write_parquet(placed, folder / PLACED)
    write_atomically(folder / RECORD, json.dumps(record.model_dump(mode="json"), indent=2).encode())


def settle(paths: StudyPaths, release: str) -> None:
    """Append the rows of a release that was published to the ledger."""
    folder = paths.release_record(release)
    append_to_ledger(paths, pl.read_parquet(folder / PLACED))
    write_atomically(folder / PUBLISHED, b"")


def read_ledger(paths: StudyPaths) -> pl.DataFrame:
    """``tables.SPLITS`` of all releases; no rows if there is no release yet.

    Raises:
        PermanentError: it cannot be read.
    """
    path = paths.table(SPLITS.name)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return SPLITS.empty()
    try:
        rows = pl.read_csv(io.BytesIO(raw), infer_schema=False)
        if rows.columns != SPLITS.names:
            raise ValueError
        return SPLITS.conform(rows)
    except (pl.exceptions.PolarsError, ValueError):
        raise PermanentError("splits.csv", "it is not the table that was written", _LEDGER_REMEDY) from None


def append_to_ledger(paths: StudyPaths, rows: pl.DataFrame) -> None:
    """Append what the ledger does not hold yet; nothing else in it is touched."""
    ledger = read_ledger(paths)
    new = SPLITS.conform(rows).join(
        ledger, on=SPLITS.names, how="anti", nulls_equal=True, maintain_order="left"
    )
    if not new.is_empty():
        write_csv(pl.concat([ledger, new]), paths.table(SPLITS.name))


def _published(paths: StudyPaths) -> list[Path]:
    return [folder for folder in listed(paths.release_records) if (folder / PUBLISHED).exists()]
