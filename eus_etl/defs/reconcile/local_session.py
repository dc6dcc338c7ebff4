"""Work on one study from a terminal: through the asset graph and its instance, as the daemon would.

Everything done here is recorded in the instance: the runs show in the page, and the sensors find
nothing left to do.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import dagster as dg

from eus_etl.defs.assets.external import changed_versions, events, unassigned_event
from eus_etl.defs.graph import StudyGraph, study_graph
from eus_etl.defs.instance import run_locks
from eus_etl.defs.keys import CONSUMED_TAG, STUDY_TAG, TERMINAL_TAG, patients_of
from eus_etl.defs.reconcile.plan import next_wave, visits_in, wanted, wave_version
from eus_etl.defs.reconcile.run_health import runs_under_way
from eus_etl.defs.reconcile.staleness import Node, StudyState
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import EusEtlError
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.connect import connect
from eus_etl.steps.observation.observe import Failure, observe_all, relist_videos
from eus_etl.steps.observation.snapshot import DRIVE_VIDEOS, resolve_patient
from eus_etl.storage.locks import run_lock
from eus_etl.storage.root_owner import claim_root

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True, slots=True)
class Made:
    """One materialisation of a session.

    Attributes:
        asset: name of the asset within its study.
        patient_id: None for a table of the whole study.
        metadata: counts that the step reported.
    """

    asset: str
    patient_id: str | None
    metadata: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Failed:
    """An asset that could not be made, and why."""

    asset: str
    patient_id: str | None
    error: str


@dataclass(slots=True)
class RunReport:
    """What a session did.

    Attributes:
        made: materialisations, in order.
        failed: assets that could not be made.
        unobserved: sources that could not be seen.
        missed: changes of videos that a full listing found and the change feed had missed.
    """

    made: list[Made] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    unobserved: list[Failure] = field(default_factory=list)
    missed: int = 0

    @property
    def videos_decoded(self) -> int:
        """Videos decoded by all runs together."""
        return sum(int(str(made.metadata.get("videos_decoded", 0))) for made in self.made)

    @property
    def complete(self) -> bool:
        """Whether every source was seen and everything could be made."""
        return not self.failed and not self.unobserved


Progress = Callable[[str | None, str, int, int], None]
"""Called as (patient id or None, asset, visits done, visits in all)."""


class StudySession:
    """One study and a Dagster instance.

    Args:
        study: the configuration.
        instance: where runs and versions are recorded.
    """

    def __init__(self, study: StudyConfig, instance: dg.DagsterInstance) -> None:
        self.graph: StudyGraph = study_graph(study)
        self._study = study
        self._instance = instance
        self._missed = 0
        self._state = StudyState(instance, StudyPaths(study.root), self.graph.nodes)
        definitions = dg.Definitions(assets=self.graph.assets(), executor=dg.in_process_executor)
        self._job = definitions.resolve_implicit_global_asset_job_def()

    @property
    def state(self) -> StudyState:
        """What the instance knows of the study."""
        return self._state

    def observe(self, *, relist: bool = False) -> list[Failure]:
        """Look at all sources and report what changed; returns the sources that could not be seen.

        Args:
            relist: list the videos anew, whatever their source remembers.

        Raises:
            ForeignRootError: the root holds data that this package did not make.
        """
        claim_root(StudyPaths(self._study.root), self._study.study)
        sources = connect(self._study)
        self._missed, failures = 0, []
        if relist:
            try:
                self._missed = relist_videos(sources)
            except EusEtlError as error:
                failures.append(Failure(f"{DRIVE_VIDEOS}, listed in full,", error))
        seen, unseen = observe_all(self._study, sources)
        failures += unseen
        known = set(self.patients())
        for observation in seen:
            changed = changed_versions(self._state, self._study.study, observation)
            if new := sorted(changed.keys() - known):
                self._instance.add_dynamic_partitions(str(patients_of(self._study.study).name), new)
                known.update(new)
            for event in events(self._study.study, observation.source, changed):
                self._instance.report_runless_asset_event(event)
        if unassigned := unassigned_event(self._state, self._study):
            self._instance.report_runless_asset_event(unassigned)
        self._state.forget(list(self.graph.nodes))
        return failures

    def patients(self) -> list[str]:
        """Every visit's id."""
        return sorted(self._instance.get_dynamic_partitions(str(patients_of(self._study.study).name)))

    def wanted(self, patient_id: str) -> list[Node]:
        """The assets that a visit can have."""
        return wanted(self.graph, self._state, patient_id)

    def run(
        self,
        patients: Sequence[str] | None = None,
        progress: Progress | None = None,
        *,
        relist: bool = False,
    ) -> RunReport:
        """Observe the sources, then make what is missing or was made from other inputs, and nothing else.

        Visits that another process works on come last; what that has made by then is not made again.

        Args:
            patients: ids or aliases of visits; None for all.
            progress: told before each run.
            relist: list the videos anew, whatever their source remembers.

        Raises:
            PatientUnknownError: no visit that the sources hold now has this id or alias, or several have.
        """
        claim_root(StudyPaths(self._study.root), self._study.study)
        tell = progress or (lambda *_: None)
        others = [run for run in runs_under_way(self.graph, self._instance) if _is_worked_on(run)]
        report = RunReport(unobserved=self.observe(relist=relist), missed=self._missed)
        chosen = (
            self.patients()
            if patients is None
            else [resolve_patient(self._study, patient) for patient in patients]
        )
        due = [
            patient
            for patient in chosen
            if any(self._state.is_stale(n, patient) for n in self.wanted(patient))
        ]
        elsewhere = visits_in(others)
        due.sort(key=elsewhere.__contains__)
        for done, patient in enumerate(due):
            if patient in elsewhere:
                self._state.forget(list(self.graph.nodes))
            self._make(
                self.wanted(patient), patient, report, partial(_tell_visit, tell, patient, done, len(due))
            )
        self._make(
            self.graph.made(per_patient=False),
            None,
            report,
            partial(_tell_visit, tell, None, len(due), len(due)),
        )
        return report

    def _make(
        self, nodes: list[Node], patient: str | None, report: RunReport, tell: Callable[[str], object]
    ) -> None:
        """Make the stale ones of ``nodes`` in waves: an input that came out as before starts nothing."""
        settled: set[dg.AssetKey] = set()
        blocked: set[dg.AssetKey] = set()
        while wave := next_wave(self._state, nodes, patient, settled, blocked):
            tell(wave[0].name)
            run_id = str(uuid.uuid4())
            tags = {
                STUDY_TAG: self._study.study,
                TERMINAL_TAG: "true",
                CONSUMED_TAG: wave_version(self._state, wave, patient),
            }
            with run_lock(run_locks(self._instance), run_id):
                result = self._job.execute_in_process(
                    run_config=_QUIET,
                    instance=self._instance,
                    partition_key=patient,
                    asset_selection=[node.key for node in wave],
                    run_id=run_id,
                    tags=tags,
                    raise_on_error=False,
                )
            self._state.forget([node.key for node in wave])
            made = _made(result, patient)
            report.made += made
            report.failed += _failed(result, patient)
            settled.update(node.key for node in wave)
            names = {one.asset for one in made}
            blocked.update(node.key for node in wave if node.name not in names)


def _is_worked_on(run: dg.DagsterRun) -> bool:
    """Whether a run has begun; one that waits in the queue may wait long, for a daemon that is not there."""
    return run.status is dg.DagsterRunStatus.STARTED


def _tell_visit(tell: Progress, patient: str | None, done: int, total: int, asset: str) -> None:
    tell(patient, asset, done, total)


def _made(result: dg.ExecuteInProcessResult, patient: str | None) -> list[Made]:
    made = []
    for event in result.get_asset_materialization_events():
        materialization = event.materialization
        metadata = {name: value.value for name, value in materialization.metadata.items()}
        made.append(Made(materialization.asset_key.path[-1], patient, metadata))
    return made


def _failed(result: dg.ExecuteInProcessResult, patient: str | None) -> list[Failed]:
    return [
        Failed(failed_asset(event), patient, failure_text(event))
        for event in result.get_step_failure_events()
    ]


def failed_asset(event: dg.DagsterEvent) -> str:
    """Name of the asset whose step failed: a step's key is its asset's key, joined by two underscores."""
    return str(event.step_key).split("__")[-1]


def failure_text(event: dg.DagsterEvent) -> str:
    """What a failed step says of itself: our own error's text, or the last cause of another."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return str(data.user_failure_data.description)
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else "failed without a message"
