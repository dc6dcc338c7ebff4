"""What is requested first: new visits, then edits, then what a changed configuration asks for."""

from collections.abc import Callable

import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.defs.graph import study_graph
from eus_etl.defs.keys import PRIORITY_TAG
from eus_etl.defs.reconcile.plan import RUNS_A_TICK, Due, Pass, due_plans
from eus_etl.defs.reconcile.staleness import StudyState
from eus_etl_tests.support.daemon import EDITS, VIDEOS, Daemon, asked

NEW = [f"{digit * 8}-aaaa-4aaa-8aaa-000000000003" for digit in "05"]
"""One sorts before the visits that there are, one after them."""


def edit_everything(hospital: TinyHospital, daemon: Daemon) -> None:
    """The configuration changes, an item is edited, and two visits arrive, the one that sorts last first."""
    hospital.configure(quality={"frozen_min_s": 1.1})
    hospital.items[TWO]["Stop Station 2 1"] = "00:00:01"
    hospital.write_items()
    for visit in reversed(NEW):
        hospital.add_video(f"{visit}/a.mp4", first=0)
        daemon.tick(VIDEOS)


def due_of(
    hospital: TinyHospital,
    daemon: Daemon,
    *,
    begun: Pass | None = None,
    waiting: int = 0,
    is_late: Callable[[], bool] = lambda: False,
) -> Due:
    """What a tick requests, by the study's file as it is now."""
    graph = study_graph(hospital.study)
    state = StudyState(daemon.instance, hospital.paths, graph.nodes)
    visits = [ONE, TWO]
    return due_plans(
        graph, state, visits, set(), 0.0, begun=begun or Pass(), waiting=waiting, is_late=is_late
    )


def visits_of(due: Due) -> list[str | None]:
    return [plan.patient for plan in due.plans]


def test_new_visits_come_before_edits_and_these_before_a_threshold(
    hospital: TinyHospital, busy_daemon: Daemon
) -> None:
    edit_everything(hospital, busy_daemon)
    tick = busy_daemon.tick(EDITS)
    assert list(asked(tick)) == [*reversed(NEW), TWO, ONE]
    assert [request.tags[PRIORITY_TAG] for request in tick.run_requests or ()] == ["2", "2", "1", "0"]


def test_a_full_queue_keeps_back_what_a_threshold_asks_for_and_no_edit(
    hospital: TinyHospital, busy_daemon: Daemon
) -> None:
    hospital.configure(quality={"frozen_min_s": 1.1})
    assert visits_of(due_of(hospital, busy_daemon)) == [ONE, TWO]
    assert visits_of(due_of(hospital, busy_daemon, waiting=RUNS_A_TICK - 1)) == [ONE]
    hospital.items[TWO]["Stop Station 2 1"] = "00:00:01"
    hospital.write_items()
    busy_daemon.report(busy_daemon.look(EDITS))
    assert visits_of(due_of(hospital, busy_daemon, waiting=RUNS_A_TICK)) == [TWO]


def test_a_tick_without_time_goes_on_where_the_last_one_ended(
    hospital: TinyHospital, busy_daemon: Daemon
) -> None:
    hospital.configure(quality={"frozen_min_s": 1.1})
    first = due_of(hospital, busy_daemon, is_late=lambda: True)
    assert (visits_of(first), first.rest) == ([ONE], Pass(ONE, found=True))
    second = due_of(hospital, busy_daemon, begun=first.rest, is_late=lambda: True)
    assert (visits_of(second), second.rest) == ([TWO], None)


def test_the_sensor_remembers_how_far_it_has_come(
    hospital: TinyHospital, busy_daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital.configure(quality={"frozen_min_s": 1.1})
    monkeypatch.setattr("eus_etl.defs.triggers.sensors.TICK_S", -1.0)
    monkeypatch.setattr("eus_etl.defs.triggers.sensors.SOURCES", ())  # of no time nothing is left for them
    assert [list(asked(busy_daemon.tick(EDITS))) for _ in range(2)] == [[ONE], [TWO]]


def test_the_tables_wait_for_what_an_earlier_part_of_the_pass_has_found(
    hospital: TinyHospital, busy_daemon: Daemon
) -> None:
    busy_daemon.instance.wipe_assets([busy_daemon.graph.key("labels_csv")])
    assert visits_of(due_of(hospital, busy_daemon)) == [None]
    first = due_of(hospital, busy_daemon, is_late=lambda: True)
    assert (visits_of(first), first.rest) == ([], Pass(ONE))
    assert visits_of(due_of(hospital, busy_daemon, begun=first.rest)) == [None]
    assert visits_of(due_of(hospital, busy_daemon, begun=Pass(ONE, found=True))) == []
