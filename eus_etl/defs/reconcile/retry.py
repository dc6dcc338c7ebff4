"""What came of the runs that had the same plan, and when it is due again.

All is read from the runs; nothing is kept. Those count that were the last of their visit and led to the same
state, in a row: once something else was wanted in between, a plan is due at once.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import takewhile

import dagster as dg

from eus_etl.defs.keys import CONSUMED_TAG, PARENT_TAG, PARTITION_TAG, SCOPE_TAG, STUDY_TAG
from eus_etl.defs.reconcile.staleness import Node

FIRST_WAIT_S = 15 * 60.0
"""After one run that did not do it; doubled after each further one."""
LONGEST_WAIT_S = 4 * 3600.0

_COUNTED = 6  # runs in a row: more make the wait no longer

PERMANENT = "permanent"
"""On a step's failure: whether trying again with the same inputs gives the same."""

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
        instance: whose runs are looked at.
        tags: what the plan's runs carry.
        patient: the visit; None for the study's tables.
        nodes: what the plan holds, in topological order.
        now: seconds since 1970.

    Returns:
        ``AT_ONCE`` where the visit's last run was for something else, or ended at a moment that is still to
        come, by a clock that was put back; ``NEVER`` where it is under way, was ended by a person, or failed
        for good in all that is left; else a moment that lies the further off, the more runs in a row left the
        plan undone, whatever they said.
    """
    of_scope = {name: tags[name] for name in (STUDY_TAG, SCOPE_TAG)} | (
        {PARTITION_TAG: patient} if patient else {}
    )
    records = instance.get_run_records(dg.RunsFilter(tags=of_scope), limit=_COUNTED)
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
    """Name of the asset whose step failed: a step's key is its asset's key, joined by two underscores."""
    return str(event.step_key).split("__")[-1]


def _is_try(run: dg.DagsterRun, target: str) -> bool:
    """Whether it was planned with this target; what a person asked for is no try."""
    return run.tags.get(CONSUMED_TAG) == target and PARENT_TAG not in run.tags


def _failed_for_good(instance: dg.DagsterInstance, run: dg.DagsterRun, nodes: Sequence[Node]) -> bool:
    """Whether each asset would fail again as it did in this run, or follows one that would."""
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
