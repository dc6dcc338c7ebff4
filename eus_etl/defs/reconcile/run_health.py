"""Runs of a study that are under way, and those whose process died without saying so.

Dagster's launcher cannot tell whether a process that it started still lives, and of a command's process it
knows nothing. So the process that works on a run holds a lock of the kernel's, which no crash leaves behind.
"""

import time

import dagster as dg

from eus_etl.defs.graph import StudyGraph
from eus_etl.defs.instance import run_locks
from eus_etl.defs.keys import STUDY_TAG, TERMINAL_TAG
from eus_etl.storage.files.locks import is_worked_on, sweep

STARTUP_S = 60.0
"""A run that a daemon started has its lock from its first step on: moments after it counts as started."""

UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def runs_under_way(graph: StudyGraph, instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs of this study that are worked on or wait for it.

    Those whose process died are marked as failed on the way: they would count as started for ever, and the
    queue waits for its started runs.
    """
    records = instance.get_run_records(dg.RunsFilter(statuses=list(UNDER_WAY)))
    ours = [record for record in records if _is_ours(graph, record.dagster_run)]
    dead = {record.dagster_run.run_id for record in ours if _is_dead(instance, record)}
    for run_id in dead:
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:  # it may have come to its end while it was looked at
            instance.report_run_failed(run, "The process that worked on it died. It is tried again.")
    sweep(run_locks(instance))
    return [record.dagster_run for record in ours if record.dagster_run.run_id not in dead]


def _is_ours(graph: StudyGraph, run: dg.DagsterRun) -> bool:
    if STUDY_TAG in run.tags:
        return run.tags[STUDY_TAG] == graph.study.study
    # a person chose assets in the page
    return any(key in graph.nodes for key in run.asset_selection or ())


def _is_dead(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Whether nobody will end a run; who asks must then look once more whether it has ended by itself.

    What waits or starts is the daemon's to look after. A command holds its run's lock before there is a run.
    """
    run = record.dagster_run
    if TERMINAL_TAG not in run.tags:
        started_at = record.start_time or record.update_timestamp.timestamp()
        # a start that is dated ahead is as good as none: the clock was put back since
        is_starting = started_at <= time.time() < started_at + STARTUP_S
        if run.status is not dg.DagsterRunStatus.STARTED or is_starting:
            return False
    return not is_worked_on(run_locks(instance), run.run_id)
