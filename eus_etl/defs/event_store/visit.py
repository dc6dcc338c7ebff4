"""Removes one visit from a Dagster instance: its runs, events, checks, backfills, logs, and its partition."""

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import dagster as dg
import sqlalchemy as sql

from eus_etl.defs.event_store.database import (
    EVENT_TAGS,
    EVENTS,
    chunks,
)
from eus_etl.defs.event_store.runs import delete_leftovers, delete_run
from eus_etl.defs.event_store.stores import Database, stores_of
from eus_etl.defs.event_store.texts import replace_text, texts_of
from eus_etl.defs.keys import PARTITION_TAG, STUDY_TAG, patients_of
from eus_etl.defs.leases import forget_leases
from eus_etl.errors import BlockedError

ANONYMOUS = "forgotten-visit"
"""Written where an event, tick or run of something else named the visit."""

_CACHES = ("cached_status_data",)
_LAST = ("last_materialization", "last_run_id")
_EVENTS = ("ASSET_MATERIALIZATION", "ASSET_OBSERVATION")


@dataclass(frozen=True, slots=True)
class Removed:
    """What of a visit was, or would be, removed from an instance.

    Attributes:
        runs: runs.
        events: events that belong to no run of it.
        others: places where something else named it.
    """

    runs: int
    events: int
    others: int


def runs_of_visit(instance: dg.DagsterInstance, study: str, patient_id: str) -> Sequence[dg.DagsterRun]:
    """All runs of a visit, whatever became of them."""
    found = instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: patient_id}))
    return [run for run in found if study in (run.tags.get(STUDY_TAG), *_studies_of(run))]


def count_visit(instance: dg.DagsterInstance, study: str, patient_id: str) -> Removed:
    """What ``remove_visit`` would remove; changes nothing."""
    stores = stores_of(instance)
    runs = {run.run_id for run in runs_of_visit(instance, study, patient_id)}
    with stores.events.connected() as connection:
        found = connection.execute(_events_of(stores.events, study, patient_id, "run_id")).scalars()
        events = sum(str(run_id) not in runs for run_id in found)
    return Removed(runs=len(runs), events=events, others=0)


def remove_visit(instance: dg.DagsterInstance, study: str, patient_id: str) -> Removed:
    """Remove all that an instance holds of a visit, also from free pages of its databases.

    It may be interrupted and called again. The caller has checked that no run of the visit is in progress.

    Args:
        instance: the instance.
        study: the study's name.
        patient_id: the visit.

    Raises:
        BlockedError: another study has a visit of this id, or a backfill of it is in progress.
        DatabaseError: a database is held by another process.
    """
    stores = stores_of(instance)
    require_own(instance, study, patient_id)
    runs = [run.run_id for run in runs_of_visit(instance, study, patient_id)]
    for run_id in runs:
        delete_run(instance, run_id)
    with stores.events.connected() as connection:
        ids = list(connection.execute(_events_of(stores.events, study, patient_id)).scalars())
        removed = _remove_events(connection, ids)
        _remove_checks(connection, stores.events, patient_id)
        _tidy_assets(connection, stores.events, study, patient_id)
    for shard in stores.of_runs(patient_id):  # events of no run are there once more
        with shard.connected() as connection:
            _remove_events(connection, connection.execute(_events_of(shard, study, patient_id)).scalars())
    delete_leftovers(instance, time.time())  # of runs whose deletion was interrupted
    _remove_backfills(stores.runs, patient_id)
    forget_leases(instance, study, patient_id)
    instance.delete_dynamic_partition(str(patients_of(study).name), patient_id)
    named = stores.of_runs(patient_id)
    others = replace_text(stores, patient_id, ANONYMOUS)
    for store in (*stores.shared, *named):
        store.vacuum()
    return Removed(runs=len(runs), events=removed, others=others)


def traces_of_visit(instance: dg.DagsterInstance, patient_id: str) -> Collection[str]:
    """Tables and columns of an instance that name a visit."""
    return sorted(set(texts_of(stores_of(instance), patient_id)))


def require_own(instance: dg.DagsterInstance, study: str, patient_id: str) -> None:
    """Check that nothing but this study works on a visit, and no backfill does.

    Raises:
        BlockedError: something else does.
    """
    stores = stores_of(instance)
    partitions = {table.name: table for table in stores.events.tables()}["dynamic_partitions"]
    with stores.events.connected() as connection:
        named = sql.select(partitions.c.partitions_def_name).where(partitions.c.partition == patient_id)
        owners = set(connection.execute(named).scalars()) - {str(patients_of(study).name)}
    if owners:
        raise BlockedError(
            patient_id,
            "another study in this Dagster home has a visit with this id",
            "forget it in the study whose visit it is alone: an id of two studies is a mistake of the source",
        )
    backfills = _backfills(stores.runs)
    with stores.runs.connected() as connection:
        ends = ("COMPLETED", "CANCELED", "FAILED")
        going = sql.select(backfills.c.key).where(
            backfills.c.body.contains(patient_id),
            sql.not_(sql.or_(*(backfills.c.status.startswith(end) for end in ends))),
        )
        if connection.execute(going).first():
            raise BlockedError(
                patient_id,
                "a backfill of it is in progress",
                "wait for it, or cancel it in the page under *Runs*, *Backfills*; then call again",
            )


def _studies_of(run: dg.DagsterRun) -> set[str]:
    return {key.path[0] for key in run.asset_selection or ()}


def _events_of(events: Database, study: str, patient_id: str, column: str = "id") -> sql.Select[int]:
    table = {table.name: table for table in events.tables()}["event_logs"]
    return sql.select(table.c[column]).where(
        table.c.partition == patient_id, table.c.asset_key.startswith(f'["{study}"', autoescape=True)
    )


def _remove_events(connection: sql.Connection, event_ids: Iterable[int]) -> int:
    """Remove events of an index or of a single run, with their tags; returns how many."""
    has_tags = sql.inspect(connection).has_table(EVENT_TAGS.name)
    removed = 0
    for some in chunks(event_ids):
        if has_tags:
            connection.execute(EVENT_TAGS.delete().where(EVENT_TAGS.c.event_id.in_(some)))
        removed += connection.execute(EVENTS.delete().where(EVENTS.c.id.in_(some))).rowcount
    return removed


def _remove_checks(connection: sql.Connection, events: Database, patient_id: str) -> None:
    for table in events.tables():
        if table.name.startswith("asset_check") and "partition" in table.c:
            connection.execute(sql.delete(table).where(table.c.partition == patient_id))


def _tidy_assets(connection: sql.Connection, events: Database, study: str, patient_id: str) -> None:
    """Let what Dagster keeps of each asset follow from the events that are left."""
    tables = {table.name: table for table in events.tables()}
    assets, log = tables["asset_keys"], tables["event_logs"]
    of_study = assets.c.asset_key.startswith(f'["{study}"', autoescape=True)
    caches = {name: None for name in _CACHES if name in assets.c}
    if caches:  # of the status of all partitions; Dagster makes it again
        connection.execute(sql.update(assets).where(of_study).values(caches))
    named = sql.select(assets.c.id, assets.c.asset_key).where(
        of_study, assets.c.last_materialization.contains(patient_id)
    )
    for asset_id, asset_key in connection.execute(named).all():
        last = connection.execute(
            sql.select(log.c.event, log.c.run_id)
            .where(log.c.asset_key == asset_key, log.c.dagster_event_type.in_(_EVENTS))
            .order_by(log.c.id.desc())
            .limit(1)
        ).first()
        values = dict(zip(_LAST, last or (None, None), strict=True))
        connection.execute(sql.update(assets).where(assets.c.id == asset_id).values(values))


def _backfills(runs: Database) -> sql.Table:
    return {table.name: table for table in runs.tables()}["bulk_actions"]


def _remove_backfills(runs: Database, patient_id: str) -> None:
    """Backfills name all their partitions in one text."""
    tables = {table.name: table for table in runs.tables()}
    backfills, tags = tables["bulk_actions"], tables.get("backfill_tags")
    with runs.connected() as connection:
        named = sql.select(backfills.c.key).where(backfills.c.body.contains(patient_id))
        keys = connection.execute(named).scalars().all()
        if tags is not None:
            connection.execute(sql.delete(tags).where(tags.c.backfill_id.in_(keys)))
        connection.execute(sql.delete(backfills).where(backfills.c.key.in_(keys)))
