"""Files that stay open: the same records, seen at once by others and of others, with few openings."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sql
from sqlalchemy.engine import Engine

from eus_etl.defs.event_store.database import EVENTS, index_of
from eus_etl.defs.event_store.kept_open import kept_open
from eus_etl.defs.instance import open_instance, opened
from eus_etl.defs.keys import DATA_VERSION_TAG

KEY = dg.AssetKey(["study", "thing"])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all of these tests: to make one takes a second."""
    folder = tmp_path_factory.mktemp("home")
    open_instance(folder).dispose()
    return folder


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with opened(home) as found:
        yield found


@dg.asset(key=KEY)
def thing() -> dg.MaterializeResult:  # type: ignore[type-arg]  # dagster knows only the bare name
    return dg.MaterializeResult(data_version=dg.DataVersion("made"))


def report(instance: dg.DagsterInstance, version: str) -> None:
    tags = {DATA_VERSION_TAG: version}
    instance.report_runless_asset_event(dg.AssetMaterialization(KEY, tags=tags))


def last(instance: dg.DagsterInstance) -> str | None:
    event = instance.get_latest_materialization_event(KEY)
    found = event.asset_materialization if event else None
    return (found.tags or {}).get(DATA_VERSION_TAG) if found else None


def make(instance: dg.DagsterInstance) -> str:
    """Run the asset; returns the run's id."""
    return dg.materialize([thing], instance=instance).dagster_run.run_id


def shape(home: Path, run_id: str) -> tuple[object, ...]:
    """What of a run's file does not depend on the run."""
    with closing(sqlite3.connect(home / "history" / "runs" / f"{run_id}.db")) as database:
        schema = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2")
        return (
            schema.fetchall(),
            database.execute("SELECT version_num FROM alembic_version").fetchall(),
            database.execute("PRAGMA journal_mode").fetchone(),
            database.execute("PRAGMA integrity_check").fetchone(),
        )


@contextmanager
def counted() -> Iterator[list[object]]:
    """The connections that are opened in the block."""
    found: list[object] = []
    note = lambda connection, _: found.append(connection)  # noqa: E731 - SQLAlchemy holds it by identity
    sql.event.listen(Engine, "connect", note)
    try:
        yield found
    finally:
        sql.event.remove(Engine, "connect", note)


def test_another_process_and_this_one_see_at_once_what_the_other_writes(
    home: Path, instance: dg.DagsterInstance
) -> None:
    with opened(home) as other, kept_open(instance):
        for number in range(3):
            report(instance, f"ours {number}")
            assert last(other) == f"ours {number}"
            report(other, f"theirs {number}")
            assert last(instance) == f"theirs {number}"
        run_id = make(other)
        assert last(instance) == "made"
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.is_finished
        assert len(instance.all_logs(run_id)) == len(other.all_logs(run_id)) > 0


def test_the_file_of_each_run_is_as_dagster_makes_it_and_holds_its_events_alone(
    home: Path, instance: dg.DagsterInstance
) -> None:
    usual = make(instance)
    with kept_open(instance):
        runs = [make(instance) for _ in range(3)]
    for run_id in runs:
        assert shape(home, run_id) == shape(home, usual)
        assert {entry.run_id for entry in instance.all_logs(run_id)} == {run_id}
        assert len(instance.all_logs(run_id)) == len(instance.all_logs(usual))


def test_other_threads_have_connections_of_their_own(instance: dg.DagsterInstance) -> None:
    with kept_open(instance), ThreadPoolExecutor(4) as threads:
        jobs = [threads.submit(report, instance, f"of a thread {number}") for number in range(20)]
        runs = [make(instance) for _ in range(2)]
        for job in jobs:
            job.result()
        assert [instance.all_logs(run_id) != [] for run_id in runs] == [True, True]
    of_threads = EVENTS.c.event.contains("of a thread")
    with index_of(instance) as connection:
        assert connection.scalar(sql.select(sql.func.count()).where(of_threads)) == 20


def test_what_was_not_committed_is_not_there_and_the_file_can_be_used_again(
    instance: dg.DagsterInstance,
) -> None:
    with kept_open(instance):
        report(instance, "first")
        with pytest.raises(ZeroDivisionError), index_of(instance) as connection:
            connection.execute(EVENTS.delete())
            raise ZeroDivisionError
        assert last(instance) == "first"
        report(instance, "second")
        assert last(instance) == "second"


def test_a_run_opens_its_files_once(instance: dg.DagsterInstance) -> None:
    with kept_open(instance):
        make(instance)
        make(instance)
        with counted() as connections:
            make(instance)
    assert len(connections) <= 2  # of the run's file, and of one that was closed in between


def test_afterwards_everything_is_as_it_was(home: Path, instance: dg.DagsterInstance) -> None:
    events, runs = instance.event_log_storage, instance.run_storage
    before = {*vars(events)}, {*vars(runs)}
    with kept_open(instance):
        report(instance, "opens the file of what no run reports")
        with kept_open(instance):
            make(instance)
        with counted() as connections:
            report(instance, "within the outer block")
        assert not connections
    assert ({*vars(events)}, {*vars(runs)}) == before
    assert not list(home.rglob("*.db-wal"))
    make(instance)
    assert last(instance) == "made"
