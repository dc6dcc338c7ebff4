"""Dagster's tables of events, by SQL: it offers no way to delete a single event.

The index holds the events of assets and checks. With SQLite each run has a file of its own beside it, with
all of its events, and one more holds those of no run; with PostgreSQL all of them are in the index.
"""

import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import dagster as dg
import sqlalchemy as sql
from sqlalchemy.engine import Connection

EVENTS = sql.table(
    "event_logs",
    sql.column("id", sql.BigInteger),
    sql.column("run_id", sql.String),
    sql.column("event", sql.Text),
    sql.column("dagster_event_type", sql.Text),
    sql.column("timestamp", sql.TIMESTAMP),
    sql.column("asset_key", sql.Text),
    sql.column("partition", sql.Text),
)
EVENT_TAGS = sql.table(
    "asset_event_tags",
    sql.column("event_id", sql.BigInteger),
    sql.column("key", sql.Text),
    sql.column("value", sql.Text),
)
ASSETS = sql.table("asset_keys", sql.column("asset_key", sql.Text), sql.column("asset_details", sql.Text))
CHECKS = sql.table(
    "asset_check_executions",
    sql.column("id", sql.BigInteger),
    sql.column("asset_key", sql.Text),
    sql.column("check_name", sql.Text),
    sql.column("partition", sql.Text),
    sql.column("run_id", sql.String),
)
RUN_TAGS = sql.table("run_tags", sql.column("run_id", sql.String))
_IDENTITY = sql.table(
    "instance_info", sql.column("id", sql.BigInteger), sql.column("run_storage_id", sql.Text)
)

NO_RUN = ""
"""The run of events that no run wrote: sensors report versions of sources in this way."""

_AT_ONCE = 500
"""So many rows in one transaction: others wait for a moment only, and what was interrupted is continued."""

_T = TypeVar("_T")


class _EventStorage(Protocol):
    @property
    def is_run_sharded(self) -> bool: ...
    def index_transaction(self) -> AbstractContextManager[Connection]: ...
    def index_connection(self) -> AbstractContextManager[Connection]: ...
    def run_connection(self, run_id: str) -> AbstractContextManager[Connection]: ...


class _OtherStorage(Protocol):
    def connect(self) -> AbstractContextManager[Connection]: ...


class _RunStorage(Protocol):
    def get_run_storage_id(self) -> str: ...


@contextmanager
def index_of(instance: dg.DagsterInstance) -> Iterator[Connection]:
    """A transaction on the index of events."""
    with _events(instance).index_transaction() as connection:
        yield connection


@contextmanager
def index_outside_transactions(instance: dg.DagsterInstance) -> Iterator[Connection]:
    """A connection to the index; with PostgreSQL each statement stands for itself."""
    with _events(instance).index_connection() as connection:
        yield connection


@contextmanager
def runs_of(instance: dg.DagsterInstance) -> Iterator[Connection]:
    """A connection to the table of runs."""
    with cast(_OtherStorage, instance.run_storage).connect() as connection:
        yield connection


@contextmanager
def ticks_of(instance: dg.DagsterInstance) -> Iterator[Connection]:
    """A connection to the tables of sensors, schedules and their ticks."""
    with cast(_OtherStorage, instance.schedule_storage).connect() as connection:
        yield connection


def database_id(instance: dg.DagsterInstance) -> str:
    """Which database an instance records its runs in: the same from every machine and home.

    It is given with the first call. Dagster looks and gives in two steps, so that each of two machines that
    come first at once would give, and go on with, one of its own.
    """
    if has_file_per_run(instance):
        return cast(_RunStorage, instance.run_storage).get_run_storage_id()
    with runs_of(instance) as connection:
        alone = connection.execution_options(isolation_level="READ COMMITTED")
        with alone.begin():
            alone.execute(sql.text(f"LOCK TABLE {_IDENTITY.name} IN SHARE ROW EXCLUSIVE MODE"))
            first = sql.select(_IDENTITY.c.run_storage_id).order_by(_IDENTITY.c.id).limit(1)
            if (known := alone.execute(first).scalar()) is None:
                known = str(uuid.uuid4())
                alone.execute(sql.insert(_IDENTITY).values(run_storage_id=known))
            return str(known)


def has_file_per_run(instance: dg.DagsterInstance) -> bool:
    """Whether each run has a database of its own beside the index: with SQLite."""
    return _events(instance).is_run_sharded


def database_files(instance: dg.DagsterInstance) -> dict[str, Path]:
    """SQLite's files that grow with time: ``index``, ``no run``, ``runs`` and ``ticks``; none with others."""
    if not has_file_per_run(instance):
        return {}
    connections = {
        "index": index_outside_transactions(instance),
        "no run": _events(instance).run_connection(NO_RUN),
        "runs": runs_of(instance),
        "ticks": ticks_of(instance),
    }
    found = {}
    for name, opening in connections.items():
        with opening as connection:
            found[name] = Path(connection.execute(sql.text("PRAGMA database_list")).one()[2])
    return found


def latest_ids() -> sql.Select[tuple[int]]:
    """Ids of the last event of each kind of each partition of each asset: all that is ever asked for."""
    return (
        sql.select(sql.func.max(EVENTS.c.id))
        .where(EVENTS.c.asset_key.is_not(None))
        .group_by(EVENTS.c.dagster_event_type, EVENTS.c.asset_key, EVENTS.c.partition)
    )


def latest_tags(
    instance: dg.DagsterInstance, keys: Collection[dg.AssetKey], tag: str, partition: str | None
) -> dict[dg.AssetKey, str]:
    """The value of a tag on the last materialisation of each of these assets, where it has one.

    Dagster asks for one asset at a time, with two statements each.

    Args:
        instance: the instance.
        keys: the assets; none that somebody has wiped, see ``wiped``.
        tag: the tag's key.
        partition: the partition of which the last one counts; None where partitions do not matter.
    """
    names = {key.to_string(): key for key in keys}
    of_partition = () if partition is None else (EVENTS.c.partition == partition,)
    query = _of_last(tag, names, (EVENTS.c.asset_key,), of_partition)
    with index_outside_transactions(instance) as connection:
        return {names[name]: str(value) for name, value in connection.execute(query)}


def latest_tags_of_partitions(
    instance: dg.DagsterInstance, keys: Collection[dg.AssetKey], tag: str
) -> dict[dg.AssetKey, dict[str | None, str]]:
    """The value of a tag on the last materialisation of each partition of these assets, where it has one.

    Args:
        instance: the instance.
        keys: the assets; none that somebody has wiped, see ``wiped``.
        tag: the tag's key.
    """
    names = {key.to_string(): key for key in keys}
    query = _of_last(tag, names, (EVENTS.c.asset_key, EVENTS.c.partition), (EVENTS.c.partition.is_not(None),))
    found: dict[str, dict[str | None, str]] = {name: {} for name in names}
    with index_outside_transactions(instance) as connection:
        # of a hundred thousand rows, SQLAlchemy's own take as long as the statement
        for name, partition, value in connection.execute(query).cursor.fetchall():
            found[name][partition] = value
    return {key: found[name] for name, key in names.items()}


def _of_last(
    tag: str,
    assets: Iterable[str],
    apart: Sequence[sql.ColumnElement[Any]],
    conditions: Sequence[sql.ColumnElement[bool]],
) -> sql.Select[Any]:
    """A tag's value on the last materialisation for each combination of the columns in ``apart``."""
    of_assets = (EVENTS.c.asset_key.in_(assets), EVENTS.c.dagster_event_type == "ASSET_MATERIALIZATION")
    last = (
        sql.select(*apart, sql.func.max(EVENTS.c.id).label("id"))
        .where(*of_assets, *conditions)
        .group_by(*apart)
        .subquery()
    )
    return (
        sql.select(*(last.c[number] for number in range(len(apart))), EVENT_TAGS.c.value)
        .join_from(last, EVENT_TAGS, EVENT_TAGS.c.event_id == last.c.id)
        .where(EVENT_TAGS.c.key == tag)
    )


def wiped(instance: dg.DagsterInstance, keys: Collection[dg.AssetKey]) -> set[dg.AssetKey]:
    """Those of these assets that somebody has wiped in the page: older events of theirs do not count."""
    names = {key.to_string(): key for key in keys}
    query = sql.select(ASSETS.c.asset_key).where(
        ASSETS.c.asset_key.in_(names), ASSETS.c.asset_details.is_not(None)
    )
    with index_outside_transactions(instance) as connection:
        return {names[name] for (name,) in connection.execute(query)}


def delete_events(instance: dg.DagsterInstance, condition: sql.ColumnElement[bool]) -> int:
    """Delete events of the index that meet a condition, with their tags; returns how many.

    The very last event stays: SQLite gives the number of a deleted last row to the next one, and what
    remembers a number would take the next event for one that it has seen.
    """
    with index_of(instance) as connection:
        ids = _ids(connection, condition)
    for chunk in chunks(ids):
        with index_of(instance) as connection:
            connection.execute(EVENT_TAGS.delete().where(EVENT_TAGS.c.event_id.in_(chunk)))
            connection.execute(EVENTS.delete().where(EVENTS.c.id.in_(chunk)))
    return len(ids)


def delete_copies(instance: dg.DagsterInstance, condition: sql.ColumnElement[bool]) -> None:
    """Delete events of no run that meet a condition from SQLite's second copy of them."""
    if not has_file_per_run(instance):
        return
    storage = _events(instance)
    with storage.run_connection(NO_RUN) as connection:
        ids = _ids(connection, condition)
    for chunk in chunks(ids):
        with storage.run_connection(NO_RUN) as connection:
            connection.execute(EVENTS.delete().where(EVENTS.c.id.in_(chunk)))


def delete_checks(instance: dg.DagsterInstance, run_ids: Iterable[str]) -> None:
    """Delete what these runs recorded of checks: deleting a run leaves it."""
    for chunk in chunks(run_ids):
        with index_of(instance) as connection:
            connection.execute(CHECKS.delete().where(CHECKS.c.run_id.in_(chunk)))


def delete_run_tags(instance: dg.DagsterInstance, run_ids: Iterable[str]) -> None:
    """Delete the tags of runs that are deleted: SQLite keeps them."""
    for chunk in chunks(run_ids):
        with runs_of(instance) as connection:
            connection.execute(RUN_TAGS.delete().where(RUN_TAGS.c.run_id.in_(chunk)))


def before_moment(moment: float) -> sql.ColumnElement[bool]:
    """That an event is older than a moment, in seconds since 1970."""
    return EVENTS.c.timestamp < datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)


def run_ids(connection: Connection, query: sql.Select[tuple[str]]) -> set[str]:
    """What a query for ids of runs finds, without that of no run."""
    return {str(run_id) for (run_id,) in connection.execute(query) if run_id}


def known_runs(instance: dg.DagsterInstance, chosen: Collection[str]) -> set[str]:
    """Of these ids, those of runs that there are."""
    return {
        run.run_id
        for chunk in chunks(sorted(chosen))
        for run in instance.get_runs(dg.RunsFilter(run_ids=chunk))
    }


def chunks(values: Iterable[_T]) -> Iterator[list[_T]]:
    """The values in lists of as many as one statement takes."""
    rest = iter(values)
    while chunk := list(islice(rest, _AT_ONCE)):
        yield chunk


def _ids(connection: Connection, condition: sql.ColumnElement[bool]) -> Sequence[int]:
    last = sql.select(sql.func.max(EVENTS.c.id)).scalar_subquery()
    query = sql.select(EVENTS.c.id).where(condition, EVENTS.c.id != last).order_by(EVENTS.c.id)
    return [int(row) for (row,) in connection.execute(query)]


def _events(instance: dg.DagsterInstance) -> _EventStorage:
    return cast(_EventStorage, instance.event_log_storage)
