"""Which runs are due: decided from what is stale and what was tried, never from what has just happened.

New, replaced and removed videos are answered by one run of the visit's whole chain; every other edit by
a run of what it touches; nothing by both.
"""

import time
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import dagster as dg

from eus_etl.defs.assets.patient import RAW_VIDEOS
from eus_etl.defs.graph import StudyGraph
from eus_etl.defs.keys import CONSUMED_TAG, PARTITION_TAG, STUDY_TAG
from eus_etl.defs.reconcile.retry import AT_ONCE, NEVER, due_at
from eus_etl.defs.reconcile.staleness import Node, StudyState
from eus_etl.steps.observation.snapshot import DRIVE_VIDEOS, LABEL_ITEMS
from eus_etl.steps.result import version_of

RUNS_A_TICK = 20
"""Run requests get slower with the number of partition keys; the rest waits for the next tick."""


@dataclass(slots=True)
class Due:
    """What a tick asks for.

    Attributes:
        requests: the runs that are due.
        again_at: when the first of those that failed for a while is due again, in seconds since 1970.
    """

    requests: list[dg.RunRequest] = field(default_factory=list)
    again_at: float = NEVER


def visits_in(runs: Iterable[dg.DagsterRun]) -> set[str | None]:
    """The visits that runs work on; None for the study's tables and for a whole pass."""
    return {run.tags.get(PARTITION_TAG) for run in runs}


def visit_due_at(graph: StudyGraph, state: StudyState, patient: str) -> float:
    """When a run for the visit's files is due; see ``tries.due_at``, and ``NEVER`` where they were taken.

    A tick may die after it has reported a listing and before it has started the run: then it is due at once.
    """
    node = graph.nodes[graph.key(RAW_VIDEOS)]
    if state.version(graph.key(DRIVE_VIDEOS), patient) is None:
        return NEVER  # no video was ever reported: there is nothing to take
    if not state.is_stale(node, patient):
        return NEVER
    reports = state.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=graph.key(DRIVE_VIDEOS), asset_partitions=[patient]), limit=1
    ).records
    reported_at = reports[0].timestamp if reports else 0.0
    version = wave_version(state, [node], patient)
    return due_at(state.instance, _tags(graph, version, patient), reported_at)


def visit_run(graph: StudyGraph, state: StudyState, patient: str, number: int) -> dg.RunRequest:
    """A run of the visit's whole chain.

    Args:
        graph: the study's graph.
        state: what is known, with the present listing.
        patient: the visit.
        number: the sensor's count of its requests: it lets a version run again that ran before, after a
            failure or on a return to it, and a tick that is repeated after a crash starts nothing twice.
    """
    version = wave_version(state, [graph.nodes[graph.key(RAW_VIDEOS)]], patient)
    return dg.RunRequest(
        run_key=f"{patient}:{version}:{number}",
        partition_key=patient,
        tags=_tags(graph, version),
    )


def due_edits(
    graph: StudyGraph,
    state: StudyState,
    patients: Sequence[str],
    busy: AbstractSet[str | None],
    number: int,
) -> Due:
    """A run for each visit with something stale; for the study's tables once no visit is under way.

    The first run for new files is not among them; those that try once more what failed for a while are.

    Args:
        graph: the study's graph.
        state: what is known.
        patients: all visits.
        busy: those that a run works on or waits for; see ``visits_in``.
        number: as for ``visit_run``.
    """
    due = Due()
    waiting = bool(busy)
    for patient in patients:
        if patient in busy:
            continue
        if len(due.requests) == RUNS_A_TICK:
            break
        files_at = visit_due_at(graph, state, patient)
        if files_at == AT_ONCE:
            waiting = True  # for the run that its files will get
        elif files_at <= time.time():
            due.requests.append(_run_of(graph, state, wanted(graph, state, patient), patient, number))
        else:
            due.again_at = min(due.again_at, files_at)
            _add_wave(graph, state, _visit_wave(graph, state, patient), patient, number, due)
    if not due.requests and not waiting:
        _add_wave(graph, state, next_wave(state, graph.made(per_patient=False), None), None, number, due)
    return due


def _visit_wave(graph: StudyGraph, state: StudyState, patient: str) -> list[Node]:
    """What is stale of a visit whose files are taken, or could not be."""
    raw_videos = graph.nodes[graph.key(RAW_VIDEOS)]
    failed = {raw_videos.key} if state.is_stale(raw_videos, patient) else set()
    return next_wave(state, wanted(graph, state, patient), patient, blocked=failed)


def _add_wave(
    graph: StudyGraph, state: StudyState, wave: Sequence[Node], patient: str | None, number: int, due: Due
) -> None:
    """Ask for a run of the wave, unless one was started on the same inputs since it was last made."""
    if not wave:
        return
    entries = [state.entry(node, patient) for node in wave]
    made_at = max((entry.at for entry in entries if entry), default=0.0)
    tags = _tags(graph, wave_version(state, wave, patient), patient)
    at = due_at(state.instance, tags, made_at)
    if at <= time.time():
        due.requests.append(_run_of(graph, state, wave, patient, number))
    else:
        due.again_at = min(due.again_at, at)


def _run_of(
    graph: StudyGraph, state: StudyState, wave: Sequence[Node], patient: str | None, number: int
) -> dg.RunRequest:
    version = wave_version(state, wave, patient)
    return dg.RunRequest(
        run_key=f"{patient}:{version}:{number}",
        partition_key=patient,
        asset_selection=[node.key for node in wave],
        tags=_tags(graph, version),
    )


def _tags(graph: StudyGraph, version: str, patient: str | None = None) -> dict[str, str]:
    """What the runs bear that were started for these inputs."""
    partition = {PARTITION_TAG: patient} if patient else {}
    return {STUDY_TAG: graph.study.study, CONSUMED_TAG: version, **partition}


def wanted(graph: StudyGraph, state: StudyState, patient: str) -> list[Node]:
    """The assets that a visit can have: without videos, only what its item and rows give."""
    nodes = graph.made(per_patient=True)
    if state.version(graph.key(DRIVE_VIDEOS), patient) is not None:
        return nodes
    outside = {key for key, node in graph.nodes.items() if node.observed}
    return [node for node in nodes if graph.key(LABEL_ITEMS) in node.deps and outside.issuperset(node.deps)]


def next_wave(
    state: StudyState,
    nodes: Sequence[Node],
    patient: str | None,
    settled: AbstractSet[dg.AssetKey] = frozenset(),
    blocked: AbstractSet[dg.AssetKey] = frozenset(),
) -> list[Node]:
    """Stale assets whose inputs are settled, with the missing ones that follow them in any case.

    An asset that exists waits for its inputs to be made first: they may come out as they were.

    Args:
        state: what is known.
        nodes: the assets to choose from, in topological order.
        patient: the visit; None for assets of the whole study.
        settled: assets that are not made (again).
        blocked: assets that failed; what follows them is left, it would be made from old inputs.
    """
    wave: list[Node] = []
    left = set(blocked)
    for node in nodes:
        if not left.isdisjoint(node.deps):
            left.add(node.key)
        elif node.key not in settled and node.key not in left and state.is_stale(node, patient):
            follows = any(other.key in node.deps for other in wave)
            if not follows or state.is_missing(node, patient):
                wave.append(node)
    return wave


def wave_version(state: StudyState, wave: Sequence[Node], patient: str | None) -> str:
    """Equal for two waves of a visit that would make the same assets from the same inputs.

    With raw videos it is what these are made from: whatever else is made in the same run.
    """
    for node in wave:
        if node.name == RAW_VIDEOS:
            return state.consumable(node, patient)
    return version_of([[node.name, state.consumable(node, patient)] for node in wave])
