"""What came of the runs that were started for some inputs, and when those inputs are due again.

A failure that a change of input or configuration alone can mend is an answer. Any other passes by itself: a
network that was away, a full disk, a process that was killed. All is read from the runs; nothing is kept.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg

FIRST_WAIT_S = 15 * 60.0
"""After one failure that may pass; doubled after each further one."""
LONGEST_WAIT_S = 4 * 3600.0

_COUNTED = 6  # failures in a row: more make the wait no longer

PERMANENT = "permanent"
"""On a step's failure: whether trying again with the same inputs gives the same."""

AT_ONCE, NEVER = 0.0, math.inf


def due_at(instance: dg.DagsterInstance, tags: Mapping[str, str], after: float) -> float:
    """When a run for some inputs is due, in seconds since 1970.

    Args:
        instance: whose runs are looked at.
        tags: what the runs for these inputs bear.
        after: runs that were made before this moment do not count.

    Returns:
        ``AT_ONCE`` where none was started; ``NEVER`` where the last one is under way, succeeded, failed for
        good or was ended by a person; else a moment that lies the further off, the more in a row failed.
    """
    created_after = datetime.fromtimestamp(after, UTC)
    started = dg.RunsFilter(tags=dict(tags), created_after=created_after)
    records = instance.get_run_records(started, limit=_COUNTED)
    if not records:
        return AT_ONCE
    failures = next((n for n, record in enumerate(records) if not _failed(record)), len(records))
    last = records[0]
    if not failures or _failed_for_good(instance, last.dagster_run.run_id):
        return NEVER
    ended_at = last.end_time or last.update_timestamp.timestamp()
    wait_s: float = min(FIRST_WAIT_S * 2 ** (failures - 1), LONGEST_WAIT_S)
    return ended_at + wait_s


def _failed(record: dg.RunRecord) -> bool:
    return record.dagster_run.status is dg.DagsterRunStatus.FAILURE


def _failed_for_good(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether each failure of a run would come again; not so where its process died in between."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    events = [record.event_log_entry.dagster_event for record in records]
    said = [event.step_failure_data.user_failure_data for event in events if event is not None]
    verdicts = [data.metadata.get(PERMANENT) if data else None for data in said]
    return bool(verdicts) and all(verdict is not None and verdict.value is True for verdict in verdicts)
