"""Forgetting may be interrupted, may not disturb a run, and asks about the person's other visits."""

from datetime import date

import dagster as dg
import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.commands.forget.names import names_of
from eus_etl.commands.forget.run import chosen_visits, forget_visit
from eus_etl.defs.graph import study_graph
from eus_etl.defs.instance import HOME_VARIABLE, open_instance
from eus_etl.defs.keys import PARTITION_TAG, STUDY_TAG
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.errors import BlockedError
from eus_etl.steps.observation.snapshot import DRIVE_VIDEOS, LABEL_ITEMS, known_visits
from eus_etl.steps.result import version_of
from eus_etl.storage.source_snapshots import Inventory
from eus_etl.storage.tombstones import forgotten_names, set_tombstone, tombstones
from eus_etl_tests.commands.forget.traces import places_of, words_of
from eus_etl_tests.support.commands import call


class Killed(BaseException):
    """As a process that is killed, no handler sees it."""


def kill(*_: object, **__: object) -> None:
    raise Killed


@pytest.mark.slow
@pytest.mark.parametrize(
    "at",
    [
        "commands.forget.run.remove_rows",
        "commands.forget.run.remove_from_records",
        "commands.forget.run.remove_files",
        "commands.forget.run.remove_visit",
        "defs.event_store.runs.delete_checks",
        "defs.event_store.runs.delete_logs",
        "defs.event_store.visit.replace_text",
        "commands.forget.run._make_tables",
    ],
)
def test_another_call_finishes_what_was_interrupted(
    made_hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    study = made_hospital.study
    with open_instance(made_hospital.home) as instance:
        words = words_of(made_hospital, instance, ONE, "Brisk-Heron-1")
        with monkeypatch.context() as killing:
            killing.setattr(f"eus_etl.{at}", kill)
            with pytest.raises(Killed):
                forget_visit(study, instance, study_graph(study), names_of(study, ONE))
        (stone,) = tombstones(made_hospital.paths)
        assert not stone.finished
        # nothing is made of it in the meantime, and it does not come back
        assert not [made for made in StudySession(study, instance).run().made if made.patient_id]
        forget_visit(study, instance, study_graph(study), names_of(study, ONE))
    (stone,) = tombstones(made_hospital.paths)
    assert stone.finished
    assert places_of(made_hospital.paths.root, words) == []
    assert places_of(made_hospital.home, words) == []


def test_a_run_of_the_visit_is_not_disturbed(made_hospital: TinyHospital) -> None:
    study, tags = made_hospital.study, {STUDY_TAG: "eusml", PARTITION_TAG: ONE}
    with open_instance(made_hospital.home) as instance:
        run = dg.DagsterRun(job_name="a_job", status=dg.DagsterRunStatus.STARTING, tags=tags)
        instance.add_run(run)
        with pytest.raises(BlockedError, match=f"run {run.run_id} of it is queued or in progress"):
            forget_visit(study, instance, study_graph(study), names_of(study, ONE))
        assert any(made_hospital.paths.raw_folder(ONE).iterdir())
        # and yet nothing more is planned for it
        assert StudySession(study, instance).patients() == [TWO]


def test_another_home_is_refused(made_hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(made_hospital.folder / "another"))
    done = call("forget", "--config", made_hospital.config, ONE)
    assert done.exit_code == 1
    assert "set DAGSTER_HOME to the first" in done.output
    assert tombstones(made_hospital.paths) == ()


def persons(hospital: TinyHospital, subjects: dict[str, str]) -> None:
    """Let the sources know whose visits these are."""
    items = Inventory(hospital.paths, LABEL_ITEMS)
    observed = {
        visit: {**(items.load(visit) or {}), "subject_id": subjects.get(visit)} for visit in items.versions
    }
    items.store(observed, {visit: version_of(item) for visit, item in observed.items()})


def test_other_visits_of_the_person_are_named_and_have_to_be_decided_on(made_hospital: TinyHospital) -> None:
    study = made_hospital.study
    persons(made_hospital, {ONE: "a", TWO: "a"})
    with pytest.raises(BlockedError, match=f"has other visits: {TWO}.*--all-visits"):
        chosen_visits(study, ONE, only_this=False, whole_person=False)
    both = chosen_visits(study, ONE, only_this=False, whole_person=True)
    assert [names.patient_id for names in both] == [ONE, TWO]
    assert len(chosen_visits(study, ONE, only_this=True, whole_person=False)) == 1
    persons(made_hospital, {ONE: "a", TWO: "b"})
    assert len(chosen_visits(study, ONE, only_this=False, whole_person=False)) == 1


def test_a_visit_that_waits_for_the_rest_is_counted(
    made_hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(made_hospital.home))
    set_tombstone(made_hospital.paths, ONE, date(2026, 1, 1))
    said = " ".join(call("status", "--config", made_hospital.config).output.split())
    assert "1 forgotten" in said
    assert "call `eus-etl forget` for them again" in said


def test_tombstones_that_cannot_be_read_stop_every_observation(made_hospital: TinyHospital) -> None:
    set_tombstone(made_hospital.paths, ONE, date(2026, 1, 1))
    made_hospital.paths.forgotten.write_bytes(made_hospital.paths.forgotten.read_bytes()[:-9])
    with open_instance(made_hospital.home) as instance:
        seen = StudySession(made_hospital.study, instance).observe()
    assert {failure.source for failure in seen.failures} >= {LABEL_ITEMS, DRIVE_VIDEOS}
    assert "nobody can tell which visits were forgotten" in str(seen.failures[0].error)


def test_a_new_consent_lifts_a_tombstone(made_hospital: TinyHospital) -> None:
    set_tombstone(made_hospital.paths, ONE, date(2026, 1, 1))
    assert known_visits(made_hospital.paths, [ONE]) == set()
    assert "brings it back" in call("forget", "--config", made_hospital.config, ONE, "--lift").output
    assert known_visits(made_hospital.paths, [ONE]) == {ONE}
    assert not forgotten_names(made_hospital.paths)
    assert "was not forgotten" in call("forget", "--config", made_hospital.config, ONE, "--lift").output
