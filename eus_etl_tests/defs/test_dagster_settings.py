"""Dagster's settings as shipped, for SQLite and for PostgreSQL: what they limit, keep and retry."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.op_concurrency_limits_counter import GlobalOpConcurrencyLimitsCounter
from dagster._core.storage.dagster_run import RunOpConcurrency
from dagster._utils.tags import TagConcurrencyLimitsCounter

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from benchmarks.support.servers.postgres import (
    PASSWORD,
    PASSWORD_VARIABLE,
    SETTINGS,
    Postgres,
    on_postgres,
    postgres,
)
from eus_etl.commands.watch.run import look_at
from eus_etl.defs.cluster.broker import celery_of
from eus_etl.defs.instance import open_instance
from eus_etl.defs.keys import DECODING, PARTITION_TAG
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.root import other_home
from eus_etl.defs.study import build_study_definitions
from eus_etl.errors import ConfigError, DatabaseError
from eus_etl.settings import AlertsConfig, shipped
from eus_etl.settings.alerts import BLOCKING

CLUSTER_SETTINGS = "deploy/celery/dagster.celery.yaml"


def settings(name: str) -> dict[str, Any]:
    found = yaml.safe_load(shipped(name).read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running, pytest.MonkeyPatch.context() as environment:
        environment.setenv(PASSWORD_VARIABLE, PASSWORD)
        yield running


def test_both_say_the_same_but_for_the_storage() -> None:
    for_postgres = settings(SETTINGS)
    assert for_postgres.pop("storage")
    assert for_postgres == settings("dagster.yaml")


def test_those_of_many_machines_differ_in_what_many_machines_need() -> None:
    for_many, for_one = settings(CLUSTER_SETTINGS), settings(SETTINGS)
    assert for_many.pop("run_launcher")
    for_many["storage"]["postgres"]["postgres_db"]["hostname"] = "127.0.0.1"
    for_one["run_monitoring"]["start_timeout_seconds"] = 3600
    for_one["concurrency"]["runs"]["max_concurrent_runs"] = 8
    assert for_many == for_one


def test_no_task_comes_twice_while_a_run_may_be_at_work(tmp_path: Path) -> None:
    """A result or a task that Redis forgets earlier would end or double a run that works."""
    raw = settings(CLUSTER_SETTINGS)["run_launcher"]["config"]["config_source"]
    assert raw["broker_transport_options"]["visibility_timeout"] == raw["result_expires"] >= 24 * 3600
    with opened_cluster(tmp_path, "redis://:secret@127.0.0.1:1/0") as instance:
        app = celery_of(instance)
        assert (app.conf.broker_url, app.conf.result_backend) == ("redis://:secret@127.0.0.1:1/0",) * 2
        assert app.conf.task_acks_late
        assert app.conf.worker_prefetch_multiplier == 1
        assert app.conf.worker_max_tasks_per_child == 1
        assert app.conf.broker_transport_options["visibility_timeout"] == 48 * 3600
        # otherwise Dagster would fail a run whose task comes a second time
        assert instance.run_monitoring_enabled


@pytest.mark.parametrize(("runs", "decoding"), [(1, 1), (2, 2), (3, 3), (4, 3), (8, 7)])
def test_all_workers_decode_but_for_one_of_many(tmp_path: Path, runs: int, decoding: int) -> None:
    """It is the queue that counts, not this machine's cores."""
    with opened_cluster(tmp_path, "redis://:secret@127.0.0.1:1/0", runs) as instance:
        assert instance.event_log_storage.get_concurrency_info(DECODING).slot_count == decoding


def test_a_broker_that_is_not_redis_is_refused(tmp_path: Path) -> None:
    with (
        opened_cluster(tmp_path, "pyamqp://guest@localhost//") as instance,
        pytest.raises(ConfigError, match="not a Redis"),
    ):
        celery_of(instance)
    with open_instance(tmp_path / "other") as instance, pytest.raises(ConfigError, match="CeleryRunLauncher"):
        celery_of(instance)


@contextmanager
def opened_cluster(folder: Path, broker: str, runs: int = 8) -> Iterator[dg.DagsterInstance]:
    """The shipped settings for many machines, on SQLite."""
    raw = settings(CLUSTER_SETTINGS)
    raw["concurrency"]["runs"]["max_concurrent_runs"] = runs
    del raw["storage"]
    home = folder / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(yaml.safe_dump(raw))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("EUS_ETL_BROKER", broker)
        with open_instance(home) as instance:
            yield instance


def test_they_hold_on_sqlite(tmp_path: Path) -> None:
    with open_instance(tmp_path / "home") as instance:
        limits_hold(instance)


def test_a_pool_that_somebody_has_sized_stays(tmp_path: Path) -> None:
    with open_instance(tmp_path / "home") as instance:
        assert 1 <= instance.event_log_storage.get_concurrency_info(DECODING).slot_count <= 3
        instance.event_log_storage.set_concurrency_slots(DECODING, 7)
    with open_instance(tmp_path / "home") as instance:
        assert instance.event_log_storage.get_concurrency_info(DECODING).slot_count == 7


def test_runs_that_decode_are_of_the_pool_and_others_are_not(tmp_path: Path) -> None:
    job = build_study_definitions(TinyHospital(tmp_path).study).resolve_job_def("eusml_visit")
    pools = {
        node.name: node.definition.pool for node in job.nodes if isinstance(node.definition, dg.OpDefinition)
    }
    assert {name for name, pool in pools.items() if pool == DECODING} == {"eusml__frames"}


def test_a_run_holds_no_place_in_the_database_that_a_crash_could_leave(finished_hospital: Path) -> None:
    with open_instance(finished_hospital / "dagster_home") as instance:
        assert instance.event_log_storage.get_concurrency_run_ids() == set()
        granularity = instance.get_concurrency_config().pool_config.pool_granularity
        assert granularity is not None
        assert granularity.value == "run"


@pytest.mark.slow
def test_they_hold_on_postgresql_and_a_study_is_made_and_kept(
    tmp_path: Path, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital = TinyHospital(tmp_path)
    with on_postgres(hospital.home, server) as instance:
        assert "ostgres" in type(instance.event_log_storage).__name__
        limits_hold(instance)
        report = StudySession(hospital.study, instance).run()
        assert (report.failed, report.videos_decoded) == ([], 2)
    # another machine, with a home of its own: what was made is known, and nothing is made again
    other = tmp_path / "other_home"
    with on_postgres(other, server) as instance:
        assert other_home(hospital.paths, other) is None
        assert "another database" in str(other_home(hospital.paths, tmp_path / "none"))
        session = StudySession(hospital.study, instance)
        assert session.run().made == []
        assert not any(session.plan(visit) for visit in [*session.patients(), None])
    assert not list(hospital.home.rglob("*.db"))
    monkeypatch.setenv("DAGSTER_HOME", str(hospital.home))
    config = AlertsConfig(record=tmp_path / "told.json", disk_free_gb=0)
    seen = look_at(hospital.configs, config, set(BLOCKING), 0.0)
    assert {problem.kind for problem in seen.problems} <= {"daemon", "sensor"}
    server.stop()
    try:
        seen = look_at(hospital.configs, config, set(BLOCKING), 0.0)
        assert [(problem.kind, problem.word) for problem in seen.problems] == [("unreadable", "dagster_home")]
        assert "failed_run" not in seen.looked
        with pytest.raises(DatabaseError, match="does not answer"):
            open_instance(hospital.home)
    finally:
        server.start()


def limits_hold(instance: dg.DagsterInstance) -> None:
    """Dagster's own counters, with the instance's settings."""
    queue = instance.get_concurrency_config().run_queue_config
    assert queue is not None
    of_visits = TagConcurrencyLimitsCounter(queue.tag_concurrency_limits, [run_of(ONE)])
    assert of_visits.is_blocked(run_of(ONE))
    assert not of_visits.is_blocked(run_of(TWO))
    assert not of_visits.is_blocked(dg.DagsterRun(job_name="tables"))

    places = instance.event_log_storage.get_concurrency_info(DECODING).slot_count
    decoding = [run_of(str(number), DECODING) for number in range(places + 1)]
    counter = GlobalOpConcurrencyLimitsCounter(
        instance,
        decoding,
        [],
        {DECODING},
        instance.event_log_storage.get_pool_limits(),
        pool_granularity=instance.get_concurrency_config().pool_config.pool_granularity,
    )
    for run in decoding[:-1]:
        assert not counter.is_blocked(run)
        counter.update_counters_with_launched_item(run)
    assert counter.is_blocked(decoding[-1])
    assert not counter.is_blocked(run_of(ONE))

    assert instance.run_monitoring_settings["free_slots_after_run_end_seconds"] == 300
    assert instance.run_retries_enabled
    assert instance.run_retries_max_retries == 0
    kept = instance.get_tick_retention_settings(InstigatorType.SENSOR)
    assert {status.value: days for status, days in kept.items()}["SKIPPED"] == 2


def run_of(visit: str, pool: str | None = None) -> dg.DagsterRun:
    concurrency = RunOpConcurrency(
        root_key_counts={pool: 1} if pool else {},
        has_unconstrained_root_nodes=pool is None,
        all_pools={pool} if pool else set(),
    )
    return dg.DagsterRun(job_name="visit", tags={PARTITION_TAG: visit}, run_op_concurrency=concurrency)
