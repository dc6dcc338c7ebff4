"""Tables on disk: CSV for people, Parquet for parts and twins; always whole."""

import io
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from eus_etl.domain.tables.schema import Table
from eus_etl.errors import ConfigError
from eus_etl.storage.atomic import write_atomically
from eus_etl.storage.stable_read import read_settled


def write_csv(frame: pl.DataFrame, path: Path) -> bool:
    """Write a CSV of the data contract; returns False where the file already held these rows."""
    return write_atomically(path, frame.write_csv(include_header=True, line_terminator="\n").encode())


def write_parquet(frame: pl.DataFrame, path: Path) -> bool:
    """Write a Parquet file; returns False where the file already held these rows."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return write_atomically(path, buffer.getvalue())


def read_part(path: Path, table: Table) -> pl.DataFrame:
    """One part file, or no rows where there is none yet; columns as ``scan_tables`` has them."""
    return _completed(pl.read_parquet(path), table) if path.is_file() else table.empty()


def scan_tables(files: Sequence[Path], table: Table) -> pl.LazyFrame:
    """The rows of Parquet files, file by file.

    A file may have been written before the table got its present columns: those that it lacks are null, and
    those that the table has no more are left out.
    """
    if not files:
        return table.empty().lazy()
    return pl.scan_parquet(list(files), schema=table.schema, missing_columns="insert", extra_columns="ignore")


def read_correction(path: Path, table: Table) -> pl.DataFrame:
    """A hand-written CSV (sync, regions); no rows where there is no file.

    Columns that the file lacks are null.

    Raises:
        ConfigError: a column is unknown or a cell is not of the column's type.
        SourceUnavailableError: somebody keeps writing to it.
    """
    if not path.is_file():
        return table.empty()
    try:
        raw = pl.read_csv(read_settled(path, path.name), infer_schema=False, encoding="utf8")
        if unknown := set(raw.columns) - set(table.names):
            raise ConfigError(
                path.name, f"unknown columns {sorted(unknown)}", f"use {', '.join(table.names)}"
            )
        return _completed(raw.with_columns(pl.col(pl.String).str.strip_chars()), table)
    except pl.exceptions.PolarsError as error:
        raise ConfigError(
            path.name, f"cannot be read as a table ({error})", f"write the columns {', '.join(table.names)}"
        ) from error


def _completed(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """``frame`` as rows of ``table``; columns that it lacks are null."""
    missing = [pl.lit(None).alias(name) for name in table.names if name not in frame.columns]
    return table.conform(frame.with_columns(missing))
