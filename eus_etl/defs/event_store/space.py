"""How much Dagster's records take on the disk, and how what was deleted is given back."""

import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg
import sqlalchemy as sql

from eus_etl.defs.event_store.database import (
    database_files,
    has_file_per_run,
    index_outside_transactions,
)
from eus_etl.storage.leases.database import FILE_NAME

_TABLES = (
    "event_logs",
    "asset_event_tags",
    "asset_check_executions",
    "runs",
    "run_tags",
    "snapshots",
    "job_ticks",
)
_FREE_SHARE = 0.2
"""A file of which less is free is left alone: it is filled again."""

_MOST_BYTES = {"index": 1_000_000_000, "no run": 1_000_000_000, "runs": 150_000_000, "ticks": 150_000_000}
"""Larger files are left alone, and what is free in them is filled again: writers wait while a file is copied.

Dagster gives up after 30 s with events, and after 5 s with runs and ticks."""

_PATIENCE_S = 30.0


def stored_bytes(instance: dg.DagsterInstance) -> int:
    """Bytes on the disk of events, runs and ticks."""
    if has_file_per_run(instance):
        files = database_files(instance)
        folders = {file.parent for file in files.values()}
        found = (file for folder in folders for file in folder.glob("*.db*"))
        return sum(_size(file) for file in found if not file.name.startswith(FILE_NAME))
    with index_outside_transactions(instance) as connection:
        size = sql.text("SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest(:names) AS name")
        return int(connection.execute(size, {"names": list(_TABLES)}).scalar_one() or 0)


def give_back(instance: dg.DagsterInstance) -> None:
    """Shrink SQLite's files; let PostgreSQL use again what was freed.

    Whoever writes meanwhile waits. A file that somebody else keeps locked is left for the next time.
    """
    if not has_file_per_run(instance):
        with index_outside_transactions(instance) as connection:
            for table in _TABLES:
                connection.execute(sql.text(f"VACUUM (SKIP_LOCKED, ANALYZE) {table}"))
        return
    for name, file in database_files(instance).items():
        _shrink(file, _MOST_BYTES[name])


def _shrink(file: Path, most_bytes: int) -> None:
    with closing(sqlite3.connect(file, timeout=_PATIENCE_S, isolation_level=None)) as database:
        page_bytes, pages, free = (
            int(database.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_size", "page_count", "freelist_count")
        )
        if free < _FREE_SHARE * pages or (pages - free) * page_bytes > most_bytes:
            return
        try:
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError:  # locked, or the disk is full: nothing is lost
            return


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
