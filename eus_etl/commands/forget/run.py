"""Forgets visits: sets a tombstone, then removes files, rows and events, and makes the study's tables again.

The tombstone comes first: from then on no source brings the visit back and nothing is planned for it. If the
rest is interrupted, another call goes on.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import dagster as dg

from eus_etl.commands.forget.files import count_files, find_files, remove_files
from eus_etl.commands.forget.names import (
    Names,
    names_of,
    visits_of_person,
    visits_with_alias,
    visits_with_same_videos,
)
from eus_etl.commands.forget.releases import releases_with, remove_from_records
from eus_etl.commands.forget.rows import remove_rows
from eus_etl.defs.event_store.visit import count_visit, remove_visit, require_own, traces_of_visit
from eus_etl.defs.graph import StudyGraph
from eus_etl.defs.instance import HOME_VARIABLE
from eus_etl.defs.keys import PARTITION_TAG
from eus_etl.defs.reconcile.local_session import RunReport, StudySession, make_all
from eus_etl.defs.reconcile.run_health import runs_under_way
from eus_etl.defs.root import other_home, take_root
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import BlockedError, ConfigError
from eus_etl.settings import StudyConfig
from eus_etl.storage.leases.work import work_lease
from eus_etl.storage.provenance import STUDY, read_page
from eus_etl.storage.tombstones import SOURCES_LOCK, find_tombstone, set_tombstone

_TICK_S = 75.0
"""A tick that began before a tombstone was set may still report the visit; none takes longer."""


@dataclass(slots=True)
class Forgotten:
    """What was removed of one visit, or would be.

    Attributes:
        patient_id: its id.
        releases: ids of the releases that hold it.
        files: how many files.
        bytes: their size.
        rows: paths below the root of files of the whole study, to how many of its rows they held.
        runs: how many runs.
        events: how many events of no run.
        same_alias: other visits with its alias.
        same_videos: other visits to ids of videos that they share with it.
        excluded_in: selections of the study's file that name it.
        tables: what became of the study's tables.
    """

    patient_id: str
    releases: Sequence[str] = ()
    files: int = 0
    bytes: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    runs: int = 0
    events: int = 0
    same_alias: Sequence[str] = ()
    same_videos: dict[str, list[str]] = field(default_factory=dict)
    excluded_in: Sequence[str] = ()
    tables: RunReport = field(default_factory=RunReport)


def chosen_visits(study: StudyConfig, given: str, *, only_this: bool, whole_person: bool) -> list[Names]:
    """The visits that are meant: one, or all of the person.

    Raises:
        PatientUnknownError: the study has no such visit.
        BlockedError: the person has other visits, and nobody said whether they are meant.
    """
    paths, names = StudyPaths(study.root), names_of(study, given)
    others = visits_of_person(paths, names.patient_id)
    if others and not (only_this or whole_person):
        raise BlockedError(
            names.patient_id,
            f"the same person has other visits: {', '.join(others)}",
            "say `--all-visits` if the consent to all of them was withdrawn, `--only-this-visit` if not",
        )
    return [names, *(names_of(study, other) for other in others if whole_person)]


def would_forget(study: StudyConfig, instance: dg.DagsterInstance, names: Names) -> Forgotten:
    """What ``forget_visit`` would remove; changes nothing."""
    paths = StudyPaths(study.root)
    found = _warnings(study, names)
    found.files, found.bytes = count_files(find_files(paths, names))
    found.releases = releases_with(paths, names.patient_id)
    counted = count_visit(instance, study.study, names.patient_id)
    found.runs, found.events = counted.runs, counted.events
    return found


def forget_visit(
    study: StudyConfig, instance: dg.DagsterInstance, graph: StudyGraph, names: Names
) -> Forgotten:
    """Forget a visit, or go on with what an interrupted call left; see the module.

    Raises:
        BlockedError: a run or a backfill of it is in progress, or something of it is left.
        EusEtlError: something could not be removed; another call goes on.
    """
    paths, patient_id = StudyPaths(study.root), names.patient_id
    _require_its_home(paths, instance)
    take_root(instance, study)
    require_own(instance, study.study, patient_id)
    done = _warnings(study, names)
    stone = set_tombstone(
        paths,
        patient_id,
        date.today(),
        alias=names.alias,
        uploads=[file.source_id for file in names.uploads],
        releases=releases_with(paths, patient_id),
    )
    done.releases = stone.releases
    _require_rest(graph, instance, patient_id)
    with work_lease(paths, patient_id), work_lease(paths, STUDY):
        found = find_files(paths, names)
        done.files, done.bytes = count_files(found)
        with work_lease(paths, SOURCES_LOCK):
            done.rows = remove_rows(paths, names)
        remove_from_records(paths, patient_id)
        remove_files(paths, found)
    removed = remove_visit(instance, study.study, patient_id)
    done.runs, done.events = removed.runs, removed.events
    done.tables = _make_tables(study, instance)
    _require_nothing_left(paths, instance, names)
    set_tombstone(paths, patient_id, stone.day, finished=True)
    return done


def _warnings(study: StudyConfig, names: Names) -> Forgotten:
    paths = StudyPaths(study.root)
    return Forgotten(
        names.patient_id,
        same_alias=visits_with_alias(paths, names),
        same_videos=visits_with_same_videos(paths, names),
        excluded_in=[
            name for name, rule in study.releases.items() if names.patient_id in rule.exclude_visits
        ],
    )


def _require_its_home(paths: StudyPaths, instance: dg.DagsterInstance) -> None:
    """Another instance knows nothing of the visit's runs, and would leave them in the right one."""
    if other := other_home(paths, Path(instance.root_directory)):
        cause, _, remedy = other.partition(". What to do: ")
        raise ConfigError(HOME_VARIABLE, cause, remedy)


def _require_rest(graph: StudyGraph, instance: dg.DagsterInstance, patient_id: str) -> None:
    """Check that nothing works on the visit, and wait for sensors that may not know of its tombstone."""
    busy = [
        run.run_id for run in runs_under_way(graph, instance) if run.tags.get(PARTITION_TAG) == patient_id
    ]
    if busy:
        raise BlockedError(
            patient_id,
            f"run {busy[0]} of it is queued or in progress; nothing was removed yet, nor is anything started",
            "wait until it has ended, or terminate it in the page; then call again",
        )
    until = time.time() + _TICK_S
    while _ticks(instance, graph.study.study, since=until - 2 * _TICK_S) and time.time() < until:
        time.sleep(0.5)


def _ticks(instance: dg.DagsterInstance, study: str, since: float) -> int:
    """How many ticks of the study's sensors are in progress that began since then."""
    count = 0
    for state in instance.all_instigator_state():
        if state.name.startswith(f"{study}_"):
            last = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
            count += sum(tick.status.value == "STARTED" and tick.timestamp > since for tick in last)
    return count


def _make_tables(study: StudyConfig, instance: dg.DagsterInstance) -> RunReport:
    """Make the study's tables of what is left; a table that cannot be made must not hold the visit either."""
    from eus_etl.defs.assets.external import study_events

    session, report = StudySession(study, instance), RunReport()
    for event in study_events(session.state, study):
        instance.report_runless_asset_event(event)
    session.state.refresh(None)
    make_all(session.graph, session.state, [], set(), report)
    paths = StudyPaths(study.root)
    page = read_page(paths, STUDY)
    for failed in report.failed:
        for path in page[failed.asset].outputs if failed.asset in page else ():
            (paths.root / path).unlink(missing_ok=True)
    return report


def _require_nothing_left(paths: StudyPaths, instance: dg.DagsterInstance, names: Names) -> None:
    places = [*map(paths.relative, find_files(paths, names)), *traces_of_visit(instance, names.patient_id)]
    if places:
        raise BlockedError(
            names.patient_id,
            f"something wrote of it in the meantime: {len(places)} places, such as {places[0]}",
            "call again",
        )


def was_forgotten(paths: StudyPaths, names: Names) -> bool:
    """Whether the visit was forgotten before, completely."""
    stone = find_tombstone(paths, names.patient_id)
    return stone is not None and stone.finished
