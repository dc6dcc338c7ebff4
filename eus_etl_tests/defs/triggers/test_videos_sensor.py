"""The sensor that observes videos: ticks evaluated as the daemon does, with crashes between their effects."""

import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.defs.reconcile.plan import RUNS_A_TICK
from eus_etl_tests.support.assets import CHAIN
from eus_etl_tests.support.daemon import (
    DONE,
    EDITS,
    LOST,
    VIDEOS,
    Daemon,
    asked,
    event_of,
    make,
    plans,
    remember,
    upload,
)


def test_new_videos_are_reported_by_one_sensor_and_planned_by_the_other(daemon: Daemon) -> None:
    tick = daemon.tick(VIDEOS)
    assert asked(tick) == {}
    assert [event.partition for event in tick.asset_events] == [ONE]  # the other's alias is not known yet
    assert daemon.instance.get_dynamic_partitions("eusml_patients") == [ONE]
    assert plans(daemon.tick(EDITS)) == {ONE: set(CHAIN), TWO: {"labels", "patients"}}
    assert [event.partition for event in daemon.tick(VIDEOS).asset_events] == [TWO]
    assert asked(daemon.tick(EDITS)) == {}  # its labels are under way
    daemon.end(daemon.runs(TWO)[0], DONE)
    assert plans(daemon.tick(EDITS)) == {TWO: set(CHAIN) - {"labels", "patients"}}


def test_a_tick_of_videos_that_dies_loses_nothing(daemon: Daemon) -> None:
    first = daemon.look(VIDEOS)
    assert list(first.asset_events)
    assert list(daemon.look(VIDEOS).asset_events) == list(first.asset_events)
    daemon.report(first)  # and no cursor
    assert list(daemon.look(VIDEOS).asset_events) == []
    assert ONE in asked(daemon.tick(EDITS))


def test_a_tick_that_dies_before_its_runs_asks_for_the_same_runs_again(daemon: Daemon) -> None:
    daemon.tick(VIDEOS)
    first = daemon.look(EDITS)
    daemon.report(first)  # and no run, no cursor
    second = daemon.look(EDITS)
    assert asked(second) == asked(first) != {}
    assert list(second.asset_events) == []


def test_a_tick_that_dies_before_its_cursor_starts_nothing_twice(daemon: Daemon) -> None:
    daemon.tick(VIDEOS)
    first = daemon.look(EDITS)
    daemon.report(first)
    assert len(daemon.start(first)) == 2
    assert asked(daemon.look(EDITS)) == {}
    assert daemon.start(first) == []  # the daemon resumes a tick that it has written down


def test_one_version_is_asked_for_once(daemon: Daemon) -> None:
    daemon.tick(VIDEOS)
    daemon.tick(EDITS)
    for _ in range(3):
        assert list(daemon.tick(VIDEOS).asset_events) in ([], [event_of(daemon, TWO)])
        assert asked(daemon.tick(EDITS)) == {}
    daemon.finish()
    assert ONE not in asked(daemon.tick(EDITS))
    assert len(daemon.runs(ONE)) == 1


def test_a_failed_version_waits_for_other_files_and_runs_again_when_they_return(
    hospital: TinyHospital, daemon: Daemon
) -> None:
    keys = []
    for content in (b"one", b"two and more", b"one"):
        upload(hospital, f"{ONE}/first.mp4", content)
        daemon.tick(VIDEOS)
        keys.append(asked(daemon.tick(EDITS))[ONE])
        assert ONE not in asked(daemon.tick(EDITS))
        daemon.fail(daemon.runs(ONE)[0], *CHAIN)
        daemon.tick(VIDEOS)
        assert ONE not in asked(daemon.tick(EDITS))
    assert len(set(keys)) == 3
    targets = [key.split(":")[1] for key in keys]
    assert targets[0] == targets[2] != targets[1]


def test_a_visit_that_changes_while_it_is_made_is_asked_for_again(
    hospital: TinyHospital, daemon: Daemon
) -> None:
    daemon.tick(VIDEOS)
    daemon.tick(EDITS)
    (run,), state = daemon.runs(ONE), daemon.state()
    begun_with = state.inputs(daemon.graph.nodes[daemon.graph.key("raw_videos")], ONE)
    upload(hospital, f"{ONE}/second.mp4", b"late")
    daemon.tick(VIDEOS)
    assert asked(daemon.tick(EDITS)) == {}
    daemon.end(run, DONE)
    make(daemon.state(), daemon.graph.nodes[daemon.graph.key("raw_videos")], ONE, inputs=begun_with)
    assert plans(daemon.tick(EDITS))[ONE] == set(CHAIN) - {"labels", "patients"}
    assert asked(daemon.tick(EDITS)) == {}  # the second one is under way


def test_many_visits_are_started_some_a_tick(
    hospital: TinyHospital, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert RUNS_A_TICK == 20
    monkeypatch.setattr("eus_etl.defs.reconcile.plan.RUNS_A_TICK", 4)
    names = {f"55555555-aaaa-4aaa-8aaa-{number:012d}" for number in range(6)}
    for name in names:
        upload(hospital, f"{name}/a.mp4", name.encode())
    assert len(list(daemon.tick(VIDEOS).asset_events)) == 7
    ticks = [daemon.tick(EDITS) for _ in range(3)]
    assert [len(asked(tick)) for tick in ticks] == [4, 4, 0]
    assert {*asked(ticks[0]), *asked(ticks[1])} == names | {ONE, TWO}
    assert len(daemon.runs()) == 8


def test_many_changes_are_reported_some_a_tick(
    hospital: TinyHospital, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eus_etl.defs.triggers.sensors.EVENTS_A_TICK", 4)
    for number in range(6):
        upload(hospital, f"55555555-aaaa-4aaa-8aaa-{number:012d}/a.mp4", bytes([number]))
    assert [len(list(daemon.tick(VIDEOS).asset_events)) for _ in range(3)] == [4, 3, 0]


def test_a_folder_out_of_reach_skips_with_its_reason_and_keeps_the_cursor(
    hospital: TinyHospital, daemon: Daemon
) -> None:
    before = daemon.tick(VIDEOS).cursor
    aside = hospital.videos.rename(hospital.videos.with_name("aside"))
    tick = daemon.tick(VIDEOS)
    assert tick.cursor == before
    assert tick.skip_message
    assert list(tick.asset_events) == []
    aside.rename(hospital.videos)
    assert list(daemon.tick(VIDEOS).asset_events) == []


def test_what_failed_for_a_while_is_asked_for_again_later(
    hospital: TinyHospital, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.tick(VIDEOS)
    first = asked(daemon.tick(EDITS))
    daemon.end(daemon.runs(ONE)[0], LOST)
    daemon.finish()
    daemon.tick(EDITS)
    assert ONE not in asked(daemon.tick(EDITS))
    assert daemon.tick(EDITS).skip_message == "nothing has happened"
    monkeypatch.setattr("eus_etl.defs.reconcile.retry.FIRST_WAIT_S", 0.0)
    assert daemon.tick(EDITS).skip_message == "nothing has happened"
    remember(daemon, EDITS, again_at=0.0)
    tick = daemon.tick(EDITS)  # the wait is over, although nothing has happened
    assert plans(tick)[ONE] == set(CHAIN)
    assert asked(tick)[ONE].split(":")[1] == first[ONE].split(":")[1]
