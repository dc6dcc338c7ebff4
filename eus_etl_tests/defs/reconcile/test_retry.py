"""When inputs whose run failed are due again."""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TinyHospital
from eus_etl.defs.instance import open_instance
from eus_etl.defs.keys import CONSUMED_TAG, PARTITION_TAG, STUDY_TAG
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.reconcile.retry import AT_ONCE, FIRST_WAIT_S, LONGEST_WAIT_S, NEVER, due_at

TAGS = {CONSUMED_TAG: "these inputs"}


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(tmp_path / "home") as opened:
        yield opened


def lose(instance: dg.DagsterInstance, tags: dict[str, str]) -> None:
    """A run whose process dies."""
    run = dg.DagsterRun(job_name="a_job", status=dg.DagsterRunStatus.STARTED, tags=tags)
    instance.report_run_failed(instance.add_run(run))


def test_the_wait_doubles_to_a_limit(instance: dg.DagsterInstance) -> None:
    assert due_at(instance, TAGS, 0.0) == AT_ONCE
    waits = []
    for _ in range(8):
        lose(instance, TAGS)
        lose(instance, {CONSUMED_TAG: "other inputs"})
        (last,) = instance.get_run_records(dg.RunsFilter(tags=TAGS), limit=1)
        assert last.end_time is not None
        waits.append(round((due_at(instance, TAGS, 0.0) - last.end_time) / FIRST_WAIT_S))
    assert waits == [1, 2, 4, 8, 16, 16, 16, 16]
    assert waits[-1] * FIRST_WAIT_S == LONGEST_WAIT_S
    assert due_at(instance, TAGS, time.time() + 1) == AT_ONCE  # none since then


@pytest.mark.parametrize(
    "status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED]
)
def test_what_is_under_way_or_done_is_not_due(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    lose(instance, TAGS)
    instance.add_run(dg.DagsterRun(job_name="a_job", status=status, tags=TAGS))
    assert due_at(instance, TAGS, 0.0) == NEVER


def test_what_may_pass_is_told_from_what_will_not(tmp_path: Path) -> None:
    """A correction that is wrong stays wrong; raw videos that are away may come back."""
    hospital = TinyHospital(tmp_path)
    tags = {STUDY_TAG: "eusml", PARTITION_TAG: ONE}
    hospital.paths.sync_csv.parent.mkdir(parents=True)
    hospital.paths.sync_csv.write_text(f"patient_id,offset_s,scale\n{ONE},0,-1\n")
    with open_instance(hospital.home) as instance:
        (wrong,) = StudySession(hospital.study, instance).run([ONE]).failed
        assert wrong.asset == "frame_table"
        assert due_at(instance, tags, 0.0) == NEVER
        hospital.configure(extraction={"frame_rate_hz": 4})
        hospital.paths.raw_data.rename(tmp_path / "aside")
        begun = time.time()
        failed = StudySession(hospital.study, instance).run([ONE]).failed
        assert "frames" in {one.asset for one in failed}
        assert begun + FIRST_WAIT_S < due_at(instance, tags, begun) < NEVER
