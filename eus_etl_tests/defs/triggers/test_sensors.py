"""The sensors' ticks, evaluated as the daemon evaluates them, with crashes between their effects."""

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.execution.plan.objects import StepFailureData, UserFailureData

from benchmarks.support.hospitals.real_hospital import drive_source
from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, LONG_AGO, ONE, TWO, TinyHospital
from benchmarks.support.servers.drive_client import HASTE
from benchmarks.support.servers.drive_files import Drive
from benchmarks.support.servers.drive_server import DriveServer, serve
from benchmarks.support.servers.drive_tokens import TokenOffice
from eus_etl.defs.graph import study_graph
from eus_etl.defs.instance import open_instance
from eus_etl.defs.keys import DATA_VERSION_TAG, PARTITION_TAG, WHY_TAG
from eus_etl.defs.reconcile.plan import RUNS_A_TICK
from eus_etl.defs.reconcile.retry import PERMANENT
from eus_etl.defs.reconcile.staleness import Node, StudyState
from eus_etl.defs.study import build_study_definitions
from eus_etl.defs.triggers import sensors
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.connect import Sources
from eus_etl.steps.observation.observe import Observation
from eus_etl.steps.observation.observe import observe as observe_source
from eus_etl.steps.observation.snapshot import SOURCES
from eus_etl.steps.result import version_of
from eus_etl.storage.outputs import describe
from eus_etl.storage.provenance import STUDY, Entry, write_entry
from eus_etl_tests.support.assets import CHAIN

VIDEOS, EDITS, VISIT_JOB = "eusml_videos", "eusml_edits", "eusml_visit"
RUN_KEY_TAG = "dagster/run_key"
STARTED, DONE = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS
LOST = dg.DagsterRunStatus.FAILURE
"""The run's process died, or something failed that may pass."""


class Daemon:
    """Does in one process, one after another, what a daemon does with the sensors of a study."""

    def __init__(self, study: StudyConfig, instance: dg.DagsterInstance, file: Path | None = None) -> None:
        self.instance = instance
        self.cursors: dict[str, str | None] = {}
        self.graph = study_graph(study)
        self.repository = build_study_definitions(study, file).get_repository_def()

    def look(self, sensor: str) -> SensorExecutionData:
        """Evaluate a tick; nothing of it takes effect."""
        context = dg.build_sensor_context(
            self.instance,
            self.cursors.get(sensor),
            repository_def=self.repository,
            sensor_name=sensor,
            instance_ref=self.instance.get_ref(),  # by it Dagster finds partitions, also those of this tick
        )
        return self.repository.get_sensor_def(sensor).evaluate_tick(context)

    def report(self, tick: SensorExecutionData) -> None:
        """The effects of a tick that come before its runs."""
        for event in tick.asset_events:
            assert isinstance(event, dg.AssetMaterialization)
            self.instance.report_runless_asset_event(event)
        for added in tick.dynamic_partitions_requests or []:
            assert isinstance(added, dg.AddDynamicPartitionsRequest)
            self.instance.add_dynamic_partitions(added.partitions_def_name, list(added.partition_keys))

    def start(self, tick: SensorExecutionData) -> list[dg.DagsterRun]:
        """Start the runs of a tick; a run key that there was before starts nothing."""
        started = []
        for request in tick.run_requests or []:
            key = {RUN_KEY_TAG: str(request.run_key)}
            if self.instance.get_runs(dg.RunsFilter(tags=key), limit=1):
                continue
            selection = set(request.asset_selection) if request.asset_selection else None
            run = dg.DagsterRun(
                job_name=VISIT_JOB, status=STARTED, tags={**request.tags, **key}, asset_selection=selection
            )
            started.append(self.instance.add_run(run))
        return started

    def tick(self, sensor: str) -> SensorExecutionData:
        """A whole tick."""
        tick = self.look(sensor)
        self.report(tick)
        self.start(tick)
        self.cursors[sensor] = tick.cursor
        return tick

    def runs(self, patient: str | None = None) -> Sequence[dg.DagsterRun]:
        """Runs of a visit, or all; the newest first."""
        return self.instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: patient} if patient else {}))

    def end(self, run: dg.DagsterRun, status: dg.DagsterRunStatus) -> None:
        """Let a run be lost, or succeed and make what it was to make."""
        if status is LOST:
            self.instance.report_run_failed(run)
            return
        state = self.state()
        patient = run.tags.get(PARTITION_TAG)
        chosen = run.asset_selection or {self.graph.key(name) for name in CHAIN}
        for node in state.nodes.values():
            if node.key in chosen:
                make(state, node, patient, run_id=run.run_id)
        self.instance.report_dagster_event(
            dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run.run_id
        )

    def finish(self) -> None:
        """Let all runs under way succeed."""
        for run in self.instance.get_runs(dg.RunsFilter(statuses=[STARTED])):
            self.end(run, DONE)

    def fail(self, run: dg.DagsterRun, *assets: str) -> None:
        """Let these assets of a run fail for good."""
        for asset in assets:
            said = UserFailureData(  # type: ignore[no-untyped-call]  # Dagster's
                "intentional-failure", "it is wrong", {PERMANENT: dg.MetadataValue.bool(True)}
            )
            failed = StepFailureData(error=None, user_failure_data=said)  # type: ignore[no-untyped-call]  # Dagster's
            failure = dg.DagsterEvent(
                dg.DagsterEventType.STEP_FAILURE.value,
                run.job_name,
                step_key=f"eusml__{asset}",
                event_specific_data=failed,
            )
            self.instance.report_dagster_event(failure, run.run_id)
        self.instance.report_run_failed(run)

    def state(self) -> StudyState:
        """What is known now."""
        return StudyState(self.instance, StudyPaths(self.graph.study.root), self.graph.nodes)

    def make_everything(self) -> None:
        """Observe, and make all assets of all visits, as their runs would have recorded it."""
        for sensor in (EDITS, VIDEOS):
            self.report(self.look(sensor))
        state = self.state()
        for node in state.nodes.values():
            if not node.observed:
                for patient in (ONE, TWO) if node.per_patient else (None,):
                    make(state, node, patient)


def make(
    state: StudyState,
    node: Node,
    patient: str | None,
    *,
    inputs: dict[str, str | None] | None = None,
    run_id: str = "",
) -> None:
    """Record that an asset was made, of its inputs as they are now or of the given ones."""
    inputs = inputs or state.inputs(node, patient)
    entry = Entry(
        inputs=inputs,
        configuration=str(node.code_version),
        version=version_of(inputs, node.code_version),
        made_by=run_id,
        settled_by=run_id,
        checks={},
        outputs={},
    )
    write_entry(state.paths, patient or STUDY, node.name, entry)
    state.instance.report_runless_asset_event(
        dg.AssetMaterialization(node.key, partition=patient, tags={DATA_VERSION_TAG: entry.version})
    )
    state.refresh(patient)


def asked(tick: SensorExecutionData) -> dict[str | None, str]:
    """Visits that a tick asks for, to their run keys."""
    requests = tick.run_requests or []
    found = {request.partition_key: str(request.run_key) for request in requests}
    assert len(found) == len(requests)
    return found


def plans(tick: SensorExecutionData) -> dict[str | None, set[str]]:
    """Visits that a tick asks for, to the assets that it asks for."""
    return {
        request.partition_key: {key.path[-1] for key in request.asset_selection or ()}
        for request in tick.run_requests or []
    }


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eus_etl.sources.videos.google_drive.source.Pace", lambda: HASTE)


@pytest.fixture(scope="module")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of an instance that knows nothing yet: making one takes longer than most of these tests."""
    home = tmp_path_factory.mktemp("new_home")
    with open_instance(home):
        return home


@pytest.fixture
def hospital(tmp_path: Path, new_home: Path) -> TinyHospital:
    """Two visits in a local folder, and a new instance."""
    made = TinyHospital(tmp_path)
    shutil.copytree(new_home, made.home)
    return made


@pytest.fixture
def daemon(hospital: TinyHospital) -> Iterator[Daemon]:
    """A daemon that has done nothing yet."""
    with open_instance(hospital.home) as instance:
        yield Daemon(hospital.study, instance)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str | None]]:
    """The folder of a hospital whose study is all made, and the cursors of sensors that have seen so."""
    hospital = TinyHospital(tmp_path_factory.mktemp("settled"))
    with open_instance(hospital.home) as instance:
        daemon = Daemon(hospital.study, instance)
        daemon.make_everything()
        for sensor in (VIDEOS, EDITS):
            assert asked(daemon.tick(sensor)) == {}
        return hospital.folder, daemon.cursors


@pytest.fixture
def busy_daemon(settled: tuple[Path, dict[str, str | None]], hospital: TinyHospital) -> Iterator[Daemon]:
    """A daemon whose study is all made and whose sensors have seen so."""
    folder, cursors = settled
    shutil.copytree(folder, hospital.folder, dirs_exist_ok=True)
    with open_instance(hospital.home) as instance:
        daemon = Daemon(hospital.study, instance, hospital.config)
        daemon.cursors.update(cursors)
        yield daemon


def upload(hospital: TinyHospital, name: str, content: bytes) -> None:
    """A file, as if uploaded long ago; sensors do not look into files."""
    path = hospital.videos / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (LONG_AGO, LONG_AGO))


def edit(hospital: TinyHospital, stop: str) -> None:
    """Let the first visit's station end at another time."""
    hospital.items[ONE]["Stop Station 1 1"] = stop
    hospital.write_items()


# --- videos ---


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


def event_of(daemon: Daemon, patient: str) -> dg.AssetMaterialization:
    """The last report of a visit's videos."""
    asked_for = dg.AssetRecordsFilter(daemon.graph.key("drive_videos"), asset_partitions=[patient])
    (record,) = daemon.instance.fetch_materializations(asked_for, limit=1).records
    assert record.asset_materialization is not None
    return record.asset_materialization


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


def remember(daemon: Daemon, sensor: str, **changes: object) -> None:
    """Change a sensor's cursor."""
    daemon.cursors[sensor] = json.dumps(json.loads(daemon.cursors[sensor] or "") | changes)


# --- videos on a drive ---


@pytest.fixture
def server() -> Iterator[DriveServer]:
    """A drive that the study's folder lies on."""
    with serve(Drive(), tokens=TokenOffice()) as running:
        running.drive.folder("study")
        yield running


@pytest.fixture
def drive_daemon(hospital: TinyHospital, server: DriveServer) -> Iterator[Daemon]:
    """A daemon of a study on a drive of some visits."""
    hospital.configure(sources={"videos": drive_source(server, hospital.folder)})
    for number, visit in enumerate((ONE, TWO)):
        folder = server.drive.folder(visit, "folder000001")
        server.drive.upload("a.mp4", folder, bytes([number]))
    with open_instance(hospital.home) as instance:
        yield Daemon(hospital.study, instance)


def test_a_tick_on_an_unchanged_drive_is_one_request(drive_daemon: Daemon, server: DriveServer) -> None:
    assert reported(drive_daemon.tick(VIDEOS)) == {ONE, TWO}
    drive_daemon.tick(VIDEOS)  # sees that what it looks at is kept now
    for _ in range(4):
        before = server.counts.copy()
        assert drive_daemon.tick(VIDEOS).skip_message == "nothing new"
        assert server.counts - before == {"changes": 1}


def reported(tick: SensorExecutionData) -> set[str | None]:
    """Visits that a tick reports changes of."""
    return {event.partition for event in tick.asset_events}


def test_a_change_on_the_drive_starts_its_visit_alone(drive_daemon: Daemon, server: DriveServer) -> None:
    drive_daemon.tick(VIDEOS)
    drive_daemon.tick(EDITS)
    drive_daemon.finish()
    drive_daemon.tick(EDITS)
    drive_daemon.finish()
    drive_daemon.tick(VIDEOS)
    (folder,) = [item.item_id for item in server.drive.items.values() if item.name == TWO]
    server.drive.upload("b.mp4", folder, b"another")
    before = server.requests
    assert reported(drive_daemon.tick(VIDEOS)) == {TWO}
    assert server.requests == before + 2  # the mark and the listing each read the feed
    assert reported(drive_daemon.tick(VIDEOS)) == set()
    assert set(asked(drive_daemon.tick(EDITS))) == {TWO}


def test_a_drive_that_stalls_skips_and_its_answer_counts_when_it_comes(
    hospital: TinyHospital, server: DriveServer, drive_daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eus_etl.defs.triggers.sensors.LISTING_PATIENCE_S", 0.05)
    hasty = Daemon(hospital.study, drive_daemon.instance)
    server.faults.stall_s = 1.0
    server.faults.other.append("stall")
    tick = hasty.tick(VIDEOS)
    assert "drive_videos: reading it takes longer" in str(tick.skip_message)
    assert (tick.cursor, list(tick.asset_events)) == (None, [])
    while "takes longer" in str(tick.skip_message):
        tick = hasty.tick(VIDEOS)
    assert reported(tick) == {ONE, TWO}
    assert server.faults.happened == {"stall": 1}
    (folder,) = [item.item_id for item in server.drive.items.values() if item.name == TWO]
    server.drive.upload("b.mp4", folder, b"another")
    tick = hasty.tick(VIDEOS)
    while "takes longer" in str(tick.skip_message):
        tick = hasty.tick(VIDEOS)
    assert reported(tick) == {TWO}


def test_a_drive_that_fails_skips_with_its_reason_and_keeps_the_cursor(
    drive_daemon: Daemon, server: DriveServer
) -> None:
    drive_daemon.tick(VIDEOS)
    cursor = drive_daemon.tick(VIDEOS).cursor
    server.faults.other.extend(["503"] * HASTE.attempts)
    tick = drive_daemon.tick(VIDEOS)
    assert "503" in str(tick.skip_message)
    assert tick.cursor == cursor
    assert list(tick.asset_events) == []
    assert drive_daemon.tick(VIDEOS).skip_message == "nothing new"


def test_a_rejected_page_token_lists_anew_and_starts_nothing(
    drive_daemon: Daemon, server: DriveServer
) -> None:
    drive_daemon.tick(VIDEOS)
    drive_daemon.tick(VIDEOS)
    server.drive.forget_old_changes()
    listed = server.counts["list"]
    assert reported(drive_daemon.tick(VIDEOS)) == set()
    assert server.counts["list"] > listed


def test_a_new_alias_matches_what_lay_unassigned_although_the_drive_did_not_change(
    hospital: TinyHospital, drive_daemon: Daemon, server: DriveServer
) -> None:
    folder = server.drive.folder("Amber-Crane-4 of May", "folder000001")
    server.drive.upload("a.mp4", folder, b"early")
    assert reported(drive_daemon.tick(VIDEOS)) == {ONE, TWO}
    assert reported(drive_daemon.tick(VIDEOS)) == set()
    late = "44444444-aaaa-4aaa-8aaa-000000000004"
    hospital.items[late] = {"pseudo_name": "Amber-Crane-4"}
    hospital.write_items()
    drive_daemon.tick(EDITS)
    assert reported(drive_daemon.tick(VIDEOS)) == {late}


# --- edits ---


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


def fail(daemon: Daemon, permanent: bool) -> None:
    """Let the first visit's last run fail."""
    if permanent:
        daemon.fail(daemon.runs(ONE)[0], "labels", "patients")
    else:
        daemon.end(daemon.runs(ONE)[0], LOST)


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
