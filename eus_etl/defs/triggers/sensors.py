"""The sensors of a study: both observe, one plans."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

import dagster as dg

from eus_etl.defs.assets.external import changed_versions, events, study_events
from eus_etl.defs.graph import StudyGraph, graph_now
from eus_etl.defs.keys import patients_of
from eus_etl.defs.reconcile.plan import Pass, due_plans, visits_in
from eus_etl.defs.reconcile.run_health import runs_under_way
from eus_etl.defs.reconcile.staleness import StudyState
from eus_etl.defs.root import take_root
from eus_etl.defs.triggers.background_poll import Looks
from eus_etl.defs.triggers.cursor import Cursor
from eus_etl.defs.triggers.skipped import in_trouble
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import EusEtlError
from eus_etl.settings import Service, StudyConfig
from eus_etl.steps.observation.connect import connect
from eus_etl.steps.observation.marks import LOOK_AGAIN_S, looked_within, read_from, source_mark
from eus_etl.steps.observation.observe import observe
from eus_etl.steps.observation.snapshot import DRIVE_VIDEOS, SOURCES, known_visits
from eus_etl.steps.observation.stored import Observation
from eus_etl.steps.observation.unseen import note_seen, note_unseen
from eus_etl.steps.result import version_of
from eus_etl.storage.trouble import told

EVENTS_A_TICK = 1000
"""The first observation of a large table is spread over several ticks."""

LISTING_LIMIT_S = 30.0
"""A tick has a minute; what it cannot list or hash by then waits for the next one."""

LISTING_PATIENCE_S, RECORDS_PATIENCE_S = 45.0, 15.0
"""How long a tick waits for the videos, and for each other source; the poll itself continues."""

TICK_S = 40.0
"""After this a tick waits for no source and plans for no further visit; the next one goes on."""


def videos_sensor(graph: StudyGraph, file: Path | None = None) -> dg.SensorDefinition:
    """Reports new, replaced and removed videos; the other sensor plans what follows from them.

    Args:
        graph: the study's graph.
        file: the study's file, read again at each tick; None if the configuration never changes.
    """
    study = graph.study
    looks: Looks[_Looked] = Looks(LISTING_PATIENCE_S)

    @dg.sensor(
        name=f"{study.study}_videos",
        minimum_interval_seconds=study.sources.poll_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Looks for new, replaced and removed videos.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        cursor, now = Cursor.read(context.cursor), time.time()
        try:
            present = graph_now(graph, file)
            take_root(context.instance, present.study)
        except EusEtlError as error:
            return in_trouble(error)
        paths = StudyPaths(present.study.root)
        try:
            known = cursor.known_mark(DRIVE_VIDEOS, now)
            mark, seen = looks.result(DRIVE_VIDEOS, partial(_look_at, present.study, DRIVE_VIDEOS, known))
        except Exception as error:
            note_unseen(paths, DRIVE_VIDEOS)
            if isinstance(error, EusEtlError):
                return dg.SkipReason(str(error))
            raise told(error, DRIVE_VIDEOS, paths) from None
        note_seen(paths, DRIVE_VIDEOS)
        if seen is None:
            return dg.SkipReason("nothing new")
        state = StudyState(context.instance, StudyPaths(present.study.root), present.nodes)
        changed = changed_versions(state, study.study, seen)
        reported = dict(list(changed.items())[:EVENTS_A_TICK])
        whole = len(reported) == len(changed)
        return dg.SensorResult(
            asset_events=list(events(present.study, DRIVE_VIDEOS, reported)),
            dynamic_partitions_requests=_new_partitions(context.instance, study.study, reported),
            skip_reason=f"{len(seen.versions)} visits, {len(reported)} changes reported",
            cursor=cursor.having_looked(DRIVE_VIDEOS, mark if whole else None, now).model_dump_json(),
        )

    return sensor


def edits_sensor(graph: StudyGraph, file: Path | None = None) -> dg.SensorDefinition:
    """Reports edits of items, rows and corrections, and starts the runs of all plans that are due.

    It plans when something has happened in the instance or in the study's file, when a failed plan is due
    again, and every so often regardless: a file lost from the disk triggers nothing.

    Args:
        graph: the study's graph.
        file: the study's file, read again at each tick; None if the configuration never changes.
    """
    study = graph.study
    looks: Looks[_Looked] = Looks(RECORDS_PATIENCE_S)

    @dg.sensor(
        name=f"{study.study}_edits",
        target=dg.AssetSelection.assets(*(spec.key for spec in graph.specs if not spec.on_request)),
        minimum_interval_seconds=study.sources.poll_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Looks for edits of items, rows, corrections and configuration; starts all runs.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        cursor = Cursor.read(context.cursor)
        now, ends_at = time.time(), time.monotonic() + TICK_S
        try:
            present = graph_now(graph, file)
            take_root(context.instance, present.study)
        except EusEtlError as error:
            return in_trouble(error)
        state = StudyState(context.instance, StudyPaths(present.study.root), present.nodes)
        under_way = runs_under_way(present, context.instance)
        records = _look_at_records(present, state, looks, cursor, now, ends_at)
        # changes with every event of the instance, with the study's configuration, and with the runs that
        # hold plans back: of one that ends during this tick the last event may be among those seen
        last_event = context.instance.event_log_storage.get_maximum_record_id()
        held_back_by = sorted(run.run_id for run in under_way)
        seen = version_of(last_event, held_back_by, [spec.code_version for spec in present.specs])
        if not records.events and seen == cursor.seen and cursor.waits_at(now):
            return dg.SensorResult(
                skip_reason="; ".join(records.failures) or "nothing has happened",
                cursor=records.cursor.model_dump_json(),
            )
        keys = context.instance.get_dynamic_partitions(str(patients_of(study.study).name))
        known = known_visits(state.paths, keys)
        due = due_plans(
            present,
            state,
            [*(key for key in keys if key in known), *sorted(records.patients - known)],
            visits_in(under_way),
            now,
            begun=Pass(cursor.after, cursor.found),
            waiting=sum(run.status is not dg.DagsterRunStatus.STARTED for run in under_way),
            is_late=lambda: time.monotonic() > ends_at,
        )
        rest = due.rest or Pass()
        requests = [plan.request(cursor.number + 1) for plan in due.plans]
        said = [*records.failures, f"{len(records.events)} changes reported"]
        return dg.SensorResult(
            asset_events=records.events,
            dynamic_partitions_requests=_new_partitions(context.instance, study.study, records.patients),
            run_requests=requests,
            skip_reason=None if requests else "; ".join(said),
            cursor=records.cursor.model_copy(
                update={
                    "number": cursor.number + 1,
                    "seen": "" if due.rest else seen,
                    "again_at": min(due.again_at, now + LOOK_AGAIN_S, *cursor.still_again_at),
                    "after": rest.after,
                    "found": rest.found,
                }
            ).model_dump_json(),
        )

    return sensor


@dataclass(slots=True)
class _Records:
    """What a tick found in the sources of records.

    Attributes:
        events: new versions of items, rows and corrections.
        patients: their visits.
        failures: why a source could not be read.
        cursor: the cursor after it.
    """

    cursor: Cursor
    events: list[dg.AssetMaterialization] = field(default_factory=list)
    patients: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)


_Looked: TypeAlias = tuple[str | None, Observation | None]


def _look_at(study: StudyConfig, source: str, known: str | None) -> _Looked:
    """The mark of a source, and what was observed; None if its mark is the known one."""
    sources = connect(study, listing_limit_s=LISTING_LIMIT_S)
    mark = source_mark(study, sources, source)
    return mark, None if mark is not None and mark == known else observe(study, sources, source)


def _look_at_records(
    graph: StudyGraph,
    state: StudyState,
    looks: Looks[_Looked],
    cursor: Cursor,
    now: float,
    ends_at: float,
) -> _Records:
    """Observe items, rows and corrections, each at its interval; the next tick retries one that failed."""
    study = graph.study
    found = _Records(cursor)
    for source in (source for source in SOURCES if source != DRIVE_VIDEOS):
        if looked_within(_interval_s(study, source), cursor.looked_at.get(source, 0.0), now):
            continue
        try:
            left_s = max(0.0, ends_at - time.monotonic())
            look = partial(_look_at, study, source, cursor.known_mark(source, now))
            mark, observation = looks.result(source, look, left_s)
        except Exception as error:
            note_unseen(state.paths, source)
            found.failures.append(str(told(error, source, state.paths)))
            continue
        note_seen(state.paths, source)
        if observation is None:
            continue
        changed = changed_versions(state, study.study, observation)
        taken = dict(list(changed.items())[: EVENTS_A_TICK - len(found.events)])
        if len(taken) == len(changed):
            found.cursor = found.cursor.having_looked(source, mark, now)
        state.assume(graph.key(source), taken)
        found.events += events(study, source, taken)
        found.patients |= taken.keys()
    found.events += study_events(state, study)
    return found


def _interval_s(study: StudyConfig, source: str) -> float:
    """Seconds between two observations of a source: a service costs money and quota, a file does not."""
    services = (config for config in read_from(study, source) if isinstance(config, Service))
    return max((service.poll_s for service in services), default=0)


def _new_partitions(
    instance: dg.DagsterInstance, study: str, patients: Iterable[str]
) -> list[dg.AddDynamicPartitionsRequest]:
    partitions = patients_of(study)
    known = set(instance.get_dynamic_partitions(str(partitions.name)))
    new = sorted(set(patients) - known)
    return [partitions.build_add_request(new)] if new else []
