"""What a command reads of the sources: those that may have changed since it last read them, and no others."""

import json
import os
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TWO, TinyHospital
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.sources.videos.base import Listing, WaitingFile
from eus_etl.steps.observation import all_sources
from eus_etl.steps.observation.all_sources import observe_all
from eus_etl.steps.observation.connect import Sources, connect
from eus_etl.steps.observation.marks import LOOK_AGAIN_S
from eus_etl.steps.observation.observe import observe
from eus_etl.steps.observation.snapshot import (
    DRIVE_VIDEOS,
    LABEL_ITEMS,
    PATIENT_ROWS,
    REGION_ROWS,
    SOURCES,
    SYNC_ROWS,
)
from eus_etl.steps.observation.stored import Observation
from eus_etl.storage.files import stable_read
from eus_etl.storage.tombstones import lift_tombstone, set_tombstone
from eus_etl_tests.support.hospitals.observed_study import Looking, file

EVERY_SOURCE = set(SOURCES)
DAY = date(2026, 1, 2)


class Command:
    """Commands that observe all sources, one after the other."""

    def __init__(self, hospital: TinyHospital) -> None:
        self.hospital = hospital
        self.read: set[str] = set()
        self.ahead_s = 0.0

    @property
    def paths(self) -> StudyPaths:
        return self.hospital.paths

    def look(self, *, in_full: bool = False) -> dict[str, Observation]:
        """Observe everything; ``read`` is what was read for it."""
        self.read.clear()
        study = self.hospital.study
        seen, failed = observe_all(study, connect(study), in_full=in_full)
        assert failed == []
        return {observation.source: observation for observation in seen}


@pytest.fixture
def command(made_hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch) -> Command:
    """A command that has read everything."""
    command = Command(made_hospital)

    def observing(study: StudyConfig, sources: Sources, source: str) -> Observation:
        command.read.add(source)
        return observe(study, sources, source)

    monkeypatch.setattr(all_sources, "observe", observing)
    monkeypatch.setattr(stable_read, "QUIET_S", 0.0)
    begun = time.time()
    monkeypatch.setattr("eus_etl.steps.observation.all_sources.time.time", lambda: begun + command.ahead_s)
    command.look()
    command.look()  # the first has changed what is stored, and the memory of checksums
    return command


def test_while_nothing_changes_nothing_is_read_and_the_same_is_seen(command: Command) -> None:
    before = command.look(in_full=True)
    assert command.read == EVERY_SOURCE
    assert command.look() == before
    assert command.read == set()


CHANGES: dict[str, tuple[Callable[[Command], object], set[str]]] = {
    "a label": (lambda command: edit(command.hospital, "Stop Station 1 1", "00:00:02"), {LABEL_ITEMS}),
    "a row": (
        lambda command: command.hospital.write_rows(f"Patient,Cancer type\n{ONE},none\n"),
        {PATIENT_ROWS},
    ),
    "a correction": (
        lambda command: command.paths.sync_csv.write_text(
            f"patient_id,video_id,offset_s,scale,method,by\n{ONE},,0.2,1,clock,xx\n"
        ),
        {SYNC_ROWS},
    ),
    "a region": (
        lambda command: command.paths.regions_csv.write_text("patient_id,video_id,polygon\n"),
        {REGION_ROWS},
    ),
    "a video": (lambda command: command.hospital.add_video(f"{ONE}/more.mp4", first=50), {DRIVE_VIDEOS}),
    "an alias": (lambda command: edit(command.hospital, "pseudo_name", "Another-Alias-1"), EVERY_SOURCE),
    "the configuration": (
        lambda command: command.hospital.configure(quality={"frozen_min_s": 1.1}),
        EVERY_SOURCE,
    ),
    "a visit that is forgotten": (lambda command: set_tombstone(command.paths, TWO, DAY), EVERY_SOURCE),
    "time": (lambda command: setattr(command, "ahead_s", LOOK_AGAIN_S + 1), EVERY_SOURCE),
    "a clock that is set back": (lambda command: setattr(command, "ahead_s", -5.0), EVERY_SOURCE),
}


def edit(hospital: TinyHospital, name: str, value: str) -> None:
    """Another value of one attribute."""
    hospital.items[ONE] = {**hospital.items[ONE], name: value}
    hospital.write_items()


@pytest.mark.parametrize("change", CHANGES)
def test_what_may_have_changed_is_read_and_seen_as_a_full_look_sees_it(command: Command, change: str) -> None:
    happen, sources = CHANGES[change]
    happen(command)
    seen = command.look()
    assert command.read == sources
    assert seen == command.look(in_full=True)


@pytest.mark.parametrize("source", sorted(EVERY_SOURCE))
def test_what_was_stored_and_is_lost_is_read_again(command: Command, source: str) -> None:
    for stored in command.paths.observed(source).iterdir():
        stored.unlink()
    seen = command.look()
    assert source in command.read
    assert seen == command.look(in_full=True)


def test_what_somebody_else_has_stored_since_does_not_pass_for_what_is_there(command: Command) -> None:
    items = command.hospital.folder / "incoming" / "items.json"
    aside, before = items.with_suffix(".old"), command.look()
    os.link(items, aside)
    text = items.read_text().replace("00:00:02", "00:00:03")
    items.unlink()
    items.write_text(text)
    study = command.hospital.study
    observe(study, connect(study), LABEL_ITEMS)  # as a sensor does
    aside.replace(items)  # the same file again: only its time of change tells
    assert command.look() == before


def test_a_visit_that_comes_back_is_seen_at_once(command: Command) -> None:
    before = command.look()
    set_tombstone(command.paths, TWO, DAY, alias=ALIAS_TWO)
    assert TWO not in command.look()[LABEL_ITEMS].versions
    assert lift_tombstone(command.paths, TWO)
    assert command.look() == before


@pytest.mark.parametrize("text", ["", "{}", '{"label_items": 1}'])
def test_a_damaged_memory_of_what_was_read_costs_a_look(command: Command, text: str) -> None:
    before = command.look()
    (memory(command)).write_text(text)
    assert command.look() == before
    assert command.read == EVERY_SOURCE


def test_what_is_remembered_holds_nothing_that_a_source_said(command: Command) -> None:
    text = memory(command).read_text()
    assert set(json.loads(text)["value"]) == EVERY_SOURCE
    for said in (ONE, TWO, ALIAS_TWO, "first.mp4"):
        assert said not in text


def test_what_waits_is_told_of_each_time(looking: Looking) -> None:
    waiting = WaitingFile("f1", (ONE, "a.mp4"), "still_uploading")
    looking.outside.listing = Listing((file("f2", ONE, "b"),), (waiting,))
    for _ in range(3):
        seen, _ = observe_all(looking.study, looking.outside.sources())
        told = {observation.source: observation.waits for observation in seen}
        assert told[DRIVE_VIDEOS] == {"still_uploading": 1}


def memory(command: Command) -> Path:
    """Where it is remembered."""
    return command.paths.inventory / "last_read.json"
