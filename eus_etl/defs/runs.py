"""Runs of a study that are under way, and those whose process died without saying so."""

import dagster as dg

from eus_etl.defs.graph import StudyGraph
from eus_etl.defs.names import TERMINAL_TAG
from eus_etl.domain.paths import StudyPaths
from eus_etl.storage.locks import session_is_running

_UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def runs_under_way(graph: StudyGraph, instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs of this study's assets that are worked on or queued.

    Dagster notices when a process that it started dies. A command's process it did not start: what such a
    process left is not under way once no session holds the study's lock.
    """
    alive = session_is_running(StudyPaths(graph.study.root))
    return [run for run in _started(graph, instance) if alive or TERMINAL_TAG not in run.tags]


def close_dead_runs(graph: StudyGraph, instance: dg.DagsterInstance) -> None:
    """Mark the runs of commands that died as failed; only while no other session works on the study."""
    for run in _started(graph, instance):
        if TERMINAL_TAG in run.tags:
            instance.report_run_failed(run, message="The command that worked on it was ended; run it again.")


def _started(graph: StudyGraph, instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    ours = {graph.key(spec.name) for spec in graph.specs}
    return [
        run
        for run in instance.get_runs(dg.RunsFilter(statuses=list(_UNDER_WAY)))
        if run.asset_selection is None or not ours.isdisjoint(run.asset_selection)
    ]
