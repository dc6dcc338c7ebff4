"""When a plan whose runs did not do it is due again."""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TinyHospital
from eus_etl.defs.instance import open_instance
from eus_etl.defs.keys import CONSUMED_TAG, PARENT_TAG, PARTITION_TAG, SCOPE_TAG, STUDY_TAG, VISIT
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.reconcile.retry import AT_ONCE, FIRST_WAIT_S, LONGEST_WAIT_S, NEVER, due_at
from eus_etl.errors import OverlapError, SourceUnavailableError
from eus_etl.steps.result import StepResult

TAGS = {STUDY_TAG: "eusml", SCOPE_TAG: VISIT, CONSUMED_TAG: "these inputs"}
OF_THE_VISIT = {**TAGS, PARTITION_TAG: ONE}
OTHERS = {**OF_THE_VISIT, CONSUMED_TAG: "other inputs"}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(tmp_path / "home") as opened:
        yield opened


def lose(instance: dg.DagsterInstance, tags: dict[str, str]) -> None:
    """A run whose process dies."""
    run = dg.DagsterRun(job_name="a_job", status=dg.DagsterRunStatus.STARTED, tags=tags)
    instance.report_run_failed(instance.add_run(run))


def due(instance: dg.DagsterInstance, now: float | None = None) -> float:
    """When the plan with these tags is due."""
    return due_at(instance, TAGS, ONE, (), time.time() if now is None else now)


def waits(instance: dg.DagsterInstance) -> float:
    """How long after the visit's last run."""
    (last,) = instance.get_run_records(dg.RunsFilter(tags=OF_THE_VISIT), limit=1)
    assert last.end_time is not None
    return due(instance, last.end_time) - last.end_time


def test_the_wait_doubles_to_a_limit(instance: dg.DagsterInstance) -> None:
    assert due(instance) == AT_ONCE
    found = []
    for _ in range(8):
        lose(instance, OF_THE_VISIT)
        lose(instance, {**OF_THE_VISIT, PARTITION_TAG: "another visit"})
        lose(instance, {**OF_THE_VISIT, STUDY_TAG: "another study"})
        found.append(round(waits(instance) / FIRST_WAIT_S))
    assert found == [1, 2, 4, 8, 16, 16, 16, 16]
    assert found[-1] * FIRST_WAIT_S == LONGEST_WAIT_S


@pytest.mark.parametrize("last", [OTHERS, {**OF_THE_VISIT, PARENT_TAG: "a run that is executed once more"}])
def test_a_plan_is_due_at_once_where_the_last_run_was_another(
    instance: dg.DagsterInstance, last: dict[str, str]
) -> None:
    for _ in range(3):
        lose(instance, OF_THE_VISIT)
    lose(instance, last)
    assert due(instance) == AT_ONCE
    lose(instance, OF_THE_VISIT)
    assert round(waits(instance)) == FIRST_WAIT_S


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.CANCELED])
def test_what_is_under_way_or_was_ended_by_a_person_is_not_due(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    lose(instance, OF_THE_VISIT)
    instance.add_run(dg.DagsterRun(job_name="a_job", status=status, tags=OF_THE_VISIT))
    assert due(instance) == NEVER


def test_a_success_that_left_something_undone_is_no_answer_for_ever(instance: dg.DagsterInstance) -> None:
    run = instance.add_run(
        dg.DagsterRun(job_name="a_job", status=dg.DagsterRunStatus.STARTED, tags=OF_THE_VISIT)
    )
    done = dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name)
    instance.report_dagster_event(done, run.run_id)
    assert round(waits(instance)) == FIRST_WAIT_S


def test_a_run_that_ended_in_the_future_holds_nothing_up(instance: dg.DagsterInstance) -> None:
    lose(instance, OF_THE_VISIT)
    assert due(instance, time.time() - 3600) == AT_ONCE


@pytest.mark.slow
def test_what_may_pass_is_told_from_what_will_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only an edit can fix is not tried again; raw videos that are away may come back."""

    def fail(*_: object) -> StepResult:
        raise OverlapError(ONE, "it fails whenever it is made of this", "edit something")

    def away(*_: object, **__: object) -> StepResult:
        raise SourceUnavailableError(ONE, "its raw video is away", "mount its disk")

    hospital = TinyHospital(tmp_path)

    def due_now(session: StudySession) -> float:
        plan = session.plan(ONE)
        assert plan
        now = time.time()
        return due_at(session.state.instance, plan.tags, ONE, plan.nodes, now) - now

    with open_instance(hospital.home) as instance:
        session = StudySession(hospital.study, instance)
        assert not session.run([ONE]).failed
        hospital.configure(regions={"sample_frames": 12})
        with monkeypatch.context() as patch:
            patch.setattr("eus_etl.defs.assets.patient.find_regions", fail)
            session = StudySession(hospital.study, instance)
            failed = session.run([ONE]).failed
        assert "regions" in {one.asset for one in failed}
        assert due_now(session) == NEVER
        hospital.configure(extraction={"frame_rate_hz": 4})
        with monkeypatch.context() as patch:
            patch.setattr("eus_etl.defs.assets.patient.extract_patient", away)
            session = StudySession(hospital.study, instance)
            failed = session.run([ONE]).failed
        assert "frames" in {one.asset for one in failed}
        assert 0 < due_now(session) <= FIRST_WAIT_S
