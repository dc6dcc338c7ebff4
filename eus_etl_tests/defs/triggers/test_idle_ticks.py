"""What ticks read while nothing happens: no source; and that they miss nothing because of it."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.defs.triggers import sensors
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.connect import Sources
from eus_etl.steps.observation.marks import LOOK_AGAIN_S
from eus_etl.steps.observation.observe import observe as observe_source
from eus_etl.steps.observation.snapshot import DRIVE_VIDEOS, LABEL_ITEMS, PATIENT_ROWS, REGION_ROWS, SYNC_ROWS
from eus_etl.steps.observation.stored import Observation
from eus_etl.storage.files import stable_read
from eus_etl_tests.support.daemon import EDITS, VIDEOS, Daemon, edit, upload

EVERY_SOURCE = {DRIVE_VIDEOS, LABEL_ITEMS, PATIENT_ROWS, SYNC_ROWS, REGION_ROWS}


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the sources that ticks have read."""
    read: list[str] = []

    def observe(study: StudyConfig, sources: Sources, source: str) -> Observation:
        read.append(source)
        return observe_source(study, sources, source)

    monkeypatch.setattr(sensors, "observe", observe)
    monkeypatch.setattr(stable_read, "QUIET_S", 0.0)
    return read


@pytest.fixture
def idle(busy_daemon: Daemon, read: list[str]) -> Daemon:
    """A daemon whose sensors have read all there is."""
    for _ in range(2):
        tick_both(busy_daemon)
    read.clear()
    return busy_daemon


def tick_both(daemon: Daemon) -> None:
    for sensor in (VIDEOS, EDITS):
        daemon.tick(sensor)


def write(table: Path, text: str) -> None:
    """A table of corrections."""
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(text)


CHANGES: dict[str, tuple[Callable[[TinyHospital], object], set[str]]] = {
    "a label": (lambda hospital: edit(hospital, "00:00:02"), {LABEL_ITEMS}),
    "a row": (lambda hospital: hospital.write_rows(f"Patient,Cancer type\n{ONE},none\n"), {PATIENT_ROWS}),
    "a correction": (
        lambda hospital: write(
            StudyPaths(hospital.study.root).sync_csv,
            f"patient_id,video_id,offset_s,scale,method,by\n{ONE},,0.2,1,clock,xx\n",
        ),
        {SYNC_ROWS},
    ),
    "a region": (
        lambda hospital: write(StudyPaths(hospital.study.root).regions_csv, "patient_id,video_id,polygon\n"),
        {REGION_ROWS},
    ),
    "a video": (lambda hospital: upload(hospital, f"{ONE}/another.mp4", b"a"), {DRIVE_VIDEOS}),
    "the configuration": (lambda hospital: hospital.configure(quality={"frozen_min_s": 1.1}), EVERY_SOURCE),
}


def test_while_nothing_happens_no_source_is_read(idle: Daemon, read: list[str]) -> None:
    tick_both(idle)
    assert read == []


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_is_read_once(
    idle: Daemon, read: list[str], hospital: TinyHospital, change: str
) -> None:
    happen, sources = CHANGES[change]
    happen(hospital)
    tick_both(idle)
    tick_both(idle)  # the memory of checksums changed in the first
    assert set(read) == sources
    read.clear()
    tick_both(idle)
    assert read == []


@pytest.mark.parametrize("source", sorted(EVERY_SOURCE))
def test_what_was_stored_and_is_lost_is_read_again(
    idle: Daemon, read: list[str], hospital: TinyHospital, source: str
) -> None:
    (StudyPaths(hospital.study.root).observed(source) / "versions.json").unlink()
    tick_both(idle)
    assert source in read


def test_another_alias_has_rows_and_files_assigned_anew(
    idle: Daemon, read: list[str], hospital: TinyHospital
) -> None:
    hospital.items[TWO] = {**hospital.items[TWO], "pseudo_name": "Another-Alias-1"}
    hospital.write_items()
    idle.tick(EDITS)
    idle.tick(VIDEOS)
    assert set(read) == EVERY_SOURCE


def test_a_first_video_has_rows_assigned_anew(idle: Daemon, read: list[str], hospital: TinyHospital) -> None:
    upload(hospital, "44444444-aaaa-4aaa-8aaa-000000000001/first.mp4", b"f")
    tick_both(idle)
    assert set(read) == {DRIVE_VIDEOS, PATIENT_ROWS, SYNC_ROWS, REGION_ROWS}


def test_all_is_read_now_and_then_even_if_nothing_seems_to_change(idle: Daemon, read: list[str]) -> None:
    for sensor, cursor in idle.cursors.items():
        known = json.loads(cursor or "")
        known["looked_at"] = dict.fromkeys(known["looked_at"], time.time() - LOOK_AGAIN_S)
        idle.cursors[sensor] = json.dumps(known)
    tick_both(idle)
    assert set(read) == EVERY_SOURCE
