"""Parts: one small Parquet file per visit and table, from which the study's tables are assembled."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import REJECTED
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.domain.tables.schema import Table
from eus_etl.errors import OutputLostError
from eus_etl.storage.files.listing import listed
from eus_etl.storage.files.removal import remove_file
from eus_etl.storage.tables.table_files import read_part, write_parquet
from eus_etl.storage.vouched import require_unmade

NOBODY = "_nobody"
"""Used as the id where the visit is unknown; no safe id begins with an underscore."""


def write_part(paths: StudyPaths, table: Table, patient_id: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Write one visit's rows of ``table``, whole or not at all; returns them as written."""
    rows = table.conform(frame)
    write_parquet(rows, paths.part(table.name, patient_id))
    return rows


def load_part(paths: StudyPaths, table: Table, patient_id: str) -> pl.DataFrame:
    """One visit's rows of ``table``; no rows if its part was never made.

    Raises:
        OutputLostError: the part was made, and is missing or cannot be read.
    """
    return _load(paths, patient_id, paths.part(table.name, patient_id), table)


def load_frame_table(paths: StudyPaths, table: Table, patient_id: str) -> pl.DataFrame:
    """One visit's frame table, from its Parquet twin; no rows if it was never made.

    Raises:
        OutputLostError: it was made, and is missing or cannot be read.
    """
    return _load(paths, patient_id, paths.frame_table(patient_id).with_suffix(".parquet"), table)


def _load(paths: StudyPaths, patient_id: str, path: Path, table: Table) -> pl.DataFrame:
    if not path.is_file():
        require_unmade(paths, patient_id, path)
    return read_part(path, table)


def remembered_part(paths: StudyPaths, table: Table, patient_id: str) -> pl.DataFrame:
    """What a step wrote to ``table`` in its last run; no rows if that is lost."""
    try:
        return read_part(paths.part(table.name, patient_id), table)
    except OutputLostError:
        return table.empty()


def write_rejected(
    paths: StudyPaths, stage: str, patient_id: str, rejections: Iterable[Rejection]
) -> pl.DataFrame:
    """Record what ``stage`` could not use of one visit; replaces what it recorded before.

    Under ``NOBODY``, what a source could not use of all visits: each rejection names its own, if it is known.
    """
    own = {} if patient_id == NOBODY else {"patient_id": patient_id}
    frame = REJECTED.frame({"stage": stage, **rejection.row, **own} for rejection in rejections)
    path = rejected_part(paths, stage, patient_id)
    if frame.is_empty():
        remove_file(path)
    else:
        write_parquet(frame, path)
    return frame


def all_rejected(paths: StudyPaths) -> pl.DataFrame:
    """What was rejected, as of now: ``rejected.csv`` may be older.

    Raises:
        OutputLostError: a part cannot be read.
    """
    files = listed(paths.parts(REJECTED.name), "*/*.parquet")
    return pl.concat([REJECTED.empty(), *(read_part(file, REJECTED) for file in files)])


def part_outputs(paths: StudyPaths, stage: str, patient_id: str, *tables: Table) -> tuple[Path, ...]:
    """A stage's outputs for one visit: the parts of these tables, and its rejections if any."""
    rejected = rejected_part(paths, stage, patient_id)
    parts = [paths.part(table.name, patient_id) for table in tables]
    return (*parts, *([rejected] if rejected.is_file() else []))


def rejected_part(paths: StudyPaths, stage: str, patient_id: str) -> Path:
    """Where ``stage`` records what it could not use of one visit."""
    return paths.part(f"{REJECTED.name}/{stage}", patient_id)
