"""Clean-up deletes what nothing reads any more, and nothing else: afterwards nothing is made again."""

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TinyHospital
from benchmarks.support.servers.postgres import PASSWORD, PASSWORD_VARIABLE, on_postgres, postgres
from eus_etl.defs.event_store import runs as deletion
from eus_etl.defs.event_store.clean_up import CleanUp, clean_up
from eus_etl.defs.event_store.database import database_files
from eus_etl.defs.event_store.space import give_back, stored_bytes
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl_tests.support.commands import call
from eus_etl_tests.support.hospitals.history import LATER, all_read, asked_by_a_new_daemon, make_history
from eus_etl_tests.support.made_once import MadeOnce


@pytest.fixture(scope="session")
def finished_history(made_once: MadeOnce, finished_hospital: Path) -> Path:
    """The folder of a hospital with a history; read-only."""

    def make(folder: Path) -> None:
        shutil.copytree(finished_hospital, folder / "hospital")
        hospital = TinyHospital(folder / "hospital")
        with open_instance(hospital.home) as instance:
            make_history(hospital, instance)

    return made_once("finished_history", make) / "hospital"


@pytest.fixture
def hospital(finished_history: Path, tmp_path: Path) -> TinyHospital:
    shutil.copytree(finished_history, tmp_path / "hospital")
    found = TinyHospital(tmp_path / "hospital")
    shutil.copytree(finished_history / "incoming", tmp_path / "hospital" / "incoming", dirs_exist_ok=True)
    return found


@pytest.fixture
def instance(hospital: TinyHospital) -> Iterator[dg.DagsterInstance]:
    with open_instance(hospital.home) as opened:
        yield opened


@pytest.mark.slow
def test_nothing_is_made_again_and_everything_that_is_read_is_as_before(
    hospital: TinyHospital, instance: dg.DagsterInstance
) -> None:
    now = time.time()
    before, asked = all_read(hospital, instance, now), asked_by_a_new_daemon(hospital, instance)
    runs = len(instance.get_runs())
    done = clean_up(instance, LATER)
    assert all_read(hospital, instance, now) == before
    for key in instance.all_asset_keys():  # what the page counts, counted from the beginning
        instance.wipe_asset_cached_status([key])
    assert all_read(hospital, instance, now) == before
    assert asked_by_a_new_daemon(hospital, instance) == asked
    assert 0 < done.runs == runs - done.kept
    assert done.kept == len(instance.get_runs())
    assert done.events > 0
    assert done.bytes_after < done.bytes_before
    assert StudySession(hospital.study, instance).run([ONE]).made == []
    assert clean_up(instance, LATER).runs == 0


@pytest.mark.slow
def test_the_same_on_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
    hospital, now = TinyHospital(tmp_path), time.time()
    with postgres() as server, on_postgres(hospital.home, server) as instance:
        assert StudySession(hospital.study, instance).run().complete
        make_history(hospital, instance)
        before, runs = all_read(hospital, instance, now), len(instance.get_runs())
        done = clean_up(instance, LATER)
        assert all_read(hospital, instance, now) == before
        assert 0 < done.runs == runs - done.kept
        assert done.events > 0
        assert StudySession(hospital.study, instance).run([ONE]).made == []
        again = clean_up(instance, LATER)
        assert (again.runs, again.leftovers, again.events) == (0, 0, 0)
        assert all_read(hospital, instance, now) == before


@pytest.mark.slow
def test_what_staleness_reads_would_be_gone_if_old_runs_were_simply_deleted(
    hospital: TinyHospital, instance: dg.DagsterInstance
) -> None:
    newest, *others = instance.get_runs()
    for run in others:
        instance.delete_run(run.run_id)
    assert newest
    assert StudySession(hospital.study, instance).plan(ONE) is not None


def test_what_is_young_stays(hospital: TinyHospital, instance: dg.DagsterInstance) -> None:
    first = instance.get_run_records(ascending=True, limit=1)[0].end_time
    assert first is not None
    done = clean_up(instance, first)
    assert (done.runs, done.leftovers) == (0, 0)


@pytest.mark.slow
def test_no_file_no_row_and_no_log_of_a_deleted_run_is_left(
    hospital: TinyHospital, instance: dg.DagsterInstance
) -> None:
    clean_up(instance, LATER)
    there = {run.run_id for run in instance.get_runs()}
    files = database_files(instance)
    assert {file.stem for file in files["index"].parent.glob("*.db")} - {"index", ".db"} == there
    assert {folder.name for folder in (hospital.home / "storage").iterdir()} <= there
    for database, tables in (("index", ("event_logs", "asset_check_executions")), ("runs", ("run_tags",))):
        with closing(sqlite3.connect(files[database])) as opened:
            for table in tables:
                left = {run for (run,) in opened.execute(f"SELECT DISTINCT run_id FROM {table}")}  # noqa: S608
                assert left <= {*there, ""}, table
            assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.slow
def test_one_that_is_killed_anywhere_loses_nothing_and_is_continued(
    hospital: TinyHospital, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    before = all_read(hospital, instance, now)
    steps = 0

    def dies_after(real: Callable[..., object], whole: bool) -> Callable[..., object]:
        def step(*arguments: object, **named: object) -> object:
            nonlocal steps
            steps += 1
            if not whole:
                raise Killed
            real(*arguments, **named)
            raise Killed

        return step

    for place, name, whole in (
        (type(instance.event_log_storage), "delete_events", False),
        (type(instance.event_log_storage), "delete_events", True),
        (deletion, "delete_checks", True),
        (deletion, "delete_logs", False),
    ):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(place, name, dies_after(getattr(place, name), whole))
            clean_up(instance, LATER)
        assert all_read(hospital, instance, now) == before, name
    assert steps == 4
    # what the killed ones left behind is gone as well
    clean_up(instance, LATER)
    there = {run.run_id for run in instance.get_runs()}
    assert {file.stem for file in database_files(instance)["index"].parent.glob("*.db")} <= {
        *there,
        "index",
        ".db",
    }
    assert clean_up(instance, LATER) == CleanUp(
        runs=0,
        kept=len(there),
        leftovers=0,
        events=0,
        bytes_before=stored_bytes(instance),
        bytes_after=stored_bytes(instance),
    )
    assert all_read(hospital, instance, now) == before


@pytest.mark.slow
def test_a_database_that_somebody_keeps_locked_is_left_as_it_is(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eus_etl.defs.event_store.space._PATIENCE_S", 0.01)
    monkeypatch.setattr("eus_etl.defs.event_store.space._FREE_SHARE", 0.0)
    index = database_files(instance)["index"]
    with closing(sqlite3.connect(index, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        give_back(instance)
        other.execute("ROLLBACK")
    give_back(instance)


def test_the_command_counts_deletes_and_keeps_the_last_days(
    hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(hospital.home))
    dry = call("clean-up", "--dry-run")
    assert dry.exit_code == 0, dry.stderr
    assert " 0 runs would be deleted" in dry.stdout  # all of them are of today
    done = call("clean-up", "--config", hospital.config)
    assert done.exit_code == 0
    assert " 0 runs and 0 other events deleted" in done.stdout
    assert call("clean-up", "--days", "0.5").exit_code == 2


def test_the_command_makes_no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    done = call("clean-up")
    assert done.exit_code == 1
    assert "is no Dagster home" in done.stderr
    assert list(tmp_path.iterdir()) == []
