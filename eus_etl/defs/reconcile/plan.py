"""Plan: which runs bring a study up to date. The sensors, the nightly pass and commands all ask here.

A plan holds what is stale and everything downstream of it: one plan per visit, and one for the study's tables
once no visit is under way. Its run checks again before each asset, and makes only what is still stale.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import IntEnum

import dagster as dg

from eus_etl.defs.graph import StudyGraph
from eus_etl.defs.keys import (
    ALIAS_TAG,
    CONSUMED_TAG,
    PARTITION_TAG,
    PRIORITY_TAG,
    SCOPE_TAG,
    STUDY_TAG,
    TABLES,
    VISIT,
    WHY_TAG,
)
from eus_etl.defs.reconcile.retry import NEVER, due_at
from eus_etl.defs.reconcile.staleness import Node, Reason, StudyState, Why
from eus_etl.steps.observation.known_screens import KNOWN_SCREENS
from eus_etl.steps.observation.snapshot import (
    DRIVE_VIDEOS,
    LABEL_ITEMS,
    PATIENT_ROWS,
    REGION_ROWS,
    SYNC_ROWS,
    alias_of,
    was_ever_observed,
)
from eus_etl.steps.result import version_of

RUNS_A_TICK = 20
"""Run requests get slower with the number of partition keys; further ones wait for the next tick."""


class Urgency(IntEnum):
    """What comes first; within each, the visit that arrived first."""

    NEW = 0
    EDIT = 1
    BACKFILL = 2  # the configuration has changed: of all visits, as a rule


_NOT_EDITED = (Why.CONFIGURATION_CHANGED, Why.DUE_AGAIN, Why.NOT_DRAWN, Why.BLOCKED)

_EDITS: Mapping[str, str] = {
    LABEL_ITEMS: "label edit",
    PATIENT_ROWS: "sheet edit",
    SYNC_ROWS: "edit of sync.csv",
    REGION_ROWS: "edit of regions.csv",
    KNOWN_SCREENS: "edit of regions.csv",
    DRIVE_VIDEOS: "other videos",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Attributes:
        study: name of the study.
        patient: the visit; None for the study's tables.
        reasons: why each asset is not current, in topological order.
        nodes: what is stale and everything downstream of it, in the same order.
        target: equal for two plans that lead to the same state: from the same sources, by the same
            configuration.
        alias: the visit's alias, where it is known.
    """

    study: str
    patient: str | None
    nodes: tuple[Node, ...]
    reasons: tuple[Reason, ...]
    target: str
    alias: str | None = None

    @property
    def tags(self) -> dict[str, str]:
        """The tags of its run."""
        scope = VISIT if self.patient else TABLES
        tags = {STUDY_TAG: self.study, SCOPE_TAG: scope, CONSUMED_TAG: self.target, WHY_TAG: self.why}
        return tags | {ALIAS_TAG: self.alias} if self.alias else tags

    @property
    def why(self) -> str:
        """The reason for its run, for people: ``new visit``, ``label edit``, or ``output lost: frames``."""
        if all(reason.why is Why.MISSING for reason in self.reasons):
            return "new visit" if self.patient else "first tables"
        edits: list[str] = []
        others: dict[Why, list[str]] = {}
        for node, reason in zip(self.nodes, self.reasons, strict=True):
            if reason.why is Why.INPUTS_CHANGED:
                edits += [_EDITS.get(name, f"other {name}") for name in reason.inputs]
            elif reason.why is not Why.BLOCKED:
                others.setdefault(reason.why, []).append(node.name)
        said = [*dict.fromkeys(edits), *(f"{why}: {', '.join(names)}" for why, names in others.items())]
        return "; ".join(said)

    @property
    def urgency(self) -> Urgency:
        """Before or after which other plans it comes."""
        whys = {reason.why for reason in self.reasons}
        if whys == {Why.MISSING}:
            return Urgency.NEW
        return Urgency.BACKFILL if whys <= {*_NOT_EDITED} else Urgency.EDIT

    def request(self, number: int) -> dg.RunRequest:
        """The request for its run.

        Args:
            number: the sensor's count of its requests. It lets the same plan run again later, while a tick
                that is repeated after a crash starts nothing twice.
        """
        return dg.RunRequest(
            run_key=f"{self.patient}:{self.target}:{number}",
            partition_key=self.patient,
            asset_selection=[node.key for node in self.nodes],
            tags=self.tags | {PRIORITY_TAG: str(Urgency.BACKFILL - self.urgency)},
        )


@dataclass(frozen=True, slots=True)
class Pass:
    """How far a pass over all visits has come, if one tick had no time for all of them.

    Attributes:
        after: the last visit that was looked at; empty at the beginning.
        found: whether a visit before it was not up to date: then the tables wait.
    """

    after: str = ""
    found: bool = False


@dataclass(slots=True)
class Due:
    """What a tick requests.

    Attributes:
        plans: those whose runs are due, the most urgent first.
        again_at: when the first of the others is due, in seconds since 1970.
        rest: where the next tick goes on; None if all visits were looked at.
    """

    plans: list[Plan] = field(default_factory=list)
    again_at: float = NEVER
    rest: Pass | None = None


def plan_of(graph: StudyGraph, state: StudyState, patient: str | None) -> Plan | None:
    """What has to be made of a visit, or (None) of the study's tables; None if all is current."""
    reasons = state.reasons(patient)
    if not reasons:
        return None
    possible = wanted(graph, state, patient)
    nodes = tuple(node for node in possible if node.key in reasons)
    if not nodes:
        return None
    made_here = {node.name for node in possible}
    sources = [
        [
            node.name,
            node.code_version,
            {name: v for name, v in state.inputs(node, patient).items() if name not in made_here},
        ]
        for node in possible
    ]
    return Plan(
        study=graph.study.study,
        patient=patient,
        nodes=nodes,
        reasons=tuple(reasons[node.key] for node in nodes),
        target=version_of(sources),
        alias=alias_of(state.paths, patient) if patient else None,
    )


def due_plans(
    graph: StudyGraph,
    state: StudyState,
    patients: Sequence[str],
    busy: AbstractSet[str | None],
    now: float,
    *,
    begun: Pass = Pass(),
    waiting: int = 0,
    is_late: Callable[[], bool] = lambda: False,
) -> Due:
    """A plan for each visit that is not up to date; for the study's tables once no visit is under way.

    New visits come before edits, and edits before what a change of the configuration asks for; of that, no
    more is requested than keeps the queue filled, so that a new visit or an edit never waits for all of it.

    Args:
        graph: the study's graph.
        state: what is known.
        patients: all visits, in order of arrival.
        busy: those with a run in progress or queued; see ``visits_in``.
        now: seconds since 1970.
        begun: how far an earlier tick has come.
        waiting: how many runs of the study are queued.
        is_late: whether the tick has to end.
    """
    due, later, stopped = Due(), list[Plan](), ""
    places = {patient: place for place, patient in enumerate(patients)}
    for patient in patients[places.get(begun.after, -1) + 1 :]:
        plan = None if patient in busy else plan_of(graph, state, patient)
        if plan and plan.urgency is Urgency.NEW:
            _add(due, state, plan, now)
        elif plan:
            later.append(plan)
        if len(due.plans) == RUNS_A_TICK:  # nothing is more urgent
            break
        if is_late() and patient != patients[-1]:
            stopped = patient
            break
    for plan in sorted(later, key=lambda plan: plan.urgency):
        if len(due.plans) < RUNS_A_TICK - (waiting if plan.urgency is Urgency.BACKFILL else 0):
            _add(due, state, plan, now)
    found = begun.found or bool(due.plans)
    if stopped:
        due.rest = Pass(stopped, found)
    elif not found and not busy:
        _add(due, state, plan_of(graph, state, None), now)
    return due


def wanted(graph: StudyGraph, state: StudyState, patient: str | None) -> list[Node]:
    """The assets that a visit (None: the whole study) can have.

    A visit without videos has only those made from its item and rows, a study whose sources were never there
    has none.
    """
    nodes = graph.made(per_patient=patient is not None)
    if patient is None:
        return nodes if was_ever_observed(state.paths) else []
    if state.version(graph.key(DRIVE_VIDEOS), patient) is not None:
        return nodes
    of_videos = {graph.key(DRIVE_VIDEOS)}
    for node in nodes:
        if not of_videos.isdisjoint(node.deps):
            of_videos.add(node.key)
    return [node for node in nodes if node.key not in of_videos]


def visits_in(runs: Iterable[dg.DagsterRun]) -> set[str | None]:
    """The visits of these runs; None for the study's tables and for a nightly pass."""
    return {run.tags.get(PARTITION_TAG) for run in runs}


def _add(due: Due, state: StudyState, plan: Plan | None, now: float) -> None:
    if plan is None:
        return
    at = due_at(state.instance, plan.tags, plan.patient, plan.nodes, now)
    if at <= now:
        due.plans.append(plan)
    else:
        due.again_at = min(due.again_at, at)
