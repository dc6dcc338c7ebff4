"""The sensor that observes edits and starts all runs: what it asks for."""

import json
import threading
import time

import pytest

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TWO, TinyHospital
from eus_etl.defs.keys import ALIAS_TAG, WHY_TAG
from eus_etl.defs.triggers import sensors
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.connect import Sources
from eus_etl.steps.observation.observe import observe as observe_source
from eus_etl.steps.observation.snapshot import SOURCES
from eus_etl.steps.observation.stored import Observation
from eus_etl_tests.support.assets import CHAIN
from eus_etl_tests.support.daemon import DONE, EDITS, VIDEOS, Daemon, asked, edit, plans, upload


def test_while_nothing_happens_nothing_is_done(busy_daemon: Daemon) -> None:
    tick = busy_daemon.tick(EDITS)
    assert tick.skip_message == "nothing has happened"
    assert list(tick.asset_events) == []


def test_an_edit_is_two_runs_its_visit_and_then_the_tables(
    hospital: TinyHospital, busy_daemon: Daemon
) -> None:
    edit(hospital, "00:00:02")
    tick = busy_daemon.tick(EDITS)
    assert [event.partition for event in tick.asset_events] == [ONE]
    assert plans(tick) == {ONE: {"labels", "patients", "frame_table", "timeline"}}
    assert busy_daemon.runs(ONE)[0].tags[WHY_TAG] == "label edit"
    assert busy_daemon.runs(ONE)[0].tags[ALIAS_TAG] == "Brisk-Heron-1"
    assert asked(busy_daemon.tick(EDITS)) == {}  # while it is under way
    busy_daemon.end(busy_daemon.runs(ONE)[0], DONE)
    (tables,) = plans(busy_daemon.tick(EDITS)).items()
    assert tables[0] is None
    assert {"labels_csv", "patients_csv", "dataset"} <= tables[1]
    assert busy_daemon.runs()[0].tags[WHY_TAG] == "other labels; other patients; other frame_table"
    busy_daemon.end(busy_daemon.runs()[0], DONE)
    assert asked(busy_daemon.tick(EDITS)) == {}
    assert busy_daemon.tick(EDITS).skip_message == "nothing has happened"


def test_another_configuration_asks_for_what_depends_on_it(
    hospital: TinyHospital, busy_daemon: Daemon
) -> None:
    hospital.configure(quality={"no_signal_brightness": 250})
    tick = busy_daemon.tick(EDITS)  # nobody loads the definitions anew
    assert plans(tick) == {ONE: {"frame_table", "timeline"}, TWO: {"frame_table", "timeline"}}
    assert list(tick.asset_events) == []


def test_what_runs_make_by_another_configuration_is_not_asked_for_by_the_loaded_one(
    hospital: TinyHospital, busy_daemon: Daemon
) -> None:
    hospital.configure(preprocess={"recipes": {"small": {"version": 1, "size_px": 96}}})
    workers = Daemon(hospital.study, busy_daemon.instance)  # they read the file
    for tables in (
        {"preprocessed_frames", "timeline"},
        {"preprocess_metadata_csv", "rejected_csv", "dataset"},
    ):
        tick = busy_daemon.tick(EDITS)
        assert set().union(*plans(tick).values()) == tables
        workers.finish()
    assert asked(busy_daemon.tick(EDITS)) == {}


@pytest.mark.parametrize("sensor", [VIDEOS, EDITS])
def test_a_configuration_that_cannot_be_meant_skips_with_its_reason(
    hospital: TinyHospital, busy_daemon: Daemon, sensor: str
) -> None:
    good = hospital.config.read_text()
    for bad in (good.replace("frame_rate_hz", "frame_rate"), good.replace("study: eusml", "study: other")):
        assert bad != good
        hospital.config.write_text(bad)
        tick = busy_daemon.tick(sensor)
        assert asked(tick) == {}
        assert hospital.config.name in str(tick.skip_message)
    assert "reload the code location" in str(tick.skip_message)


def test_new_videos_an_edit_and_a_recipe_are_one_run(hospital: TinyHospital, busy_daemon: Daemon) -> None:
    upload(hospital, f"{ONE}/second.mp4", b"new")
    busy_daemon.tick(VIDEOS)
    edit(hospital, "00:00:02")
    hospital.configure(preprocess={"recipes": {"small": {"version": 2, "size_px": 48}}})
    tick = busy_daemon.tick(EDITS)
    assert plans(tick) == {ONE: set(CHAIN), TWO: {"preprocessed_frames", "timeline"}}
    why = busy_daemon.runs(ONE)[0].tags[WHY_TAG]
    assert why == "other videos; label edit; configuration changed: preprocessed_frames"


def test_a_visit_without_video_gets_its_labels_and_keeps_no_table_waiting(
    hospital: TinyHospital, busy_daemon: Daemon
) -> None:
    unrecorded = "44444444-aaaa-4aaa-8aaa-000000000004"
    hospital.items[unrecorded] = {"Start FNA 1": "00:00:00", "Stop FNA 1": "00:00:02"}
    hospital.write_items()
    assert plans(busy_daemon.tick(EDITS)) == {unrecorded: {"labels", "patients"}}
    assert busy_daemon.runs(unrecorded)[0].tags[WHY_TAG] == "new visit"
    busy_daemon.end(busy_daemon.runs(unrecorded)[0], DONE)
    assert "labels_csv" in plans(busy_daemon.tick(EDITS))[None]


def test_a_sheet_out_of_reach_keeps_no_edit_of_an_item_back(
    hospital: TinyHospital, busy_daemon: Daemon
) -> None:
    hospital.write_rows("No,Headers\n1,2\n")
    edit(hospital, "00:00:02")
    assert plans(busy_daemon.tick(EDITS)) == {ONE: {"labels", "patients", "frame_table", "timeline"}}
    assert "sources.patient_rows" in str(busy_daemon.tick(EDITS).skip_message)
    versions = busy_daemon.state().versions(busy_daemon.graph.key("patient_rows"))
    assert set(versions) == {ONE, TWO}
    assert "absent" not in versions.values()


def test_a_source_that_stalls_keeps_no_edit_of_another_back(
    hospital: TinyHospital, busy_daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    def observe(study: StudyConfig, sources: Sources, source: str) -> Observation:
        if source == "patient_rows":
            answered.wait(60)
        return observe_source(study, sources, source)

    monkeypatch.setattr(sensors, "observe", observe)
    monkeypatch.setattr(sensors, "RECORDS_PATIENCE_S", 1.0)
    hasty = Daemon(hospital.study, busy_daemon.instance)
    hospital.write_rows(f"Patient,Cancer type\n{ONE},none\n{ALIAS_TWO},none\n")
    edit(hospital, "00:00:02")
    assert plans(hasty.tick(EDITS)) == {ONE: {"labels", "patients", "frame_table", "timeline"}}
    assert "patient_rows: reading it takes longer" in str(hasty.tick(EDITS).skip_message)
    answered.set()
    assert set(plans(hasty.tick(EDITS))) == {TWO}


def test_a_service_is_looked_at_less_often_than_a_file(
    hospital: TinyHospital, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def observe(study: StudyConfig, sources: Sources, source: str) -> Observation:
        looked.append(source)
        return Observation(source, {}, 0)

    sheet = {"kind": "google_sheet", "spreadsheet_id": "sheet", "range": "Patients"}
    subjects = {"table": "people", "key_variable": "KEY", "poll_s": 600}
    hospital.configure(sources={"patient_rows": sheet, "subjects": subjects})
    monkeypatch.setattr(sensors, "observe", observe)
    monkeypatch.setattr(sensors, "source_mark", lambda *_: None)
    daemon = Daemon(hospital.study, daemon.instance)
    corrections = {"sync_rows", "region_rows"}
    for since_s, also in (
        (200, set()),
        (400, {"patient_rows"}),
        (500, {"patient_rows"}),
        (700, {"patient_rows", "label_items"}),
    ):
        looked_at = {source: time.time() - since_s for source in SOURCES}
        daemon.cursors[EDITS] = json.dumps({"looked_at": looked_at})
        looked.clear()
        daemon.tick(EDITS)
        assert set(looked) == corrections | also
        seen_at = json.loads(daemon.cursors[EDITS] or "")["looked_at"]
        assert {source for source in SOURCES if seen_at[source] > looked_at[source]} == set(looked)
        assert len(looked) == len(set(looked))
