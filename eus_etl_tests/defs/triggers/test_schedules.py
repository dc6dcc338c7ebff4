"""The nightly pass: when it comes, what it reports, and what it says of the change feed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import dagster as dg
import pytest
from dagster._utils.schedules import cron_string_iterator

from benchmarks.support.hospitals.real_hospital import STUDY_FOLDER, drive_source
from benchmarks.support.hospitals.tiny_hospital import ONE, TinyHospital
from benchmarks.support.servers.drive_server import DriveServer
from eus_etl.defs.instance import open_instance
from eus_etl.defs.keys import STUDY_TAG
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.reconcile.outcomes import failure_text
from eus_etl.defs.study import build_study_definitions
from eus_etl.defs.triggers.sensors import edits_sensor

NIGHTLY = "eusml_nightly"
NOTHING = {"changes_reported": 0, "missed_by_the_feed": 0, "unseen": 0}


@pytest.fixture
def hospital(server: DriveServer, tmp_path: Path) -> TinyHospital:
    """One visit on the drive."""
    hospital = TinyHospital(tmp_path)
    hospital.configure(sources={"videos": drive_source(server, tmp_path)})
    hospital.items = {ONE: hospital.items[ONE]}
    hospital.write_items()
    hospital.write_rows(f"Patient,Cancer type\n{ONE},none\n")
    upload(hospital, server, "first.mp4", first=0)
    return hospital


@pytest.fixture
def instance(hospital: TinyHospital) -> Iterator[dg.DagsterInstance]:
    with open_instance(hospital.home) as opened:
        yield opened


def upload(hospital: TinyHospital, server: DriveServer, name: str, first: int) -> None:
    """A video for the visit, on the drive."""
    drive = server.drive
    folders = [item.item_id for item in drive.items.values() if item.name == ONE]
    video = hospital.add_video(name, first)
    drive.upload(name, folders[0] if folders else drive.folder(ONE, STUDY_FOLDER), video.read_bytes())


def night(hospital: TinyHospital, instance: dg.DagsterInstance) -> tuple[bool, dict[str, object]]:
    """Execute the nightly job; whether it succeeded, and what its step reported."""
    job = build_study_definitions(hospital.study).resolve_job_def(NIGHTLY)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    done = job.execute_in_process(instance=instance, run_config=quiet, raise_on_error=False)
    outputs = [event.step_output_data for event in done.all_events if event.is_successful_output]
    found: dict[str, object] = {
        name: value.value for output in outputs for name, value in output.metadata.items()
    }
    return done.success, found


def test_a_night_reports_what_it_has_seen_whole_and_changes_no_version(
    hospital: TinyHospital, instance: dg.DagsterInstance
) -> None:
    night(hospital, instance)
    key = dg.AssetKey(["eusml", "label_items"])
    event = instance.get_latest_materialization_event(key)
    assert event is not None
    told = event.asset_materialization
    assert told is not None
    assert told.partition is None
    assert {name: value.value for name, value in told.metadata.items()} == {"visits": 1, "rejected": 0}
    assert night(hospital, instance) == (True, NOTHING)


def test_it_comes_at_five_in_the_morning_in_india(hospital: TinyHospital) -> None:
    schedule = build_study_definitions(hospital.study).resolve_schedule_def(NIGHTLY)
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    midnight = datetime(2026, 10, 5, tzinfo=UTC).timestamp()
    ticks = cron_string_iterator(midnight, str(schedule.cron_schedule), schedule.execution_timezone)
    assert [tick.astimezone(UTC).isoformat() for tick in islice(ticks, 2)] == [
        "2026-10-05T23:30:00+00:00",
        "2026-10-06T23:30:00+00:00",
    ]


@pytest.mark.slow
def test_a_night_sees_everything_and_makes_nothing(
    hospital: TinyHospital, instance: dg.DagsterInstance, server: DriveServer
) -> None:
    # an item, a row, its videos, what is unassigned, and what screens are known
    assert night(hospital, instance) == (True, NOTHING | {"changes_reported": 5})
    assert not hospital.paths.raw_data.exists()
    assert StudySession(hospital.study, instance).run().videos_decoded == 1
    listed = server.counts["list"]
    assert night(hospital, instance) == (True, NOTHING)
    assert server.counts["list"] > listed  # it does not rely on the feed


@pytest.mark.slow
def test_what_the_feed_never_told_is_found_and_planned(
    hospital: TinyHospital, instance: dg.DagsterInstance, server: DriveServer
) -> None:
    session = StudySession(hospital.study, instance)
    session.observe()
    upload(hospital, server, "second.mp4", first=300)
    server.drive.log.pop()
    assert session.observe().changes == 0
    assert night(hospital, instance) == (True, NOTHING | {"changes_reported": 1, "missed_by_the_feed": 1})
    tick = edits_sensor(session.graph)(dg.build_sensor_context(instance))
    assert isinstance(tick, dg.SensorResult)
    assert [request.partition_key for request in tick.run_requests or []] == [ONE]
    assert session.run().videos_decoded == 2
    assert night(hospital, instance) == (True, NOTHING)


def test_a_source_that_could_not_be_seen_fails_the_night_with_its_reason(
    hospital: TinyHospital, instance: dg.DagsterInstance
) -> None:
    hospital.write_rows("No,Headers\n1,2\n")
    succeeded, reported = night(hospital, instance)
    assert not succeeded
    assert reported == {}
    (failed,) = instance.get_runs(dg.RunsFilter(job_name=NIGHTLY))
    (failure,) = instance.get_records_for_run(failed.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    event = failure.event_log_entry.dagster_event
    assert "sources.patient_rows" in (failure_text(event) if event else "")
    state = StudySession(hospital.study, instance).state
    assert state.version(dg.AssetKey(["eusml", "label_items"]), ONE)  # the others were seen


def test_a_night_that_is_not_over_is_not_joined_by_another(
    hospital: TinyHospital, instance: dg.DagsterInstance
) -> None:
    schedule = build_study_definitions(hospital.study).resolve_schedule_def(NIGHTLY)
    context = dg.build_schedule_context(instance)
    for study, skips in (("fatty_liver", False), ("eusml", True)):
        status, tags = dg.DagsterRunStatus.STARTED, {STUDY_TAG: study}
        run = instance.add_run(dg.DagsterRun(job_name=NIGHTLY, status=status, tags=tags))
        tick = schedule.evaluate_tick(context)
        assert (len(tick.run_requests or []), bool(tick.skip_message)) == (1 - skips, skips)
    instance.report_run_failed(run)
    assert len(schedule.evaluate_tick(context).run_requests or []) == 1
