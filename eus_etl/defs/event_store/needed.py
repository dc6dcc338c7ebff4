"""Which runs can be deleted: those of which nothing is read any more.

With a run go its events, and with them the data versions by which staleness tells what is current. So a run
stays while it holds the last event of anything, and while somebody counts, names or continues it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from eus_etl.defs.assets.names import Asset
from eus_etl.defs.event_store.database import CHECKS, EVENTS, chunks, index_of, latest_ids, run_ids
from eus_etl.defs.keys import (
    BACKFILL_TAG,
    CONSUMED_TAG,
    PARENT_TAG,
    PARTITION_TAG,
    ROOT_TAG,
    SCOPE_TAG,
    STUDY_TAG,
)
from eus_etl.defs.reconcile.confirm import MADE_BY
from eus_etl.defs.reconcile.retry import COUNTED

_RECORDS_AT_ONCE = 500
_ENDED_BY_ITSELF = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)
_BACKFILL_OVER = ("COMPLETED", "COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED", "CANCELED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What of a run decides whether it is still needed.

    Attributes:
        run_id: its id.
        status: its status.
        ended_at: when it ended, in seconds since 1970; when it last changed, where that is unknown.
        tags: its tags.
        job_name: the job that it ran.
        releases: whether it made a release.
    """

    run_id: str
    status: dg.DagsterRunStatus
    ended_at: float
    tags: Mapping[str, str]
    job_name: str = ""
    releases: bool = False

    @property
    def is_finished(self) -> bool:
        """Whether it has ended, however."""
        return self.status in (*_ENDED_BY_ITSELF, dg.DagsterRunStatus.CANCELED)

    @property
    def ancestors(self) -> set[str]:
        """The runs that it repeats: the page shows them together."""
        return {self.tags[tag] for tag in (PARENT_TAG, ROOT_TAG) if tag in self.tags}


@dataclass(frozen=True, slots=True)
class Sorted:
    """All runs of an instance.

    Attributes:
        old: ids of those that can be deleted, the oldest first.
        kept: those that stay, the newest first.
    """

    old: Sequence[str]
    kept: Sequence[Run]


def sort_runs(instance: dg.DagsterInstance, before: float) -> Sorted:
    """Tell the runs that can be deleted from those that are still needed.

    Args:
        instance: the Dagster instance.
        before: runs that ended after this moment stay, in seconds since 1970.
    """
    runs = list(_runs(instance))
    with index_of(instance) as connection:
        named = _holders(connection) | set(_reserved(instance))
    named |= _makers(instance)
    backfills = {
        backfill.backfill_id
        for backfill in instance.get_backfills()
        if backfill.status.value not in _BACKFILL_OVER
    }
    needed = needed_runs(runs, named, backfills, before)
    return Sorted(
        old=[run.run_id for run in reversed(runs) if run.run_id not in needed],
        kept=[run for run in runs if run.run_id in needed],
    )


def needed_runs(
    runs: Sequence[Run], named: Iterable[str], backfills: Iterable[str], before: float
) -> set[str]:
    """Ids of the runs that have to stay.

    Args:
        runs: all runs, the newest first.
        named: ids of runs that stay for reasons of their own: they hold the last event of something.
        backfills: ids of backfills that go on.
        before: as ``sort_runs``.
    """
    needed, going_on = set(named), set(backfills)
    tries: dict[tuple[str, ...], _Tries] = {}
    ended: set[tuple[str, ...]] = set()
    for run in runs:
        tags = run.tags
        if (
            not run.is_finished
            or run.ended_at >= before
            or run.releases
            or tags.get(BACKFILL_TAG) in going_on
        ):
            needed.add(run.run_id)
        if SCOPE_TAG in tags:  # the last tries of a plan decide when it is due again
            scope = tuple(tags.get(tag, "") for tag in (STUDY_TAG, SCOPE_TAG, PARTITION_TAG))
            if tries.setdefault(scope, _Tries()).counts(run):
                needed.add(run.run_id)
        if run.status in _ENDED_BY_ITSELF:  # how something last ended decides whether a person is told
            whole = [(STUDY_TAG, PARTITION_TAG), (PARTITION_TAG,), (STUDY_TAG, SCOPE_TAG)]
            scopes = {
                ("tags", *names, *(tags[name] for name in names))
                for names in whole
                if all(name in tags for name in names)
            } | {("job", run.job_name)}
            if not scopes <= ended:
                needed.add(run.run_id)
                ended |= scopes
    of = {run.run_id: run for run in runs}
    unseen = list(needed)
    while unseen:
        run_id = unseen.pop()
        fresh = of[run_id].ancestors - needed if run_id in of else set()
        needed |= fresh
        unseen += fresh
    return needed


@dataclass(slots=True)
class _Tries:
    """The last runs of one scope up to the first that had another target, or as many as are counted."""

    target: str | None = None
    seen: int = 0
    is_over: bool = False

    def counts(self, run: Run) -> bool:
        """Whether a run, the next older one, has to stay."""
        if self.is_over:
            return False
        target = run.tags.get(CONSUMED_TAG)
        self.seen += 1
        if self.seen == 1:
            self.target = target
        self.is_over = target != self.target or PARENT_TAG in run.tags or self.seen == COUNTED
        return True


def _runs(instance: dg.DagsterInstance) -> Iterator[Run]:
    """All runs, the newest first."""
    cursor = None
    while records := instance.get_run_records(limit=_RECORDS_AT_ONCE, cursor=cursor):
        for record in records:
            run = record.dagster_run
            yield Run(
                run_id=run.run_id,
                status=run.status,
                ended_at=record.end_time or record.update_timestamp.timestamp(),
                tags={tag: run.tags[tag] for tag in _READ_TAGS if tag in run.tags},
                job_name=run.job_name,
                releases=any(key.path[-1] == Asset.RELEASE for key in run.asset_selection or ()),
            )
        cursor = records[-1].dagster_run.run_id


_READ_TAGS = (STUDY_TAG, SCOPE_TAG, PARTITION_TAG, CONSUMED_TAG, PARENT_TAG, ROOT_TAG, BACKFILL_TAG)


def _holders(connection: Connection) -> set[str]:
    """Runs that hold the last event of something, the last result of a check, or the very last event."""
    last = sql.select(sql.func.max(EVENTS.c.id))
    of_events = sql.select(EVENTS.c.run_id).where(EVENTS.c.id.in_(latest_ids())).distinct()
    of_checks = sql.select(CHECKS.c.run_id).where(
        CHECKS.c.id.in_(
            sql.select(sql.func.max(CHECKS.c.id)).group_by(
                CHECKS.c.asset_key, CHECKS.c.check_name, CHECKS.c.partition
            )
        )
    )
    very_last = sql.select(EVENTS.c.run_id).where(EVENTS.c.id.in_(last))
    found: set[str] = set()
    for query in (of_events, of_checks, very_last):
        found |= run_ids(connection, query)
    return found


def _makers(instance: dg.DagsterInstance) -> set[str]:
    """Runs that made what was last only confirmed: the page names them, and they hold the counts."""
    query = sql.select(EVENTS.c.asset_key, EVENTS.c.id).where(
        EVENTS.c.id.in_(latest_ids()),
        EVENTS.c.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value,
        EVENTS.c.event.like(f'%"{MADE_BY}"%'),
    )
    of_asset: dict[str, list[int]] = {}
    with index_of(instance) as connection:
        for key, event_id in connection.execute(query):
            of_asset.setdefault(key, []).append(event_id)
    found = set()
    for key, ids in of_asset.items():
        for chunk in chunks(ids):
            asked = dg.AssetRecordsFilter(dg.AssetKey(json.loads(key)), storage_ids=chunk)
            for record in instance.fetch_materializations(asked, limit=len(chunk)).records:
                made = record.asset_materialization
                if made is not None and MADE_BY in made.metadata:
                    found.add(str(made.metadata[MADE_BY].value))
    return found


def _reserved(instance: dg.DagsterInstance) -> Iterator[str]:
    """Runs of ticks that were interrupted: the daemon starts again what it does not find."""
    for state in instance.all_instigator_state():
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        for tick in ticks:
            yield from (run_id for run_id, _ in tick.reserved_run_ids_with_requests)
