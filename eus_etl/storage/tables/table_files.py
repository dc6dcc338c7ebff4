"""Tables on disk: CSV for people, Parquet for parts and twins; always whole."""

import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from eus_etl.domain.tables.schema import Table
from eus_etl.errors import ConfigError
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.stable_read import read_settled
from eus_etl.storage.tables.csv_cells import read_cells
from eus_etl.storage.vouched import content_of


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """A hand-written file.

    Attributes:
        rows: by their number in the file, the header being 1: columns to cells, None for empty ones. Columns
            that the file lacks are empty.
        surplus: numbers of rows with more cells than there are headers.
    """

    rows: Mapping[int, Mapping[str, str | None]]
    surplus: Collection[int]


_FORMULA = r"^'*[=+\-@]"
"""A spreadsheet runs a cell that matches, unless it begins with ``'``, which marks text."""


def write_csv(frame: pl.DataFrame, path: Path) -> bool:
    """Write a CSV of the data contract; returns False if the file already held these rows."""
    safe = frame.select(without_formulas(frame.schema))
    return write_atomically(path, safe.write_csv(include_header=True, line_terminator="\n").encode())


def without_formulas(schema: Mapping[str, pl.DataType]) -> list[pl.Expr]:
    """All columns as a CSV holds them: text that a spreadsheet would run gets a leading ``'``.

    So does text that already has one before such a formula: ``plain_text`` restores both.
    """
    return [
        _without_formulas(pl.col(name)) if dtype == pl.String else pl.col(name)
        for name, dtype in schema.items()
    ]


def plain_text(cell: str) -> str:
    """A CSV cell's text, without the ``'`` that keeps a formula from being run."""
    return cell[1:] if cell.startswith("'") and re.match(_FORMULA, cell) else cell


def _without_formulas(text: pl.Expr) -> pl.Expr:
    return pl.when(text.str.contains(_FORMULA)).then("'" + text).otherwise(text).name.keep()


def write_parquet(frame: pl.DataFrame, path: Path) -> bool:
    """Write a Parquet file; returns False if the file already held these rows."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd")
    return write_atomically(path, buffer.getvalue())


def read_part(path: Path, table: Table) -> pl.DataFrame:
    """One part file, or no rows if it does not exist; columns as ``scan_tables`` has them.

    Raises:
        OutputLostError: it could not be read, and was removed.
    """
    if not path.is_file():
        return table.empty()
    with content_of(path):
        return _completed(pl.read_parquet(path), table)


def scan_tables(files: Sequence[Path], table: Table, path_column: str | None = None) -> pl.LazyFrame:
    """The rows of Parquet files, file by file.

    A file may be older than the table's present columns: columns that it lacks are null, and those that the
    table no longer has are left out.

    Args:
        files: the files.
        table: the columns.
        path_column: name of a further column that holds the path of a row's file.
    """
    if not files:
        return table.empty().lazy()
    return pl.scan_parquet(
        list(files),
        schema=table.schema,
        missing_columns="insert",
        extra_columns="ignore",
        include_file_paths=path_column,
    )


@contextmanager
def readable(find: Callable[[], Iterable[Path]]) -> Iterator[None]:
    """Stream from Parquet files in the block; ``find`` names them if one cannot be read.

    Raises:
        OutputLostError: one of them could not be read, and was removed.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        for file in find():
            with content_of(file):
                pl.read_parquet(file)
        raise


def read_correction(path: Path, table: Table) -> WrittenTable | None:
    """A hand-written CSV (sync, regions); None if there is no file, or it is empty.

    Raises:
        ConfigError: it is not a CSV file, or its columns are not the table's.
        SourceUnavailableError: it keeps changing.
    """
    if not path.is_file():
        return None
    remedy = f"write the columns {', '.join(table.names)}"
    try:
        found = read_cells(read_settled(path, path.name), table.names)
    except ValueError as error:
        raise ConfigError(
            path.name, f"it cannot be read as a table: {error}", f"save it as CSV in UTF-8; {remedy}"
        ) from None
    header = [cell.strip() for cell in found.header]
    if not any(header):
        return None
    # by position: a file without headers begins with a row about a visit
    if unknown := [str(at) for at, name in enumerate(header, start=1) if name and name not in table.names]:
        raise ConfigError(path.name, f"the headers of columns {', '.join(unknown)} are unknown", remedy)
    if twice := [name for name in table.names if header.count(name) > 1]:
        raise ConfigError(path.name, f"it has several columns {', '.join(twice)}", remedy)
    empty: dict[str, str | None] = dict.fromkeys(table.names)
    rows = {
        number: empty
        | {name: plain_text(cell.strip()) or None for name, cell in zip(header, row, strict=False) if name}
        for number, row in found.rows.items()
        if any(cell.strip() for cell in row)
    }
    return WrittenTable(rows, found.surplus)


def _completed(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """``frame`` as rows of ``table``; columns that it lacks are null."""
    missing = [pl.lit(None).alias(name) for name in table.names if name not in frame.columns]
    return table.conform(frame.with_columns(missing))


def read_csv(path: Path, table: Table) -> pl.DataFrame:
    """A study table from its CSV, with texts as they were before ``without_formulas``.

    Raises:
        OutputLostError: it is missing or could not be read.
    """
    with content_of(path):
        rows = pl.read_csv(path, schema=table.schema)
    return rows.with_columns(
        pl.when(pl.col(name).str.contains("^'" + _FORMULA[1:]))
        .then(pl.col(name).str.slice(1))
        .otherwise(pl.col(name))
        .alias(name)
        for name, dtype in table.schema.items()
        if dtype == pl.String
    )
