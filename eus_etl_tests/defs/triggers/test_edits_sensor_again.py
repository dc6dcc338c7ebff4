"""What the sensor that plans asks for again: failures, losses, edits taken back, crashes."""

import json
import time
from typing import Any

import pytest

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TinyHospital
from eus_etl.defs.triggers import sensors
from eus_etl.storage.outputs import describe
from eus_etl.storage.provenance import STUDY, write_entry
from eus_etl_tests.support.assets import CHAIN
from eus_etl_tests.support.daemon import (
    DONE,
    EDITS,
    Daemon,
    asked,
    edit,
    fail,
    make,
    plans,
    remember,
)


def test_a_run_that_ends_while_the_sensor_looks_holds_nothing_back_afterwards(
    hospital: TinyHospital, busy_daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(hospital, "00:00:02")
    busy_daemon.tick(EDITS)
    (run, *_), look = busy_daemon.runs(ONE), sensors._look_at_records

    def end_meanwhile(*arguments: Any) -> Any:
        busy_daemon.end(run, DONE)
        return look(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(sensors, "_look_at_records", end_meanwhile)
        assert asked(busy_daemon.tick(EDITS)) == {}  # it was under way when the tick began
    assert set(asked(busy_daemon.tick(EDITS))) == {None}


def test_an_edit_that_comes_while_its_asset_is_made_is_found_afterwards(
    hospital: TinyHospital, busy_daemon: Daemon
) -> None:
    edit(hospital, "00:00:02")
    busy_daemon.tick(EDITS)
    (run, *_), state = busy_daemon.runs(ONE), busy_daemon.state()
    nodes = [busy_daemon.graph.nodes[busy_daemon.graph.key(name)] for name in ("labels", "patients")]
    begun_with = [state.inputs(node, ONE) for node in nodes]
    edit(hospital, "00:00:01")
    assert asked(busy_daemon.tick(EDITS)) == {}  # reported, and the visit is busy
    busy_daemon.end(run, DONE)
    for node, inputs in zip(nodes, begun_with, strict=True):
        make(state, node, ONE, inputs=inputs)  # made last, of the inputs of before
    assert plans(busy_daemon.tick(EDITS)) == {ONE: {"labels", "patients", "frame_table", "timeline"}}


def test_a_failed_edit_is_not_tried_again_with_the_same_inputs(
    hospital: TinyHospital, busy_daemon: Daemon
) -> None:
    for stop in ("00:00:02", "00:00:03"):
        edit(hospital, stop)
        assert ONE in asked(busy_daemon.tick(EDITS))
        busy_daemon.fail(busy_daemon.runs(ONE)[0], "labels", "patients")
        for _ in range(3):
            remember(busy_daemon, EDITS, again_at=0.0)
            assert ONE not in asked(busy_daemon.tick(EDITS))


def test_what_did_not_fail_for_good_is_not_given_up_with_what_did(
    hospital: TinyHospital, busy_daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eus_etl.defs.reconcile.retry.FIRST_WAIT_S", 0.0)
    edit(hospital, "00:00:02")
    busy_daemon.tick(EDITS)
    busy_daemon.fail(busy_daemon.runs(ONE)[0], "labels")
    assert plans(busy_daemon.tick(EDITS))[ONE] == {"labels", "patients", "frame_table", "timeline"}


@pytest.mark.parametrize("permanent", [True, False])
def test_a_clock_that_was_put_back_starts_nothing_over_and_over(
    hospital: TinyHospital, busy_daemon: Daemon, monkeypatch: pytest.MonkeyPatch, permanent: bool
) -> None:
    ahead = time.time() + 300 * 24 * 3600
    with monkeypatch.context() as clock:
        clock.setattr("time.time", lambda: ahead)
        edit(hospital, "00:00:02")
        assert ONE in asked(busy_daemon.tick(EDITS))
        assert json.loads(busy_daemon.cursors[EDITS] or "")["again_at"] > ahead
        fail(busy_daemon, permanent)
    runs = len(busy_daemon.runs(ONE))
    for _ in range(4):
        tick = busy_daemon.tick(EDITS)
        if ONE in asked(tick):
            fail(busy_daemon, permanent)
    # what may pass is tried once more, by the clock of now
    assert len(busy_daemon.runs(ONE)) == runs + (not permanent)


def test_an_earlier_success_is_no_answer_to_what_was_lost_since(
    hospital: TinyHospital, busy_daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Provenance goes as the root does; nothing is reported of it."""
    edit(hospital, "00:00:02")
    busy_daemon.tick(EDITS)
    busy_daemon.finish()
    busy_daemon.tick(EDITS)
    busy_daemon.finish()
    assert asked(busy_daemon.tick(EDITS)) == {}
    for page in (ONE, STUDY):
        hospital.paths.ledger(page).unlink()
    assert busy_daemon.tick(EDITS).skip_message == "nothing has happened"
    hour = time.time() + 3600
    monkeypatch.setattr("time.time", lambda: hour)
    assert plans(busy_daemon.tick(EDITS)) == {ONE: set(CHAIN)}
    busy_daemon.finish()
    assert set(plans(busy_daemon.tick(EDITS))) == {None}


def test_a_lost_output_is_made_again_with_what_follows_it(
    hospital: TinyHospital, busy_daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, key = busy_daemon.state(), busy_daemon.graph.key("labels")
    part = hospital.paths.part("labels", ONE)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"rows")
    entry = state.entry(state.nodes[key], ONE)
    assert entry
    outputs = describe(hospital.paths, [part])
    write_entry(hospital.paths, ONE, "labels", entry.model_copy(update={"outputs": outputs}))
    assert asked(busy_daemon.tick(EDITS)) == {}
    part.unlink()
    hour = time.time() + 3600
    monkeypatch.setattr("time.time", lambda: hour)
    assert plans(busy_daemon.tick(EDITS)) == {ONE: {"labels", "frame_table", "timeline"}}
    reasons = busy_daemon.state().reasons(ONE)
    assert str(reasons[key]) == f"output lost: {hospital.paths.relative(part)}"
    assert [str(reason) for reason in reasons.values()][1:] == 2 * ["inputs changed: labels"]


def test_an_edit_that_is_taken_back_and_made_again_runs_again(
    hospital: TinyHospital, busy_daemon: Daemon
) -> None:
    keys: list[str] = []
    for stop in ("00:00:02", "00:00:01", "00:00:02"):
        edit(hospital, stop)
        keys.append(asked(busy_daemon.tick(EDITS))[ONE])
        busy_daemon.end(busy_daemon.runs(ONE)[0], DONE)
    versions = [key.split(":")[1] for key in keys]
    assert versions[0] == versions[2] != versions[1]
    assert len(set(keys)) == 3


def test_a_tick_of_edits_that_dies_asks_for_the_same_runs_again(
    hospital: TinyHospital, busy_daemon: Daemon
) -> None:
    hospital.write_rows(f"Patient,Cancer type\n{ONE},other\n{ALIAS_TWO},other\n")
    first = busy_daemon.look(EDITS)
    busy_daemon.report(first)
    second = busy_daemon.look(EDITS)
    assert asked(second) == asked(first) != {}
    busy_daemon.start(second)
    assert asked(busy_daemon.look(EDITS)) == {}
