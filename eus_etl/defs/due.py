"""Which runs are due: decided from what is stale and what was tried, never from what has just happened.

New, replaced and removed videos are answered by one run of the visit's whole chain; every other edit by
a run of what it touches; nothing by both.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from eus_etl.defs.graph import StudyGraph
from eus_etl.defs.names import CONSUMED_TAG, PARTITION_TAG
from eus_etl.defs.patient_assets import RAW_VIDEOS
from eus_etl.defs.runs import runs_under_way
from eus_etl.defs.state import Node, StudyState
from eus_etl.defs.waves import next_wave, wanted, wave_version
from eus_etl.steps.observed import DRIVE_VIDEOS

RUNS_A_TICK = 20
"""Run requests get slower with the number of partition keys; the rest waits for the next tick."""


def answered(graph: StudyGraph, state: StudyState, patient: str) -> bool:
    """Whether the visit's present files were taken, or a run has been started for them that failed.

    A tick may die after it has reported a listing and before it has started the run: then neither holds.
    """
    node = graph.nodes[graph.key(RAW_VIDEOS)]
    if state.version(graph.key(DRIVE_VIDEOS), patient) is None:
        return True  # no video was ever reported: there is nothing to take
    if not state.is_stale(node, patient):
        return True
    reports = state.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=graph.key(DRIVE_VIDEOS), asset_partitions=[patient]), limit=1
    ).records
    reported_at = reports[0].timestamp if reports else 0.0
    return _was_started(state, patient, state.consumable(node, patient), reported_at)


def visit_run(graph: StudyGraph, state: StudyState, patient: str, number: int) -> dg.RunRequest:
    """A run of the visit's whole chain.

    Args:
        graph: the study's graph.
        state: what is known, with the present listing.
        patient: the visit.
        number: the sensor's count of its requests: it lets a version run again that ran before, after a
            failure or on a return to it, and a tick that is repeated after a crash starts nothing twice.
    """
    version = state.consumable(graph.nodes[graph.key(RAW_VIDEOS)], patient)
    return dg.RunRequest(
        run_key=f"{patient}:{version}:{number}", partition_key=patient, tags={CONSUMED_TAG: version}
    )


def due_edits(
    graph: StudyGraph, state: StudyState, patients: Sequence[str], number: int
) -> list[dg.RunRequest]:
    """A run for each visit with something stale; for the study's tables once no visit is under way.

    What failed is not tried again with the same inputs.
    """
    # a visit, or None for the study's tables
    busy = {run.tags.get(PARTITION_TAG) for run in runs_under_way(graph, state.instance)}
    requests: list[dg.RunRequest] = []
    waiting = bool(busy)
    for patient in patients:
        if patient in busy:
            continue
        if len(requests) == RUNS_A_TICK:
            break
        wave = _visit_wave(graph, state, patient)
        waiting = waiting or wave is None
        if wave and (request := _edit_run(state, wave, patient, number)):
            requests.append(request)
    if not requests and not waiting:
        tables = next_wave(state, graph.made(per_patient=False), None)
        if tables and (request := _edit_run(state, tables, None, number)):
            requests.append(request)
    return requests


def _visit_wave(graph: StudyGraph, state: StudyState, patient: str) -> list[Node] | None:
    """What is stale of a visit; None where the visit waits for the run that its files will get."""
    if not answered(graph, state, patient):
        return None
    raw_videos = graph.nodes[graph.key(RAW_VIDEOS)]
    failed = {raw_videos.key} if state.is_stale(raw_videos, patient) else set()
    return next_wave(state, wanted(graph, state, patient), patient, blocked=failed)


def _edit_run(
    state: StudyState, wave: Sequence[Node], patient: str | None, number: int
) -> dg.RunRequest | None:
    """A run of the wave; None where it was started on the same inputs since the assets were last made."""
    version = wave_version(state, wave, patient)
    entries = [state.entry(node, patient) for node in wave]
    made_at = max((entry.at for entry in entries if entry), default=0.0)
    if _was_started(state, patient, version, made_at):
        return None
    return dg.RunRequest(
        run_key=f"{patient}:{version}:{number}",
        partition_key=patient,
        asset_selection=[node.key for node in wave],
        tags={CONSUMED_TAG: version},
    )


def _was_started(state: StudyState, patient: str | None, version: str, after: float) -> bool:
    tags = {CONSUMED_TAG: version} | ({PARTITION_TAG: patient} if patient else {})
    runs = dg.RunsFilter(tags=tags, created_after=datetime.fromtimestamp(after, UTC))
    return bool(state.instance.get_runs(runs, limit=1))
