"""Many machines: whatever is killed with -9, every visit is made once, as one process would make it."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from benchmarks.compare_demos import differences, files_of
from benchmarks.support.hospitals.cluster import Cluster, cluster
from benchmarks.support.hospitals.services import CODE, wait_until
from benchmarks.support.hospitals.two_studies import TwoStudies
from eus_etl.commands.doctor.cluster import examine_cluster
from eus_etl.defs.assets.names import Asset
from eus_etl.defs.cluster.broker import celery_of
from eus_etl.defs.keys import DECODING, PARTITION_TAG, asset_key
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.reconcile.run_health import UNDER_WAY
from eus_etl.storage.leases.holding import LASTS_S

pytestmark = pytest.mark.slow

VISITS = int(os.environ.get("EUS_ETL_CLUSTER_VISITS", "6"))
WORKERS = 3
PATIENCE_S = 1800.0
NOTICED_S = 10.0
"""In this test a process that died while it began is noticed after so many seconds."""
LONG_S = LASTS_S + NOTICED_S + 30.0
"""One run takes so long: longer than it takes to call a run dead whose worker is."""

STARTED, SUCCESS, FAILURE = (
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
)

SLOWLY = """

# one visit takes its time, once, while its run has its lease
import time
from pathlib import Path

from eus_etl.defs.assets import factory

_state_for_run, _begun = factory.state_for_run, Path({begun!r})


def _slowly(instance, paths, nodes, patient, run_id):
    if patient == {visit!r} and not _begun.exists():
        _begun.touch()
        time.sleep({long_s})
    return _state_for_run(instance, paths, nodes, patient, run_id)


factory.state_for_run = _slowly
"""


def test_every_visit_is_made_once_whatever_is_killed(tmp_path: Path) -> None:
    hospital = TwoStudies(tmp_path / "cluster", VISITS)
    alone = hospital.copy(tmp_path / "alone")
    long_visit = hospital.visits["eusml"][0]
    with cluster(hospital, WORKERS, hurry_s=NOTICED_S) as (found, instance):
        with (hospital.folder / "in_a_hurry.py").open("a") as definitions:
            definitions.write(
                SLOWLY.format(begun=str(hospital.folder / "begun"), visit=long_visit, long_s=LONG_S)
            )
        for number in range(WORKERS):
            found.start_worker(number)
        with found.services.running():
            services = found.services
            wait_until("the long run works", (hospital.folder / "begun").exists, PATIENCE_S, services)

            killed = a_worker_is_killed(found, instance, long_visit)

            wait_until("some are made", lambda: made(hospital, instance) >= VISITS // 4, PATIENCE_S, services)
            services.kill(CODE)
            services.start(CODE)

            wait_until("more are made", lambda: made(hospital, instance) >= VISITS // 2, PATIENCE_S, services)
            wait_until("runs work", lambda: len(at_work(instance)) > 1, PATIENCE_S, services)
            found.broker.kill()
            time.sleep(5)
            found.broker.start()

            with made_alone(alone):
                wait_until("all is made", lambda: is_settled(hospital, instance), PATIENCE_S, services)
                wait_until("all answer", lambda: not services.are_silent(), PATIENCE_S, services)

            # nothing that was killed keeps a place
            assert instance.event_log_storage.get_concurrency_info(DECODING).claimed_slots == []
            assert instance.get_run_by_id(killed).status is FAILURE  # type: ignore[union-attr]
            the_long_run_was_not_called_dead(instance, long_visit)
            each_visit_was_made_once(hospital, instance)
            outcomes = {
                finding.check.partition("@")[0]: finding.outcome
                for finding in examine_cluster(hospital.study("eusml"), hospital.home)
            }
            assert outcomes == dict.fromkeys(
                ["database", "broker", "workers", "worker0", "worker1", "worker2"], "ok"
            )
    before, after = files_of(alone.data), files_of(hospital.data)
    assert len(before) > 10 * VISITS
    assert list(differences(before, after)) == []


def a_worker_is_killed(found: Cluster, instance: dg.DagsterInstance, but: str) -> str:
    """Kill a worker while it works on a run, of another visit; its run's id."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        assert time.monotonic() < deadline, found.services.log()
        runs = {run.tags.get(DAGSTER_CELERY_TASK_ID_TAG): run for run in at_work(instance)}
        active = celery_of(instance).control.inspect(timeout=2.0).active() or {}
        for worker, tasks in active.items():
            for task in tasks:
                run = runs.get(task["id"])
                if run is not None and run.tags.get(PARTITION_TAG) not in (but, None):
                    number = int(worker.partition("@")[0].removeprefix("worker"))
                    found.kill_worker(number)
                    now = instance.get_run_by_id(run.run_id)
                    if now is not None and now.status is STARTED:
                        # Dagster's monitoring would go on asking, for ever: this is what it would hear
                        health = instance.run_launcher.check_run_worker_health(now)
                        assert health.status is WorkerStatus.RUNNING
                        found.start_worker(number)
                        return run.run_id
                    found.start_worker(number)
        time.sleep(0.2)


def at_work(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(statuses=[STARTED])))


def made(hospital: TwoStudies, instance: dg.DagsterInstance) -> int:
    """How many visits have the last of their assets."""
    return sum(
        len(instance.get_materialized_partitions(asset_key(study, Asset.PREPROCESSED_FRAMES)))
        for study in hospital.visits
    )


def is_settled(hospital: TwoStudies, instance: dg.DagsterInstance) -> bool:
    """Whether everything is made, and no run is under way."""
    if instance.get_runs(dg.RunsFilter(statuses=list(UNDER_WAY)), limit=1):
        return False
    for study, visits in hospital.visits.items():
        session = StudySession(hospital.study(study), instance)
        if len(session.patients()) < len(visits) or any(map(session.plan, [*session.patients(), None])):
            return False
    return True


def the_long_run_was_not_called_dead(instance: dg.DagsterInstance, visit: str) -> None:
    records = instance.get_run_records(dg.RunsFilter(tags={PARTITION_TAG: visit}))
    assert {record.dagster_run.status for record in records} == {SUCCESS}
    longest = max((record.end_time or 0) - (record.start_time or 0) for record in records)
    assert longest > LASTS_S + NOTICED_S


def each_visit_was_made_once(hospital: TwoStudies, instance: dg.DagsterInstance) -> None:
    """No run but those that failed with what was killed made frames that another run made as well."""
    status = {run.run_id: run.status for run in instance.get_runs()}
    for study, visits in hospital.visits.items():
        events = instance.fetch_materializations(asset_key(study, Asset.FRAMES), limit=10_000).records
        times = Counter(
            event.partition_key
            for event in events
            if event.asset_materialization is not None
            and "confirmed" not in event.asset_materialization.metadata
            and status[event.run_id] is SUCCESS
        )
        by_killed = {event.partition_key for event in events if status[event.run_id] is not SUCCESS}
        assert set(times) | by_killed == set(visits)
        assert set(times.values()) == {1}


@contextmanager
def made_alone(hospital: TwoStudies) -> Iterator[None]:
    """The same hospital made by one process after the other, meanwhile."""
    environment = {**os.environ, "DAGSTER_HOME": str(hospital.home), "EUS_ETL_CONFIGS": str(hospital.configs)}
    program = Path(sys.executable).with_name("eus-etl")
    log = hospital.folder / "run.log"
    commands = " && ".join(f"{program} run --config {hospital.config(study)}" for study in hospital.visits)
    with log.open("wb") as output:
        process = subprocess.Popen(["sh", "-c", commands], env=environment, stdout=output, stderr=output)
        try:
            yield
            assert process.wait(PATIENCE_S) == 0, log.read_text()
        finally:
            process.kill()
            process.wait(30)
