"""What a table and a column are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

TEXT = pl.String()
INTEGER = pl.Int64()
NUMBER = pl.Float64()
BOOLEAN = pl.Boolean()
DATE = pl.Date()


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    dtype: pl.DataType
    meaning: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table: what a row is, and its columns in order."""

    name: str
    row: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """Column names to polars types, in order."""
        return {column.name: column.dtype for column in self.columns}

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]

    def empty(self) -> pl.DataFrame:
        """A frame without rows, with this table's schema."""
        return pl.DataFrame(schema=self.schema)

    def frame(self, rows: Iterable[Mapping[str, object]]) -> pl.DataFrame:
        """Rows as a frame of this table's schema.

        A missing key becomes null.

        Raises:
            KeyError: a row has a key that is no column.
        """
        listed = list(rows)
        for row in listed:
            if unknown := row.keys() - set(self.names):
                raise KeyError(f"{self.name} has no column {sorted(unknown)}")
        return pl.DataFrame(
            [[row.get(name) for name in self.names] for row in listed], self.schema, orient="row"
        )

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """``frame`` with exactly this table's columns, in order and type."""
        return frame.select(pl.col(column.name).cast(column.dtype) for column in self.columns)

    def insert(self, columns: Sequence[Column], after: str) -> "Table":
        """This table with ``columns`` put in after the column ``after``."""
        at = self.names.index(after) + 1
        return Table(self.name, self.row, (*self.columns[:at], *columns, *self.columns[at:]))
