"""Hands plans to the queue: the daemon starts their runs, on whatever machine; the command need not stay."""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from eus_etl.defs.graph import StudyGraph
from eus_etl.defs.keys import PARTITION_TAG, STUDY_TAG, TERMINAL_TAG
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.reconcile.plan import Plan, visits_in
from eus_etl.defs.reconcile.run_health import runs_under_way
from eus_etl.defs.root import take_root
from eus_etl.defs.study import build_study_definitions
from eus_etl.errors import NoDaemonError
from eus_etl.steps.observation.stored import Failure

QUEUE = "QUEUED_RUN_COORDINATOR"
"""The daemon that takes runs from the queue."""

SILENT_S = 90.0
"""A daemon whose last sign is older is not alive."""

LOOK_S = 2.0
_RUNS_SEARCHED = 200


@dataclass(frozen=True, slots=True)
class Submitted:
    """A run that was put into the queue.

    Attributes:
        run_id: its id.
        patient: its visit; None for the study's tables.
        why: why it is made.
    """

    run_id: str
    patient: str | None
    why: str


class Submission:
    """What a command submits, and follows.

    Args:
        session: the study and its instance.
        patients: ids or aliases of visits; None for all.

    Attributes:
        unobserved: sources that could not be read.

    Raises:
        NoDaemonError: nothing would take runs from the queue, or nothing has ever run here for the daemon.
    """

    def __init__(
        self,
        session: StudySession,
        patients: Sequence[str] | None = None,
        *,
        remake: str | None = None,
        new_root: bool = False,
    ) -> None:
        self._session, self._instance = session, session.state.instance
        require_daemon(self._instance, session.graph)
        self._pattern = _run_of_daemon(self._instance, session.graph)
        definitions = build_study_definitions(session.graph.study)
        self._job = definitions.resolve_job_def(self._pattern.job_name)
        take_root(self._instance, session.graph.study, new=new_root)
        self.unobserved: list[Failure] = list(session.observe().failures)
        self._patients = session.choose(patients)
        if remake is not None:
            session.forget(remake, self._patients, chosen=patients is not None)
        self._left_out: set[str | None] = set()
        self._targets: set[tuple[str | None, str]] = set()

    def submit(self) -> list[Submitted]:
        """Put what is not current into the queue, each plan once; the tables once no visit is under way."""
        busy = visits_in(runs_under_way(self._session.graph, self._instance))
        self._left_out = busy.intersection(self._patients)
        plans = [plan for patient in self._patients if patient not in busy for plan in self._new(patient)]
        if not plans and not busy:
            plans = [*self._new(None)]
        return [self._submit(plan) for plan in plans]

    def is_over(self) -> bool:
        """Whether no run of the study is queued or in progress.

        Raises:
            NoDaemonError: the daemon died meanwhile.
        """
        if not runs_under_way(self._session.graph, self._instance):
            return True
        require_daemon(self._instance, self._session.graph)
        return False

    def elsewhere(self) -> int:
        """How many visits were left out because a run of them was queued or in progress already."""
        return len(self._left_out)

    def failed(self, submitted: Collection[Submitted]) -> list[Submitted]:
        """Those of these runs that did not end well."""
        found = {run.run_id: run for run in self._runs(submitted)}
        return [
            one
            for one in submitted
            if one.run_id not in found or found[one.run_id].status is not dg.DagsterRunStatus.SUCCESS
        ]

    def to_the_end(self) -> Iterator[Submitted]:
        """Submit until all is made, or has failed; yields each run when it is put into the queue."""
        while True:
            submitted = self.submit()
            yield from submitted
            while not self.is_over():
                time.sleep(LOOK_S)
            for partition in (*self._patients, None):
                self._session.state.refresh(partition)
            if not submitted and not self._rest():
                return

    def _rest(self) -> bool:
        """Whether anything is left that was not submitted yet."""
        return any(True for partition in (*self._patients, None) for _ in self._new(partition, note=False))

    def _runs(self, submitted: Collection[Submitted]) -> Sequence[dg.DagsterRun]:
        ids = [one.run_id for one in submitted]
        return self._instance.get_runs(dg.RunsFilter(run_ids=ids)) if ids else []

    def _new(self, patient: str | None, *, note: bool = True) -> Iterator[Plan]:
        plan = self._session.plan(patient)
        if plan is not None and (patient, plan.target) not in self._targets:
            if note:
                self._targets.add((patient, plan.target))
            yield plan

    def _submit(self, plan: Plan) -> Submitted:
        partition = {PARTITION_TAG: plan.patient} if plan.patient else {}
        run = self._instance.create_run_for_job(
            job_def=self._job,
            asset_selection={node.key for node in plan.nodes},
            tags={**plan.tags, **partition},
            remote_job_origin=self._pattern.remote_job_origin,
            job_code_origin=self._pattern.job_code_origin,
            status=dg.DagsterRunStatus.NOT_STARTED,
        )
        # the queue does not look at the workspace; the daemon has its own
        self._instance.submit_run(run.run_id, workspace=None)  # type: ignore[arg-type]
        return Submitted(run.run_id, plan.patient, plan.why)


def require_daemon(instance: dg.DagsterInstance, graph: StudyGraph) -> None:
    """Check that a daemon takes runs from the queue.

    Raises:
        NoDaemonError: none does.
    """
    beat = instance.get_daemon_heartbeats().get(QUEUE)
    seen = "none was ever seen" if beat is None else f"the last sign of one is of {_day(beat.timestamp)}"
    if beat is None or time.time() - beat.timestamp > SILENT_S:
        raise NoDaemonError(
            graph.study.study,
            f"no daemon takes runs from the queue: {seen}",
            "start it (`systemctl start eus-etl-daemon`); without --submit, this command works itself",
        )


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _run_of_daemon(instance: dg.DagsterInstance, graph: StudyGraph) -> dg.DagsterRun:
    """The last run of assets that the daemon asked for: it says where the daemon's code is."""
    found = instance.get_runs(dg.RunsFilter(tags={STUDY_TAG: graph.study.study}), limit=_RUNS_SEARCHED)
    for run in found:
        is_of_daemon = TERMINAL_TAG not in run.tags and run.remote_job_origin and run.job_code_origin
        if is_of_daemon and run.asset_selection:
            return run
    raise NoDaemonError(
        graph.study.study,
        "the daemon has not run anything in this Dagster home yet, so it is unknown where its code is",
        "wait until its sensors have started the first runs, or leave out --submit",
    )
