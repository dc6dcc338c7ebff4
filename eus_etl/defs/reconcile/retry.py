"""How the runs of the same plan ended, and when it is due again.

Everything is read from the runs; nothing is stored. What counts is the visit's last runs in a row that had
the same target: if a run in between had another one, the plan is due at once.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import takewhile

import dagster as dg

from eus_etl.defs.keys import CONSUMED_TAG, PARENT_TAG, PARTITION_TAG, SCOPE_TAG, STUDY_TAG
from eus_etl.defs.reconcile.staleness import Node

FIRST_WAIT_S = 15 * 60.0
"""Wait after one failed run; doubled after each further one."""
LONGEST_WAIT_S = 4 * 3600.0

COUNTED = 6
"""So many runs in a row count: further ones do not lengthen the wait."""

PERMANENT = "permanent"
"""On a step's failure: whether it would fail again with the same inputs."""

AT_ONCE, NEVER = 0.0, math.inf


def due_at(
    instance: dg.DagsterInstance,
    tags: Mapping[str, str],
    patient: str | None,
    nodes: Sequence[Node],
    now: float,
) -> float:
    """When the run of a plan is due, in seconds since 1970.

    Args:
        instance: where the runs are recorded.
        tags: the tags of the plan's runs.
        patient: the visit; None for the study's tables.
        nodes: the plan's assets, in topological order.
        now: seconds since 1970.

    Returns:
        ``AT_ONCE`` if the visit's last run had another target, or ended in the future because the clock was
        set back since; ``NEVER`` if it is under way, was canceled by someone, or failed for good in
        everything that is left; otherwise a moment that is later the more runs in a row have left the plan
        unfinished, whatever their status.
    """
    of_scope = {name: tags[name] for name in (STUDY_TAG, SCOPE_TAG)} | (
        {PARTITION_TAG: patient} if patient else {}
    )
    records = instance.get_run_records(dg.RunsFilter(tags=of_scope), limit=COUNTED)
    tries = list(takewhile(lambda record: _is_try(record.dagster_run, tags[CONSUMED_TAG]), records))
    if not tries:
        return AT_ONCE
    last = tries[0]
    run = last.dagster_run
    if not run.is_finished or run.status is dg.DagsterRunStatus.CANCELED:
        return NEVER
    if _failed_for_good(instance, run, nodes):
        return NEVER
    ended_at = last.end_time or last.update_timestamp.timestamp()
    wait_s: float = min(FIRST_WAIT_S * 2 ** (len(tries) - 1), LONGEST_WAIT_S)
    return AT_ONCE if ended_at > now else ended_at + wait_s


def failed_asset(event: dg.DagsterEvent) -> str:
    """Name of the asset whose step failed: a step's key is its asset's key joined by two underscores."""
    return str(event.step_key).split("__")[-1]


def _is_try(run: dg.DagsterRun, target: str) -> bool:
    """Whether the run was planned with this target; one that someone started by hand does not count."""
    return run.tags.get(CONSUMED_TAG) == target and PARENT_TAG not in run.tags


def _failed_for_good(instance: dg.DagsterInstance, run: dg.DagsterRun, nodes: Sequence[Node]) -> bool:
    """Whether each asset would fail again as in this run, or is downstream of one that would."""
    if run.status is not dg.DagsterRunStatus.FAILURE:
        return False
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    events = [record.event_log_entry.dagster_event for record in records]
    hopeless = {failed_asset(event) for event in events if event is not None and _is_permanent(event)}
    for node in nodes:
        if not hopeless.isdisjoint(key.path[-1] for key in node.deps):
            hopeless.add(node.name)
    return bool(hopeless) and all(node.name in hopeless for node in nodes)


def _is_permanent(event: dg.DagsterEvent) -> bool:
    data = event.step_failure_data.user_failure_data
    verdict = data.metadata.get(PERMANENT) if data else None
    return verdict is not None and verdict.value is True
