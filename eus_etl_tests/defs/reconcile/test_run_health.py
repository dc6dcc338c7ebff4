"""Runs and their processes: which are under way, which are dead, and what two of them do with one visit."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.defs import leases
from eus_etl.defs.instance import open_instance
from eus_etl.defs.keys import CONSUMED_TAG, PARENT_TAG, PARTITION_TAG, STUDY_TAG, TERMINAL_TAG
from eus_etl.defs.leases import leases_of, living_runs, run_lease
from eus_etl.defs.reconcile.confirm import MADE_BY
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.reconcile.run_health import runs_under_way
from eus_etl.defs.study import build_study_definitions
from eus_etl.storage.leases.work import work_lease
from eus_etl_tests.support.assets import CHAIN

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
ASKED = {STUDY_TAG: "eusml", CONSUMED_TAG: "some inputs"}
"""Tags of a run that a sensor asked for."""
STARTED, WAITING, FAILED = (
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.FAILURE,
)


LABELS_OF_ONE = dg.AssetRecordsFilter(dg.AssetKey(["eusml", "labels"]), asset_partitions=[ONE])


@pytest.fixture
def hospital(made_hospital: TinyHospital) -> TinyHospital:
    return made_hospital


@pytest.fixture
def instance(hospital: TinyHospital) -> Iterator[dg.DagsterInstance]:
    with open_instance(hospital.home) as opened:
        yield opened


def visit_job(hospital: TinyHospital) -> dg.JobDefinition:
    return build_study_definitions(hospital.study).resolve_job_def("eusml_visit")


def execute(
    hospital: TinyHospital, instance: dg.DagsterInstance, **tags: str
) -> dict[str, dict[str, object]]:
    """Execute the first visit's chain; metadata of each asset that was told of."""
    done = visit_job(hospital).execute_in_process(
        instance=instance, partition_key=ONE, run_config=QUIET, tags=tags
    )
    found = [event.materialization for event in done.get_asset_materialization_events()]
    return {
        one.asset_key.path[-1]: {name: value.value for name, value in one.metadata.items()} for one in found
    }


def start_worker(
    hospital: TinyHospital, change: str, tags: dict[str, str], asset: str
) -> "subprocess.Popen[bytes]":
    """A process of its own that makes an asset of the first visit, as a daemon would start it.

    Args:
        hospital: the study's.
        change: code that changes what the steps in ``patient_assets`` do.
        tags: of the run.
        asset: name of the asset.
    """
    code = f"""
import time
from pathlib import Path
import dagster as dg
from eus_etl.defs.assets import patient as patient_assets
from eus_etl.defs.instance import open_instance
from eus_etl.defs.study import build_study_definitions
from eus_etl.settings import load_study
{change}
job = build_study_definitions(load_study(Path({str(hospital.config)!r}))).resolve_job_def("eusml_visit")
with open_instance(Path({str(hospital.home)!r})) as instance:
    job.execute_in_process(
        instance=instance,
        partition_key={ONE!r},
        run_config={QUIET!r},
        tags={tags!r},
        asset_selection=[dg.AssetKey(["eusml", {asset!r}])],
    )
"""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def add_run(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, tags: dict[str, str], **more: object
) -> str:
    run = dg.DagsterRun(job_name="a_job", status=status, tags=tags, **more)  # type: ignore[arg-type]  # one keyword
    return instance.add_run(run).run_id


def changed_since(hospital: TinyHospital, files: dict[Path, bytes]) -> list[str]:
    """Files below the root that are not as they were."""
    now = {path: path.read_bytes() for path in hospital.paths.root.rglob("*") if path.is_file()}
    paths = now.keys() | files.keys()
    return sorted(hospital.paths.relative(path) for path in paths if now.get(path) != files.get(path))


def under_way(hospital: TinyHospital, instance: dg.DagsterInstance) -> set[str]:
    graph = StudySession(hospital.study, instance).graph
    return {run.run_id for run in runs_under_way(graph, instance)}


# --- whose runs ---


def test_runs_of_another_study_are_not_ours(hospital: TinyHospital, instance: dg.DagsterInstance) -> None:
    ours = {
        add_run(instance, WAITING, {STUDY_TAG: "eusml"}),
        add_run(instance, WAITING, {}, asset_selection={dg.AssetKey(["eusml", "labels"])}),
    }
    add_run(instance, WAITING, {STUDY_TAG: "fatty_liver"})
    add_run(instance, WAITING, {}, asset_selection={dg.AssetKey(["fatty_liver", "labels"])})
    add_run(instance, WAITING, {})
    assert under_way(hospital, instance) == ours


def test_all_jobs_say_whose_they_are(hospital: TinyHospital) -> None:
    definitions = build_study_definitions(hospital.study)
    for name in ("eusml_visit", "eusml_nightly"):
        assert definitions.resolve_job_def(name).tags[STUDY_TAG] == "eusml"


# --- the dead ---


def test_a_run_without_process_is_failed_and_others_are_left(
    hospital: TinyHospital, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = add_run(instance, WAITING, ASKED)
    started = add_run(instance, STARTED, ASKED)
    of_command = add_run(instance, STARTED, {**ASKED, TERMINAL_TAG: "true"})
    worked_on = add_run(instance, STARTED, {**ASKED, TERMINAL_TAG: "true"})
    foreign = add_run(instance, STARTED, {STUDY_TAG: "fatty_liver"})
    with run_lease(instance, worked_on):
        # it may be about to take its lock
        assert under_way(hospital, instance) == {waiting, started, worked_on}
        monkeypatch.setattr("eus_etl.defs.reconcile.run_health.STARTUP_S", 0.0)
        assert under_way(hospital, instance) == {waiting, worked_on}
    failed = {run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=[FAILED]))}
    assert failed == {started, of_command}
    assert worked_on not in living_runs(instance)
    still = instance.get_run_by_id(foreign)
    assert still is not None
    assert still.status is STARTED


def test_a_run_elsewhere_is_dead_only_if_it_stays_silent_once_the_database_is_back(
    hospital: TinyHospital, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an outage all leases have lapsed; who lives renews its own."""
    monkeypatch.setattr("eus_etl.defs.reconcile.run_health.STARTUP_S", 0.0)
    table, held = leases_of(instance), {}
    for fate in ("returns", "is gone"):
        run_id = add_run(instance, STARTED, ASKED)
        lease = table.take(f"run:{run_id}", process="a process elsewhere", said="", lasts_s=0.01)
        assert lease is not None
        held[fate] = run_id, lease
    time.sleep(0.05)
    both = {run_id for run_id, _ in held.values()}
    assert under_way(hospital, instance) == both
    run_id, lease = held["returns"]
    table.release(lease)
    assert table.take(f"run:{run_id}", process="a process elsewhere", said="", lasts_s=600.0)
    assert under_way(hospital, instance) == both
    monkeypatch.setattr(leases, "RETURNS_S", 0.0)
    assert under_way(hospital, instance) == {run_id}


@pytest.mark.slow
def test_a_killed_worker_is_noticed_and_a_living_one_is_not_mistaken(
    hospital: TinyHospital, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker lives, in the midst of a step, and is killed."""
    monkeypatch.setattr("eus_etl.defs.reconcile.run_health.STARTUP_S", 0.0)
    stuck = "patient_assets.extract_patient = lambda *_, **__: (print('stuck', flush=True), time.sleep(600))"
    worker = start_worker(hospital, stuck, {}, "frames")
    assert worker.stdout is not None
    try:
        assert worker.stdout.readline() == b"stuck\n"
        (run,) = instance.get_runs(dg.RunsFilter(statuses=[STARTED]))
        assert under_way(hospital, instance) == {run.run_id}
    finally:
        worker.kill()
        worker.communicate()
    assert under_way(hospital, instance) == set()
    dead = instance.get_run_by_id(run.run_id)
    assert dead is not None
    assert dead.status is FAILED


@pytest.mark.slow
def test_a_worker_that_stood_still_publishes_nothing_over_a_newer_result(
    hospital: TinyHospital, instance: dg.DagsterInstance
) -> None:
    """It stops in the midst of a step, longer than its lease lasts; a command makes a newer one meanwhile."""
    hospital.items[ONE]["Stop Station 1 1"] = "00:00:02"
    hospital.write_items()
    StudySession(hospital.study, instance).observe()
    stops = """
import os, signal
from eus_etl.storage.leases import holding
holding.LASTS_S, holding.RENEW_S = 2.0, 0.2
make_labels = patient_assets.make_labels
def stop(*given):
    print("stops", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    return make_labels(*given)
patient_assets.make_labels = stop
"""
    worker = start_worker(hospital, stops, ASKED, "labels")
    assert worker.stdout is not None
    try:
        assert worker.stdout.readline() == b"stops\n"
        hospital.items[ONE]["Stop Station 1 1"] = "00:00:03"
        hospital.write_items()
        report = StudySession(hospital.study, instance).run()
        assert report.complete
        assert "labels" in [made.asset for made in report.made]
        newer = {path: path.read_bytes() for path in hospital.paths.root.rglob("*") if path.is_file()}
        events = len(instance.fetch_materializations(LABELS_OF_ONE, limit=99).records)
    finally:
        worker.send_signal(signal.SIGCONT)
        worker.communicate()
    assert changed_since(hospital, newer) == []
    assert len(instance.fetch_materializations(LABELS_OF_ONE, limit=99).records) == events
    session = StudySession(hospital.study, instance)
    assert not any(session.plan(visit) for visit in (ONE, TWO, None))


# --- one visit, two processes ---


def test_what_is_made_already_is_told_once_more_and_not_made(
    hospital: TinyHospital, instance: dg.DagsterInstance
) -> None:
    session = StudySession(hospital.study, instance)
    asked = dg.AssetRecordsFilter(dg.AssetKey(["eusml", "timeline"]), asset_partitions=[ONE])
    pictures = instance.fetch_observations(asked, limit=9).records
    assert len(pictures) == 1
    told = execute(hospital, instance, **ASKED)
    assert set(told) == set(CHAIN)
    assert all(MADE_BY in metadata for metadata in told.values())
    assert not any("videos_decoded" in metadata for metadata in told.values())
    assert instance.fetch_observations(asked, limit=9).records == pictures  # drawn once, kept once
    again = execute(hospital, instance, **ASKED)
    assert again["frames"] == told["frames"]  # the one that made it, not the one that told it
    assert not any(session.state.reasons(patient) for patient in (ONE, TWO, None))


def test_its_checks_are_told_as_they_came_out(hospital: TinyHospital, instance: dg.DagsterInstance) -> None:
    def outcomes(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str | None]]:
        found = result.get_asset_check_evaluations()
        return {f"{one.asset_key.path[-1]} {one.check_name}": (one.passed, one.description) for one in found}

    hospital.items[ONE]["Stop Procedure"] = "00:10:00"  # far behind the end of the recording
    hospital.write_items()
    StudySession(hospital.study, instance).observe()
    job = visit_job(hospital)
    made = job.execute_in_process(instance=instance, partition_key=ONE, run_config=QUIET)
    told = job.execute_in_process(instance=instance, partition_key=ONE, run_config=QUIET, tags=ASKED)
    assert outcomes(told) == outcomes(made)
    assert not outcomes(told)["frame_table synchronised"][0]


def test_a_person_makes_it_whatever_is_recorded(hospital: TinyHospital, instance: dg.DagsterInstance) -> None:
    for tags in ({}, {**ASKED, PARENT_TAG: "a run that is executed once more"}):
        made = execute(hospital, instance, **tags)
        assert "videos_decoded" in made["frames"]
        assert not any(MADE_BY in metadata for metadata in made.values())


@pytest.mark.slow
def test_who_waits_for_a_visit_finds_it_made(hospital: TinyHospital, instance: dg.DagsterInstance) -> None:
    hospital.items[ONE]["Stop Station 1 1"] = "00:00:02"
    hospital.write_items()
    StudySession(hospital.study, instance).observe()
    counted_and_slowly_reported = """
make_labels, handle = patient_assets.make_labels, dg.DagsterInstance.handle_new_event
patient_assets.make_labels = lambda *given: (print("made", flush=True), make_labels(*given))[1]
def slowly(instance, event, **more):
    if event.is_dagster_event and event.dagster_event.is_step_materialization:
        time.sleep(1)
    return handle(instance, event, **more)
dg.DagsterInstance.handle_new_event = slowly
"""
    with work_lease(hospital.paths, ONE):  # neither begins before both have come to the lock
        workers = [start_worker(hospital, counted_and_slowly_reported, ASKED, "labels") for _ in range(2)]
        while len(instance.get_runs(dg.RunsFilter(statuses=[STARTED]))) < 2:
            assert all(worker.poll() is None for worker in workers)
            time.sleep(0.1)
    said = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert sorted(said) == [b"", b"made\n"]


def test_a_session_leaves_a_visit_that_another_process_works_on_to_the_end(
    hospital: TinyHospital, instance: dg.DagsterInstance
) -> None:
    hospital.configure(quality={"no_signal_brightness": 250})
    elsewhere = add_run(instance, STARTED, {**ASKED, PARTITION_TAG: ONE})
    add_run(instance, WAITING, {**ASKED, PARTITION_TAG: TWO})  # nobody may ever take it
    with run_lease(instance, elsewhere):
        report = StudySession(hospital.study, instance).run()
    tables = [made.patient_id for made in report.made if made.asset == "frame_table"]
    assert tables == [TWO, ONE]


def test_a_command_says_what_its_runs_answer(hospital: TinyHospital, instance: dg.DagsterInstance) -> None:
    hospital.write_rows(f"Patient,Cancer type\n{ONE},other\n")
    StudySession(hospital.study, instance).run([ONE])
    (run,) = instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: ONE}), limit=1)
    assert run.tags[STUDY_TAG] == "eusml"
    assert run.tags[CONSUMED_TAG]
