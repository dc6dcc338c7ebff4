"""Work on one study from a terminal: through the asset graph and its instance, as the daemon would.

Everything done here is recorded in the instance: the runs appear in Dagster's page, and the sensors find
nothing left to do.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg

from eus_etl.defs.event_store.kept_open import kept_open
from eus_etl.defs.graph import StudyGraph, study_graph
from eus_etl.defs.keys import TERMINAL_TAG, patients_of
from eus_etl.defs.leases import run_lease, use_leases, work_of_command
from eus_etl.defs.reconcile.confirm import share_state
from eus_etl.defs.reconcile.garbage import seldom_collected
from eus_etl.defs.reconcile.observe import Seen, observe_study
from eus_etl.defs.reconcile.outcomes import Failed, Made, failed_in, made_in
from eus_etl.defs.reconcile.plan import Plan, plan_of, visits_in
from eus_etl.defs.reconcile.remake import forget
from eus_etl.defs.reconcile.run_health import runs_under_way
from eus_etl.defs.reconcile.staleness import StudyState
from eus_etl.defs.root import take_root
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.not_taken import TAKEN_LATER, waiting_said
from eus_etl.steps.observation.snapshot import DRIVE_VIDEOS, known_visits, resolve_patient
from eus_etl.steps.observation.stored import Failure
from eus_etl.storage.files.folders import require_root
from eus_etl.storage.leases.table import Holder

_LOOKS = 3
"""So often a run waits for files that were copied a moment ago: whoever copies all day is not waited for."""

_MOMENT_S = 0.1

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Configuration of a run that prints nothing."""


@dataclass(slots=True)
class RunReport:
    """What a session did.

    Attributes:
        made: materialisations, in order.
        failed: assets that could not be made.
        unobserved: sources that could not be read.
        missed: changes of videos that the change feed had missed and a full listing found.
        waits: in words, how many files wait to be taken, and why.
        is_waiting: whether some of these files are taken by themselves once their upload is complete.
        elsewhere: visits that are not current, and that a daemon or another command has queued or works on;
            None for the tables.
        without_upload: of the visits that were asked for, those to which no upload has been given.
    """

    made: list[Made] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    unobserved: list[Failure] = field(default_factory=list)
    missed: int = 0
    waits: list[str] = field(default_factory=list)
    is_waiting: bool = False
    elsewhere: list[str | None] = field(default_factory=list)
    without_upload: list[str] = field(default_factory=list)

    @property
    def videos_decoded(self) -> int:
        """Number of videos decoded by all runs together."""
        return sum(int(str(made.metadata.get("videos_decoded", 0))) for made in self.made)

    @property
    def complete(self) -> bool:
        """Whether every source could be read and everything could be made."""
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
        self.state = StudyState(instance, StudyPaths(study.root), self.graph.nodes)
        self._study = study
        self._instance = instance
        use_leases(instance, study)

    def observe(self, *, relist: bool = False) -> Seen:
        """Look at all sources and report what changed; see ``observe_study``."""
        return observe_study(self._study, self.state, relist=relist)

    def patients(self) -> list[str]:
        """Every visit's id, without partition keys that no source has shown."""
        keys = self._instance.get_dynamic_partitions(str(patients_of(self._study.study).name))
        return sorted(known_visits(StudyPaths(self._study.root), keys))

    def plan(self, patient: str | None) -> Plan | None:
        """What has to be made of a visit, or (None) of the study's tables."""
        return plan_of(self.graph, self.state, patient)

    def choose(self, patients: Sequence[str] | None) -> list[str]:
        """Ids of the visits that are meant by ids or aliases; of all for None.

        Raises:
            PatientUnknownError: no visit in the sources has this id or alias, or several do.
        """
        if patients is None:
            return self.patients()
        return [resolve_patient(self._study, patient) for patient in patients]

    def forget(self, asset: str, patients: Sequence[str], *, chosen: bool) -> None:
        """Have an asset of these visits, or of the study, count as never made; see ``remake``."""
        forget(self.graph, asset, patients, chosen=chosen)
        for partition in (*patients, None):
            self.state.refresh(partition)

    @seldom_collected()
    def run(
        self,
        patients: Sequence[str] | None = None,
        progress: Progress | None = None,
        *,
        relist: bool = False,
        new_root: bool = False,
        remake: str | None = None,
        wait: Callable[[str], None] | None = None,
    ) -> RunReport:
        """Observe the sources, then make what is not current, and nothing else.

        Visits that another process is working on come last; what it has made by then is not made again.

        Args:
            patients: ids or aliases of visits; None for all.
            progress: called before each asset is made.
            relist: list the videos in full, even if their source has a change feed.
            new_root: accept a root without a mark though visits are known, and make everything again.
            remake: name of an asset to make again even if it is current.
            wait: files that were copied a moment ago are waited for, and this is told so; None not to wait.
                It is also told of a visit that another process works on, for which a run always waits.

        Raises:
            ConfigError: there is no such asset to remake.
            PatientUnknownError: no visit in the sources has this id or alias, or several do.
            ForeignRootError: the root holds data that this package did not make.
            RootUnavailableError: the root existed before and is missing now, or disappears during the run.
        """
        with kept_open(self._instance):
            take_root(self._instance, self._study, new=new_root)
            others = [run for run in runs_under_way(self.graph, self._instance) if _is_worked_on(run)]
            seen = self.observe(relist=relist)
            for _ in range(_LOOKS):
                if wait is None or seen.ready_in_s is None:
                    break
                for said in waiting_said(seen.waits, seen.ready_in_s):
                    wait(said)
                time.sleep(seen.ready_in_s + _MOMENT_S)
                seen = replace(self.observe(), missed=seen.missed)
            waits = waiting_said(seen.waits, seen.ready_in_s)
            report = RunReport(unobserved=seen.failures, missed=seen.missed, waits=waits)
            report.is_waiting = not TAKEN_LATER.isdisjoint(seen.waits)
            chosen = self.choose(patients)
            if patients is not None:
                uploads = self.state.versions(self.graph.key(DRIVE_VIDEOS))
                report.without_upload += [patient for patient in chosen if patient not in uploads]
            if remake is not None:
                self.forget(remake, chosen, chosen=patients is not None)
            make_all(self.graph, self.state, chosen, visits_in(others), report, progress, wait)
            left = visits_in(runs_under_way(self.graph, self._instance))
            unfinished = [visit for visit in left if self.plan(visit)]  # others have nothing left to do
            report.elsewhere += sorted(unfinished, key=lambda visit: visit or "")
            return report


def make_all(
    graph: StudyGraph,
    state: StudyState,
    patients: Sequence[str],
    elsewhere: AbstractSet[str | None],
    report: RunReport,
    progress: Progress | None = None,
    wait: Callable[[str], None] | None = None,
) -> None:
    """Make what is not current: first of these visits, then of the study's tables.

    Args:
        graph: the study's graph.
        state: what is known of the study; on return, also what was made.
        patients: the visits.
        elsewhere: visits that other processes are working on: they come last.
        report: receives what was made and what failed.
        progress: called before each run.
        wait: told of a visit that has to wait because another process works on it, and who that is.

    Raises:
        RootUnavailableError: the root disappeared during the run.
    """
    tell = progress or (lambda *_: None)
    job = _job_of(graph)
    stale = [patient for patient in patients if plan_of(graph, state, patient)]
    due = [patient for patient in stale if patient not in elsewhere]
    due += [patient for patient in stale if patient in elsewhere]
    for done, patient in enumerate([*due, None]):
        if patient in elsewhere:
            state.refresh(patient)
        if (plan := plan_of(graph, state, patient)) is None:
            continue
        with _work(graph, state, patient, wait) as waited:
            if waited and (plan := plan_of(graph, state, patient)) is None:
                continue  # the other process has made it
            require_root(state.paths)
            tell(patient, plan.nodes[0].name, done, len(due))
            _run(job, state, plan, report)


def _job_of(graph: StudyGraph) -> dg.JobDefinition:
    """The job of all assets of a study, of which each plan executes a part.

    Dagster would build the part, and take its snapshot, anew for each visit: an eighth of what a run costs
    beside its steps. Here it is kept for the next visit that needs the same assets.
    """
    definitions = dg.Definitions(assets=graph.assets(), executor=dg.in_process_executor)
    job = definitions.resolve_implicit_global_asset_job_def()
    build, parts = job.as_ephemeral_job, dict[tuple[dg.AssetKey, ...], dg.JobDefinition]()

    def part(*, asset_selection: Sequence[dg.AssetKey], **others: Any) -> dg.JobDefinition:
        key = tuple(asset_selection)
        if key not in parts:
            parts[key] = build(asset_selection=asset_selection, **others)
        return parts[key]

    job.as_ephemeral_job = part  # type: ignore[method-assign,assignment]  # Dagster has no other place for it
    return job


@contextmanager
def _work(
    graph: StudyGraph, state: StudyState, patient: str | None, wait: Callable[[str], None] | None
) -> Iterator[bool]:
    """Let nobody else work on a visit (None: on the tables) in the block; gives whether it had to wait."""
    waited = False

    def tell(holder: Holder) -> None:
        nonlocal waited
        waited = True
        if wait is not None:
            wait(f"{patient or 'the tables'}: {holder.said} works on it; this waits until that has ended")

    with work_of_command(state.instance, graph.study.study, patient, tell):
        if waited:
            state.refresh(patient)
        yield waited


def _run(job: dg.JobDefinition, state: StudyState, plan: Plan, report: RunReport) -> None:
    run_id = str(uuid.uuid4())
    if plan.patient is None:
        share_state(run_id, state)
    with run_lease(state.instance, run_id):
        result = job.execute_in_process(
            run_config=QUIET,
            instance=state.instance,
            partition_key=plan.patient,
            asset_selection=[node.key for node in plan.nodes],
            run_id=run_id,
            tags={**plan.tags, TERMINAL_TAG: "true"},
            raise_on_error=False,
        )
    state.refresh(plan.patient)
    report.made += made_in(result, plan.patient)
    report.failed += failed_in(result, plan.patient)


def _is_worked_on(run: dg.DagsterRun) -> bool:
    """Whether a run has begun; a queued one may wait for long, if no daemon is running."""
    return run.status is dg.DagsterRunStatus.STARTED
