"""Removes runs and single events with all that belongs to them: tags, checks, files, compute logs."""

import shutil
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import dagster as dg
import sqlalchemy as sa

from eus_etl.defs.event_store.databases import Databases

_T = TypeVar("_T")

_AT_ONCE = 500
"""SQLite takes no more than some thousand values in one statement."""


def remove_runs(instance: dg.DagsterInstance, stores: Databases, run_ids: Collection[str]) -> None:
    """Remove runs that have ended, with all their events: also what says which versions they made.

    Args:
        instance: the instance.
        stores: its databases.
        run_ids: the runs.
    """
    for run_id in run_ids:
        instance.delete_run(run_id)
        if shard := stores.shard(run_id):
            for file in (shard, *(shard.with_name(f"{shard.name}{end}") for end in ("-wal", "-shm"))):
                file.unlink(missing_ok=True)
        remove_compute_logs(instance, run_id)
    # Dagster leaves the checks of a run that it deletes, and with SQLite its tags
    for store, name in ((stores.events, "asset_check_executions"), (stores.runs, "run_tags")):
        table = sa.table(name, sa.column("run_id"))
        with store.connected() as connection:
            for some in _slices(list(run_ids)):
                connection.execute(sa.delete(table).where(table.c.run_id.in_(some)))


def remove_compute_logs(instance: dg.DagsterInstance, run_id: str) -> None:
    """Remove what the steps of a run printed, and its folder."""
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    shutil.rmtree(Path(instance.storage_directory()) / run_id, ignore_errors=True)


def remove_events(connection: sa.Connection, event_ids: Iterable[int]) -> int:
    """Remove events and their tags from a database of events; returns how many.

    Dagster takes the data version of an asset from its last materialization: the caller leaves that.
    """
    events = sa.table("event_logs", sa.column("id"))
    tags = sa.table("asset_event_tags", sa.column("event_id"))
    has_tags = sa.inspect(connection).has_table("asset_event_tags")
    removed = 0
    for some in _slices(list(event_ids)):
        if has_tags:
            connection.execute(sa.delete(tags).where(tags.c.event_id.in_(some)))
        removed += connection.execute(sa.delete(events).where(events.c.id.in_(some))).rowcount
    return removed


def texts_of(stores: Databases, text: str) -> Iterator[str]:
    """Where a text stands in the databases: names of tables and columns."""
    for store in (*stores.shared, *stores.shards()):
        with store.connected() as connection:
            for table, column in _text_columns(store.tables()):
                found = (
                    sa.select(sa.func.count())
                    .select_from(table)
                    .where(column.contains(text, autoescape=True))
                )
                if connection.execute(found).scalar_one():
                    yield f"{table.name}.{column.name}"


def replace_text(stores: Databases, text: str, by: str) -> int:
    """Replace a text in whatever the databases hold; returns the number of cells.

    Only for texts that can be part of nothing else, such as a UUID.
    """
    changed = 0
    for store in (*stores.shared, *stores.shards()):
        with store.connected() as connection:
            for table, column in _text_columns(store.tables()):
                other = sa.func.replace(column, text, by)
                where = column.contains(text, autoescape=True)
                changed += connection.execute(sa.update(table).where(where).values({column: other})).rowcount
    return changed


def _slices(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE))


def _text_columns(tables: Iterable[sa.Table]) -> Iterator[tuple[sa.Table, sa.Column[str]]]:
    for table in tables:
        for column in table.columns:
            if isinstance(column.type, sa.String):
                yield table, column
