"""What adopting a root did, or would do: counts and ids, as lines and small tables for a terminal."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from eus_etl.domain.tables.schema import INTEGER, TEXT, Column, Table

RAW_COUNTS = Table(
    "raw_videos",
    "a visit's raw files",
    (
        Column("patient_id", TEXT, "the visit; empty for unassigned files"),
        Column("in_place", INTEGER, "already where a run expects them"),
        Column("moved", INTEGER, "renamed to where a run expects them"),
        Column("to_fetch", INTEGER, "only in the sources: a run fetches them"),
        Column("put_aside", INTEGER, "moved to legacy/raw_data"),
    ),
)


@dataclass(frozen=True, slots=True)
class AdoptReport:
    """The outcome for one root.

    Attributes:
        study: the study's name.
        dry_run: whether nothing was changed.
        visits: rows of ``RAW_COUNTS``.
        put_aside: reason to number of raw files moved to ``legacy/raw_data``.
        tables_moved: folder below the root to number of entries moved to ``master-dataset/Data/legacy`` (of
            releases, to ``legacy``); a folder moved whole counts as one.
        unassigned: source to number of entries that fit no visit or cannot be used.
        compared: rows of ``old_tables.COMPARED``.
        differences: rows of ``old_tables.DIFFERENCES``.
        notes: what could not be compared, and why.
    """

    study: str
    dry_run: bool
    visits: pl.DataFrame
    put_aside: Mapping[str, int]
    tables_moved: Mapping[str, int]
    unassigned: Mapping[str, int]
    compared: pl.DataFrame
    differences: pl.DataFrame
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """The report in sentences, without the rows of ``visits`` and ``compared``."""
        moved = ", ".join(f"{count} of {folder}" for folder, count in self.tables_moved.items())
        aside = ", ".join(f"{count} {reason}" for reason, count in self.put_aside.items())
        return [
            f"{self.study}: adopting would do this; nothing was changed"
            if self.dry_run
            else f"{self.study}: the root is adopted; `eus-etl run` does the rest",
            f"raw videos: {self._sum('in_place')} in place, {self._sum('moved')} renamed, "
            f"{self._sum('to_fetch')} left for a run to fetch",
            f"put aside in legacy/raw_data: {aside or 'nothing'}",
            f"old tables and frames put aside: {moved or 'nothing'}",
            *(
                f"{source}: {count} unassigned or unusable; after a run, rejected.csv says why"
                for source, count in self.unassigned.items()
            ),
            *self._tables(),
            *self.notes,
            *(_sentence(row) for row in self.differences.iter_rows(named=True)),
        ]

    def _sum(self, column: str) -> int:
        return int(self.visits[column].sum())

    def _tables(self) -> list[str]:
        return [
            f"{table}: {visits} visits compared, {alike} equal; {agree} entries equal, {differ} different"
            for table, visits, alike, agree, differ in self.compared.group_by("table", maintain_order=True)
            .agg(pl.len(), (pl.col("differ") == 0).sum().alias("alike"), pl.sum("agree"), pl.sum("differ"))
            .iter_rows()
        ]


_WHAT: Mapping[str, str] = {
    "times": "the times have changed",
    "value": "the value has changed",
    "unreadable": "the old value cannot be read",
    "only_old": "only in the old table",
    "only_new": "only in today's table",
    "rejected_now": "same times, but no longer used (after a run, rejected.csv says why)",
}


def _sentence(row: Mapping[str, object]) -> str:
    """One row of ``old_tables.DIFFERENCES``."""
    spans = [
        f"{when} {_seconds(row[f'{when}_start_s'])} to {_seconds(row[f'{when}_stop_s'])}"
        for when in ("old", "new")
        if row[f"{when}_start_s"] is not None or row[f"{when}_stop_s"] is not None
    ]
    times = f" ({', '.join(spans)})" if spans else ""
    return f"visit {row['patient_id']}, {row['table']}, {row['item']}: {_WHAT[str(row['what'])]}{times}"


def _seconds(value: object) -> str:
    return f"{value:g} s" if isinstance(value, float) else "unknown"
