"""A daemon of a study, whose ticks are evaluated and take effect when a test says so."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.execution.plan.objects import StepFailureData, UserFailureData

from benchmarks.support.hospitals.tiny_hospital import LONG_AGO, ONE, TWO, TinyHospital
from eus_etl.defs.graph import study_graph
from eus_etl.defs.keys import DATA_VERSION_TAG, PARTITION_TAG
from eus_etl.defs.reconcile.retry import PERMANENT
from eus_etl.defs.reconcile.staleness import Node, StudyState
from eus_etl.defs.study import build_study_definitions
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.steps.result import version_of
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


def event_of(daemon: Daemon, patient: str) -> dg.AssetMaterialization:
    """The last report of a visit's videos."""
    asked_for = dg.AssetRecordsFilter(daemon.graph.key("drive_videos"), asset_partitions=[patient])
    (record,) = daemon.instance.fetch_materializations(asked_for, limit=1).records
    assert record.asset_materialization is not None
    return record.asset_materialization


def remember(daemon: Daemon, sensor: str, **changes: object) -> None:
    """Change a sensor's cursor."""
    daemon.cursors[sensor] = json.dumps(json.loads(daemon.cursors[sensor] or "") | changes)


def reported(tick: SensorExecutionData) -> set[str | None]:
    """Visits that a tick reports changes of."""
    return {event.partition for event in tick.asset_events}


def fail(daemon: Daemon, permanent: bool) -> None:
    """Let the first visit's last run fail."""
    if permanent:
        daemon.fail(daemon.runs(ONE)[0], "labels", "patients")
    else:
        daemon.end(daemon.runs(ONE)[0], LOST)
