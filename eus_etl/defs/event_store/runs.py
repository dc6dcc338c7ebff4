"""Deletes a run with everything that Dagster keeps of it."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import dagster as dg
import sqlalchemy as sql

from eus_etl.defs.event_store.database import (
    CHECKS,
    EVENTS,
    RUN_TAGS,
    before_moment,
    database_files,
    delete_checks,
    delete_run_tags,
    index_of,
    known_runs,
    latest_ids,
    run_ids,
    runs_of,
)
from eus_etl.storage.files.listing import listed

_SIDES = ("", "-wal", "-shm")
"""What SQLite appends to a database's name for the files beside it."""


def delete_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete a run, its events, results of checks, tags and logs.

    The run itself goes first, so that what is interrupted is found by ``delete_leftovers``.
    """
    instance.delete_run(run_id)
    _delete_rest(instance, run_id)


def delete_logs(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete what a run wrote to its standard output and error."""
    instance.compute_log_manager.delete_logs(prefix=[run_id])


def delete_leftovers(instance: dg.DagsterInstance, before: float) -> int:
    """Delete what is left of runs that there are no more; returns of how many.

    What still holds the last event of something stays, and so does what is younger.

    Args:
        instance: the Dagster instance.
        before: seconds since 1970.
    """
    latest = sql.select(EVENTS.c.run_id).where(EVENTS.c.id.in_(latest_ids())).distinct()
    young = sql.select(EVENTS.c.run_id).where(sql.not_(before_moment(before))).distinct()
    last_checks = sql.select(sql.func.max(CHECKS.c.id)).group_by(
        CHECKS.c.asset_key, CHECKS.c.check_name, CHECKS.c.partition
    )
    with index_of(instance) as connection:
        found = run_ids(connection, sql.select(EVENTS.c.run_id).distinct())
        found |= run_ids(connection, sql.select(CHECKS.c.run_id).distinct())
        spared = run_ids(connection, latest) | run_ids(connection, young)
        spared |= run_ids(connection, sql.select(CHECKS.c.run_id).where(CHECKS.c.id.in_(last_checks)))
    with runs_of(instance) as connection:
        found |= run_ids(connection, sql.select(RUN_TAGS.c.run_id).distinct())
    found |= {
        file.stem for file in (*_event_files(instance), *_log_folders(instance)) if _is_old(file, before)
    }
    found -= spared
    left = sorted(found - known_runs(instance, found))
    for run_id in left:
        instance.event_log_storage.delete_events(run_id)
        _delete_rest(instance, run_id)
    return len(left)


def event_file(instance: dg.DagsterInstance, run_id: str) -> Path | None:
    """SQLite's file of a run's events; None with another database."""
    files = database_files(instance)
    return files["index"].with_name(f"{run_id}.db") if files else None


def _delete_rest(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete what Dagster leaves of a run that it has deleted."""
    delete_checks(instance, [run_id])
    delete_run_tags(instance, [run_id])
    delete_logs(instance, run_id)
    if file := event_file(instance, run_id):
        for side in _SIDES:
            file.with_name(file.name + side).unlink(missing_ok=True)


def _event_files(instance: dg.DagsterInstance) -> Iterator[Path]:
    if files := database_files(instance):
        yield from _named_by_runs(listed(files["index"].parent, "*.db"))


def _log_folders(instance: dg.DagsterInstance) -> Iterator[Path]:
    yield from _named_by_runs(listed(Path(instance.storage_directory())))


def _named_by_runs(found: Sequence[Path]) -> Iterator[Path]:
    for path in found:
        with suppress(ValueError):
            uuid.UUID(path.stem)
            yield path


def _is_old(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except FileNotFoundError:
        return False
