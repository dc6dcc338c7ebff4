"""Runs of a study that are under way, and those whose process died without reporting it.

Dagster's launcher cannot tell whether a process that it started is still alive, and it knows nothing of a
command's process. So the process that works on a run has a lease, which lapses when nobody renews it; on its
own machine its end is noticed at once.
"""

import time

import dagster as dg

from eus_etl.defs.graph import StudyGraph
from eus_etl.defs.keys import STUDY_TAG, TERMINAL_TAG
from eus_etl.defs.leases import living_runs, sweep

STARTUP_S = 60.0
"""A daemon's run takes its lease before its first step, moments after Dagster marks it as started."""

UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def runs_under_way(graph: StudyGraph, instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs of this study that are in progress or queued.

    Those whose process died are marked as failed along the way: otherwise they would count as started
    forever, and block the queue.
    """
    ours = unfinished_runs(graph, instance)
    suspects = [record.dagster_run.run_id for record in ours if _must_live(record)]
    dead = set(suspects) - living_runs(instance) if suspects else set()
    for run_id in dead:
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:  # it may have ended while it was being checked
            instance.report_run_failed(run, "The process that worked on it died. It will be tried again.")
    if dead:
        sweep(instance)
    return [record.dagster_run for record in ours if record.dagster_run.run_id not in dead]


def unfinished_runs(graph: StudyGraph, instance: dg.DagsterInstance) -> list[dg.RunRecord]:
    """Runs of this study that have not ended as far as Dagster knows; changes nothing."""
    records = instance.get_run_records(dg.RunsFilter(statuses=list(UNDER_WAY)))
    return [record for record in records if _is_ours(graph, record.dagster_run)]


def _is_ours(graph: StudyGraph, run: dg.DagsterRun) -> bool:
    if STUDY_TAG in run.tags:
        return run.tags[STUDY_TAG] == graph.study.study
    # someone selected the assets in Dagster's page
    return any(key in graph.nodes for key in run.asset_selection or ())


def _must_live(record: dg.RunRecord) -> bool:
    """Whether a process must be working on a run; the caller then checks that it has not ended just now.

    Queued and starting runs are left to the daemon. A command takes the lease before it creates the run.
    """
    run = record.dagster_run
    if TERMINAL_TAG not in run.tags:
        started_at = record.start_time or record.update_timestamp.timestamp()
        # a start in the future says nothing: the clock was set back since
        is_starting = started_at <= time.time() < started_at + STARTUP_S
        if run.status is not dg.DagsterRunStatus.STARTED or is_starting:
            return False
    return True
