"""Clean-up: delete what nothing reads any more, so that afterwards nothing is made again."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from eus_etl.defs.event_store.database import (
    EVENTS,
    NO_RUN,
    before_moment,
    delete_copies,
    delete_events,
    latest_ids,
)
from eus_etl.defs.event_store.needed import sort_runs
from eus_etl.defs.event_store.runs import delete_leftovers, delete_logs, delete_run
from eus_etl.defs.event_store.space import give_back, stored_bytes
from eus_etl.defs.leases import leases_url, sweep
from eus_etl.storage.files.begun import begun
from eus_etl.storage.leases.work import work_lease_at

_LEASE = "upkeep:clean-up"
BEGUN = ".eus_etl_clean_up.begun"
"""In the Dagster home, while a clean-up has begun and has not come to its end."""

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class CleanUp:
    """What a clean-up did.

    Attributes:
        runs: how many runs were deleted.
        kept: how many stay.
        leftovers: of how many runs that were deleted before something was left.
        events: how many events of no run were deleted.
        bytes_before: what events, runs and ticks took on the disk.
        bytes_after: what they take now.
    """

    runs: int
    kept: int
    leftovers: int
    events: int
    bytes_before: int
    bytes_after: int


def clean_up(instance: dg.DagsterInstance, before: float, tell: Tell | None = None) -> CleanUp:
    """Delete old runs, events, results of checks, logs and ticks that nothing reads any more.

    Daemon and runs may work meanwhile. It may be interrupted at any moment: the next one continues.

    Args:
        instance: the Dagster instance.
        before: what is younger stays, in seconds since 1970.
        tell: called with the current run's id, how many are done and how many there are.
    """
    mark = Path(instance.root_directory) / BEGUN
    with work_lease_at(leases_url(instance), _LEASE, "a clean-up"), begun(mark):
        sweep(instance)
        taken = stored_bytes(instance)
        runs = sort_runs(instance, before)
        for number, run_id in enumerate(runs.old):
            if tell:
                tell(run_id, number, len(runs.old))
            delete_run(instance, run_id)
        leftovers = delete_leftovers(instance, before)
        superseded = (EVENTS.c.run_id == NO_RUN) & before_moment(before) & EVENTS.c.id.not_in(latest_ids())
        events = delete_events(instance, superseded)
        delete_copies(instance, superseded)
        for run in runs.kept:  # its events say why it failed, and more of it is seldom looked at
            if run.ended_at < before and run.status is dg.DagsterRunStatus.SUCCESS:
                delete_logs(instance, run.run_id)
        _delete_ticks(instance, before)
        give_back(instance)
        return CleanUp(
            runs=len(runs.old),
            kept=len(runs.kept),
            leftovers=leftovers,
            events=events,
            bytes_before=taken,
            bytes_after=stored_bytes(instance),
        )


def _delete_ticks(instance: dg.DagsterInstance, before: float) -> None:
    """Delete old ticks, but not the last one of a sensor or schedule: the daemon continues from it."""
    for state in instance.all_instigator_state():
        origin, selector = state.instigator_origin_id, state.selector_id
        for last in instance.get_ticks(origin, selector, limit=1):
            instance.purge_ticks(origin, selector, min(before, last.timestamp))
