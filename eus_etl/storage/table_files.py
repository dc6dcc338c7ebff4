"""Tables on disk: CSV for people, Parquet for parts and twins; always whole."""

import io
from pathlib import Path

import polars as pl

from eus_etl.domain.table import Table
from eus_etl.errors import ConfigError
from eus_etl.storage.atomic import write_atomically


def write_csv(frame: pl.DataFrame, path: Path) -> bool:
    """Write a CSV of the data contract; returns False where the file already held these rows."""
    return write_atomically(path, frame.write_csv(include_header=True, line_terminator="\n").encode())


def write_parquet(frame: pl.DataFrame, path: Path) -> bool:
    """Write a Parquet file; returns False where the file already held these rows."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return write_atomically(path, buffer.getvalue())


def read_part(path: Path, table: Table) -> pl.DataFrame:
    """One part file, or no rows where there is none yet."""
    return table.conform(pl.read_parquet(path)) if path.is_file() else table.empty()


def read_correction(path: Path, table: Table) -> pl.DataFrame:
    """A hand-written CSV (sync, regions); no rows where there is no file.

    Columns that the file lacks are null.

    Raises:
        ConfigError: a column is unknown or a cell is not of the column's type.
    """
    if not path.is_file():
        return table.empty()
    try:
        raw = pl.read_csv(path, infer_schema=False, encoding="utf8")
        if unknown := set(raw.columns) - set(table.names):
            raise ConfigError(
                path.name, f"unknown columns {sorted(unknown)}", f"use {', '.join(table.names)}"
            )
        missing = [pl.lit(None).alias(name) for name in table.names if name not in raw.columns]
        return table.conform(raw.with_columns(missing).with_columns(pl.col(pl.String).str.strip_chars()))
    except pl.exceptions.PolarsError as error:
        raise ConfigError(
            path.name, f"cannot be read as a table ({error})", f"write the columns {', '.join(table.names)}"
        ) from error
