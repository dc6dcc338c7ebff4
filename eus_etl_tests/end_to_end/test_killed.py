"""Whatever is killed with -9 while a real daemon works: nothing is lost or held, and all of it is made."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml

from benchmarks.support.hospitals.services import CODE, DAEMON, PAGE, Services, wait_until
from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.defs.event_store.clean_up import clean_up
from eus_etl.defs.instance import open_instance
from eus_etl.defs.keys import DECODING
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.reconcile.run_health import UNDER_WAY
from eus_etl.settings import shipped
from eus_etl_tests.support.hospitals.history import all_read

pytestmark = pytest.mark.slow

PATIENCE_S = 1800.0
NOTICED_S = 10.0
"""In these tests a dead process is noticed after so many seconds."""

KILLS = 50
AT_ONCE = 8
KILLED_EARLY = (10, 20)
"""So many kills later one is killed that has a process but has not started yet."""

STARTING, STARTED = dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED
FRAMES_KEPT = 10
"""Of a video of two seconds."""


def test_each_service_is_killed_while_it_works_and_nothing_is_lost(tmp_path: Path) -> None:
    hospital = TinyHospital(tmp_path)
    services = Services(hospital, hurry_s=NOTICED_S)
    with open_instance(hospital.home) as instance, services.running():
        for number, (name, alone) in enumerate(
            [(CODE, False), (DAEMON, False), (PAGE, False), (CODE, True)], start=1
        ):
            if number > 1:
                hospital.add_video(f"{ONE}/upload{number}.mp4", first=200 * number)
            wait_until("a run works", lambda: bool(at_work(instance)), PATIENCE_S, services)
            services.kill(name, alone=alone)
            services.start(name)
            wait_until("all is made", lambda: is_settled(hospital, instance), PATIENCE_S, services)
            wait_until("all services answer", lambda: not services.are_silent(), PATIENCE_S, services)
            assert frames_of(hospital, ONE) == FRAMES_KEPT * number
            assert frames_of(hospital, TWO) == FRAMES_KEPT
        nothing_is_held(instance)

        # a clean-up while all of them work: nothing is asked for afterwards; the last tick of each stays
        before = read_from_page(hospital, instance)
        now = time.time()
        done = clean_up(instance, now)
        assert done.runs > 0
        for of in sensors(instance):
            assert sum(tick.timestamp < now for tick in instance.get_ticks(*of)) <= 1
        time.sleep(15)
        assert len(instance.get_runs()) == done.kept
        assert read_from_page(hospital, instance) == before
        hospital.add_video(f"{TWO}/after.mp4", first=2000)
        wait_until("the next upload is taken", lambda: frames_of(hospital, TWO) > FRAMES_KEPT, 300, services)


def test_after_fifty_killed_runs_no_place_is_held_and_every_visit_is_made(tmp_path: Path) -> None:
    hospital = TinyHospital(tmp_path)
    visits = [
        ONE,
        TWO,
        *(f"33333333-aaaa-4aaa-8aaa-0000000000{number:02}" for number in range(3, AT_ONCE + 1)),
    ]
    for visit in visits[2:]:
        hospital.items[visit] = {"pseudo_name": f"Alias-{visit[-2:]}"}
        hospital.add_video(f"{visit}/first.mp4", first=40 * int(visit[-2:]))
    hospital.write_items()
    hospital.home.mkdir()
    settings = yaml.safe_load(shipped("dagster.yaml").read_text(encoding="utf-8"))
    settings["concurrency"]["runs"]["max_concurrent_runs"] = AT_ONCE + 1
    settings["run_monitoring"]["start_timeout_seconds"] = 120
    (hospital.home / "dagster.yaml").write_text(yaml.safe_dump(settings))
    services = Services(hospital, hurry_s=NOTICED_S)
    with open_instance(hospital.home) as instance:
        instance.event_log_storage.set_concurrency_slots(DECODING, AT_ONCE)
        with services.running():
            killed: set[str] = set()
            deadline = time.monotonic() + PATIENCE_S
            while len(killed) < KILLS:
                assert time.monotonic() < deadline, f"{len(killed)} were killed\n{services.log()}"
                if not instance.get_runs_count(dg.RunsFilter(statuses=list(UNDER_WAY))):
                    for visit in visits:  # whatever was made before it could be killed is made again
                        stop = f"00:00:0{1 + len(killed) % 2}"
                        hospital.items[visit] |= {"Start Station 1 1": "00:00:00", "Stop Station 1 1": stop}
                    hospital.write_items()
                begun = STARTING if len(killed) in KILLED_EARLY else STARTED
                for run_id, pid in at_work(instance, begun).items():
                    if run_id not in killed and pid > 1:
                        with suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
                            killed.add(run_id)
            instance.event_log_storage.set_concurrency_slots(DECODING, 1)  # one held place would block all
            wait_until("all is made", lambda: is_settled(hospital, instance), PATIENCE_S, services)
        nothing_is_held(instance)
        ended = {run.run_id: run.status for run in instance.get_runs()}
        assert {ended[run_id] for run_id in killed} == {dg.DagsterRunStatus.FAILURE}
        assert set(instance.get_dynamic_partitions("eusml_patients")) == set(visits)
        for visit in visits:
            assert frames_of(hospital, visit) == FRAMES_KEPT


def at_work(instance: dg.DagsterInstance, status: dg.DagsterRunStatus = STARTED) -> dict[str, int]:
    """Runs of this status that have a process, to that process."""
    found = {}
    for run in instance.get_runs(dg.RunsFilter(statuses=[status])):
        events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        pids = [
            event.dagster_event.engine_event_data.metadata["pid"].value
            for event in events
            if event.dagster_event and "pid" in event.dagster_event.engine_event_data.metadata
        ]
        if pids:
            found[run.run_id] = int(str(pids[-1]))
    return found


def is_settled(hospital: TinyHospital, instance: dg.DagsterInstance) -> bool:
    """Whether everything is made of what is there now, and no run is under way."""
    if instance.get_runs(dg.RunsFilter(statuses=list(UNDER_WAY)), limit=1):
        return False
    session = StudySession(hospital.study, instance)
    patients = session.patients()
    uploads = {file.parent.name for file in hospital.videos.rglob("*.mp4")}
    return len(patients) == len(uploads) and not any(map(session.plan, [*patients, None]))


def read_from_page(hospital: TinyHospital, instance: dg.DagsterInstance) -> object:
    """What the page and ``eus-etl status`` show."""
    found = all_read(hospital, instance, time.time())
    return found.status, found.shown, found.counted, found.told


def sensors(instance: dg.DagsterInstance) -> list[tuple[str, str]]:
    """What ticks are asked for by, of each sensor and schedule."""
    return [(state.instigator_origin_id, state.selector_id) for state in instance.all_instigator_state()]


def frames_of(hospital: TinyHospital, visit: str) -> int:
    """How many frames the dataset holds of a visit; each only once."""
    # read at once: it may be replaced meanwhile, and polars opens a file twice
    content = hospital.paths.table("dataset").with_suffix(".parquet").read_bytes()
    table = pl.read_parquet(content).filter(patient_id=visit)
    assert table["frame_id"].n_unique() == table.height
    return table.height


def nothing_is_held(instance: dg.DagsterInstance) -> None:
    """No place of the pool, and none in the queue, belongs to a run that is over."""
    storage = instance.event_log_storage
    places = storage.get_concurrency_info(DECODING)
    assert storage.get_concurrency_run_ids() == set()
    assert (places.claimed_slots, places.pending_steps) == ([], [])
    assert instance.get_runs(dg.RunsFilter(statuses=list(UNDER_WAY))) == []
