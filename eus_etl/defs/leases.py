"""The leases of a Dagster instance: those of runs say which are alive, those of work who works on what."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from weakref import WeakKeyDictionary

import dagster as dg
import sqlalchemy as sql

from eus_etl.defs.event_store.database import runs_of
from eus_etl.defs.keys import PARTITION_TAG, STUDY_TAG
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.storage.leases.database import FILE_NAME
from eus_etl.storage.leases.holding import Held, give_back, patiently, take
from eus_etl.storage.leases.process import is_gone
from eus_etl.storage.leases.table import Holder, Lease, LeaseTable, table_at
from eus_etl.storage.leases.work import lease_at, work_lease_at, work_name
from eus_etl.storage.provenance import STUDY

RETURNS_S = 15.0
"""Where the database was away, all leases may have lapsed: once it is back, the living renew theirs soon."""

_RUN = "run:"
_LEFT_S = 600.0
"""A lease that lapsed so long ago is removed; its holder, should it come back, has lost it."""


def leases_url(instance: dg.DagsterInstance) -> sql.URL:
    """The database of an instance's leases: its PostgreSQL, or a file of its own."""
    if (known := _URLS.get(instance)) is not None:
        return known
    with runs_of(instance) as connection:
        url = connection.engine.url
        if url.get_backend_name() == "sqlite":
            runs = str(connection.execute(sql.text("PRAGMA database_list")).one()[2])
            folder = Path(runs).parent if runs else Path(instance.root_directory)  # else it is in memory
            url = sql.URL.create("sqlite", database=str(folder / FILE_NAME))
    _URLS[instance] = url
    return url


def leases_of(instance: dg.DagsterInstance) -> LeaseTable:
    """The leases of an instance."""
    return table_at(leases_url(instance))


def use_leases(instance: dg.DagsterInstance, study: StudyConfig) -> None:
    """Have whatever works below the study's root in this process take leases of this instance."""
    lease_at(StudyPaths(study.root), leases_url(instance), study.study)


@contextmanager
def run_lease(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Declare, for the block, that this process works on a run."""
    if not _declare(instance, run_id):
        yield
        return
    try:
        yield
    finally:
        give_back(_RUNS.pop(run_id))


def declare_to_the_end(instance: dg.DagsterInstance, run_id: str) -> None:
    """Declare until this process ends that it works on a run, unless it does already."""
    _declare(instance, run_id)


def _declare(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether this process says so from now on; not where it, or another process, does already."""
    if run_id in _RUNS:
        return False
    held = take(leases_of(instance), _RUN + run_id, f"run {run_id}", insists=True)
    if held is not None:
        _RUNS[run_id] = held
    return held is not None


def living_runs(instance: dg.DagsterInstance) -> set[str]:
    """Ids of the runs that a process works on, whichever machine it is on.

    A lease that lapsed on another machine counts for ``RETURNS_S`` from when this process first saw it so.
    """
    found = patiently(lambda: leases_of(instance).all(_RUN))
    now = time.monotonic()
    lapsed = {holder.lease for holder in found.values() if holder.lapsed and not is_gone(holder.process)}
    for lease in _LAPSED.keys() - lapsed:
        del _LAPSED[lease]
    returning = {lease for lease in lapsed if now - _LAPSED.setdefault(lease, now) < RETURNS_S}
    return {
        name.removeprefix(_RUN)
        for name, holder in found.items()
        if not holder.is_dead or holder.lease in returning
    }


def sweep(instance: dg.DagsterInstance) -> None:
    """Remove the leases that dead processes left."""
    table = leases_of(instance)
    for holder in patiently(table.all).values():
        if is_gone(holder.process):
            table.release(holder.lease)
    table.remove_lapsed(_LEFT_S)


@contextmanager
def work_of_run(
    instance: dg.DagsterInstance, run: dg.DagsterRun, tell: Callable[[Holder], None]
) -> Iterator[None]:
    """Have the lease of what a run works on for the block: its visit, or the study's tables."""
    study = run.tags.get(STUDY_TAG) or next((key.path[0] for key in run.asset_selection or ()), "")
    visit = run.tags.get(PARTITION_TAG) or (STUDY if run.asset_selection else None)
    with ExitStack() as held:
        if study and visit:
            said = f"run {run.run_id}"
            held.enter_context(work_lease_at(leases_url(instance), work_name(study, visit), said, tell))
        yield


@contextmanager
def work_of_command(
    instance: dg.DagsterInstance, study: str, patient: str | None, tell: Callable[[Holder], None]
) -> Iterator[None]:
    """Have the lease of a visit (None: of the study's tables) for what a command does in the block."""
    name = work_name(study, patient or STUDY)
    with work_lease_at(leases_url(instance), name, "a command", tell):
        yield


def forget_leases(instance: dg.DagsterInstance, study: str, patient_id: str) -> None:
    """Remove what names a forgotten visit."""
    leases_of(instance).remove([work_name(study, patient_id)])


_URLS: WeakKeyDictionary[dg.DagsterInstance, sql.URL] = WeakKeyDictionary()
_RUNS: dict[str, Held] = {}
"""Ids of runs that this process works on, to their leases."""
_LAPSED: dict[Lease, float] = {}
"""Leases of runs that had lapsed at the last look, to when this process first saw it, by its own clock."""
