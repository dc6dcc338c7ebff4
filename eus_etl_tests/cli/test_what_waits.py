"""``status`` and ``run`` say what waits and why; ``run --wait`` stays until it is taken."""

from pathlib import Path

import dagster as dg
import pytest

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TWO, TinyHospital
from eus_etl.defs.instance import HOME_VARIABLE, open_instance
from eus_etl.defs.keys import PARTITION_TAG, SCOPE_TAG, STUDY_TAG, TABLES
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.status import StudyStatus
from eus_etl.terminal import study_lines
from eus_etl_tests.support.commands import call


@pytest.fixture
def hospital(made_hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch) -> TinyHospital:
    monkeypatch.setenv(HOME_VARIABLE, str(made_hospital.home))
    return made_hospital


def half_uploaded(hospital: TinyHospital) -> Path:
    """An upload to the first visit that is not complete."""
    whole = hospital.add_video(f"{ONE}/second.mp4", first=700, frames=10)
    return whole.rename(whole.with_name("second.mp4.part"))


def said(*arguments: str | Path) -> str:
    return " ".join(call(*arguments).output.split())


@pytest.mark.slow
def test_status_names_uploads_that_wait_and_visits_in_the_queue(hospital: TinyHospital) -> None:
    half_uploaded(hospital)
    with open_instance(hospital.home) as instance:
        StudySession(hospital.study, instance).observe()
        for status, tags in (
            (dg.DagsterRunStatus.STARTING, {PARTITION_TAG: TWO}),
            (dg.DagsterRunStatus.STARTED, {SCOPE_TAG: TABLES}),
        ):
            instance.add_run(
                dg.DagsterRun(job_name="a_job", status=status, tags={STUDY_TAG: "eusml", **tags})
            )
    shown = said("status", "--config", hospital.config)
    assert "1 file waits: a program writes it under a temporary name" in shown
    assert "in progress: the tables" in shown
    assert f"queued: {ALIAS_TWO}; no daemon runs that would start them. What to do: start it" in shown
    assert "second" not in shown


def test_a_queue_that_a_daemon_works_on_needs_nobody() -> None:
    runs = {f"visit-{number}": "queued" for number in range(7)}
    status = StudyStatus(
        study="eusml", home="", tables={}, unassigned={}, unassigned_uploads={}, runs=runs, is_idle=False
    )
    shown = " ".join(" ".join(study_lines(status, None)).split())
    assert "visit-4 and 2 more; each starts once a place is free" in shown


@pytest.mark.slow
def test_run_stays_until_an_upload_is_taken(hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch) -> None:
    partial = half_uploaded(hospital)
    looks = []

    def complete(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            partial.rename(partial.with_name("second.mp4"))

    monkeypatch.setattr("eus_etl.cli.study.sleep", complete)
    shown = said("run", "--config", hospital.config, "--wait")
    assert len(looks) == 2
    assert shown.count("1 file waits") == 2
    assert "1 videos decoded" in shown


def test_run_does_not_stay_by_itself(hospital: TinyHospital) -> None:
    half_uploaded(hospital)
    shown = said("run", "--config", hospital.config)
    assert shown.count("1 file waits: a program writes it under a temporary name") == 1
    assert "give one of them" in said("run", "--config", hospital.config, "--wait", "--no-wait")
