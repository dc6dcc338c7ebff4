"""Observe the sources: one version per visit and source, and what is unassigned.

A source that does not answer raises and leaves the last observation as it was: unknown is not empty.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.patient_matching import PatientMatcher
from eus_etl.domain.patients import checked_cells
from eus_etl.domain.tables.catalog import REGIONS, SYNC
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.errors import EusEtlError
from eus_etl.settings import PatientsConfig, StudyConfig
from eus_etl.sources.label_items.base import LabelItemSource
from eus_etl.sources.patient_rows.base import PatientRowSource
from eus_etl.sources.videos.base import LeavesOut, VideoSource
from eus_etl.steps.observation.connect import Sources, leaves_out_of
from eus_etl.steps.observation.corrections import (
    read_hand_written,
    region_rows,
    surplus_row,
    sync_rows,
    unknown_row,
    without_forgotten,
)
from eus_etl.steps.observation.known_files import kept_files, known_files
from eus_etl.steps.observation.known_screens import had_known_screens, store_known_screens
from eus_etl.steps.observation.losses import lost_files, refuse_loss
from eus_etl.steps.observation.not_taken import alias_of_forgotten, not_taken, unmatched
from eus_etl.steps.observation.snapshot import (
    DRIVE_VIDEOS,
    LABEL_ITEMS,
    PATIENT_ROWS,
    REGION_ROWS,
    SYNC_ROWS,
    ObservedFile,
    matcher,
    subject_of,
)
from eus_etl.steps.observation.stored import Observation, store_observation
from eus_etl.storage.source_snapshots import Inventory
from eus_etl.storage.tombstones import forgotten_names


def observe(study: StudyConfig, sources: Sources, source: str) -> Observation:
    """Observe one source and store what it holds.

    Raises:
        SourceUnavailableError, SourceError, ConfigError: the source cannot be read; nothing is changed.
    """
    paths, max_loss = StudyPaths(study.root), study.sources.max_loss_share
    match source:
        case "label_items":
            return _observe_items(paths, sources.label_items(), sources.subjects, max_loss)
        case "drive_videos":
            leaves_out = leaves_out_of(paths, study.sources.path_pattern)
            return _observe_videos(paths, sources.videos(), matcher(study), max_loss, leaves_out)
        case "patient_rows":
            return _observe_rows(paths, sources.patient_rows(), matcher(study), study.patients, max_loss)
        case "sync_rows":
            return _observe_sync(paths, matcher(study))
        case "region_rows":
            return _observe_regions(paths, matcher(study))
    raise ValueError(source)


def relist_videos(sources: Sources) -> int:
    """List all videos again, whatever their source remembers; returns how many changes had been missed.

    Raises:
        EusEtlError: the source cannot be listed now; what is known stays.
    """
    missed = sources.videos().relist()
    return len(missed.appeared) + len(missed.vanished) + len(missed.changed)


def _observe_items(
    paths: StudyPaths,
    source: LabelItemSource,
    read_subjects: Callable[[], Mapping[str, str]],
    max_loss_share: float,
) -> Observation:
    scan, forgotten = source.scan(), forgotten_names(paths)
    items = [item for item in scan.items if not forgotten.has_key(item.patient_id)]
    known = Inventory(paths, LABEL_ITEMS).versions
    lost = known.keys() - {item.patient_id for item in items}
    refuse_loss(
        "sources.label_items",
        "items",
        present=len(items),
        known=len(known),
        lost=len(lost),
        max_share=max_loss_share,
    )
    rejected = list(scan.rejected)
    try:
        subjects = read_subjects()
    except EusEtlError as error:  # labels do not wait for it
        subjects = {patient_id: subject for patient_id in known if (subject := subject_of(paths, patient_id))}
        rejected.append(_no_subject_ids(error))
    observed = {
        item.patient_id: {
            "pseudo_name": item.pseudo_name,
            "attributes": dict(item.attributes),
            "subject_id": subjects.get(item.patient_id),
        }
        for item in items
    }
    rejected += [
        alias_of_forgotten(item.patient_id)
        for item in items
        if item.pseudo_name and forgotten.has_key(item.pseudo_name)
    ]
    names = {item.patient_id: item.pseudo_name or "" for item in items}
    return store_observation(paths, LABEL_ITEMS, observed, rejected, notes=names)


def _no_subject_ids(error: EusEtlError) -> Rejection:
    return Rejection(
        item=error.subject,
        reason="no_subject_ids",
        detail=f"{error.cause}; ids that were known before stay",
        remedy=error.remedy or None,
    )


def _observe_videos(
    paths: StudyPaths,
    source: VideoSource,
    match: PatientMatcher,
    max_loss_share: float,
    leaves_out: LeavesOut,
) -> Observation:
    listing = source.list_files().without(leaves_out)  # of visits forgotten while it was listed
    before = known_files(paths)
    held = [file for known in before.values() for file in known if not file.gone]
    refuse_loss(
        "sources.videos",
        "files",
        present=len(listing.files) + len(listing.waiting),
        known=len(held),
        lost=lost_files(held, listing),
        max_share=max_loss_share,
    )
    # a visit whose files have all moved keeps an entry, so that its tables are made again without them
    files = kept_files(before, listing)
    rejected = [not_taken(file, match.of_path(file.parts)) for file in (*listing.waiting, *listing.left_out)]
    holders = {_place(file): patient for patient, known in before.items() for file in known}
    for file in listing.files:
        seen = ObservedFile(source_id=file.source_id, parts=file.parts, size=file.size, md5=file.md5)
        found = match.of_path(file.parts)
        if len(found) == 1:
            files.setdefault(next(iter(found)), []).append(seen)
            continue
        rejected.append(unmatched(file.source_id, file.parts, len(found)))
        if holder := holders.get(_place(seen)):
            # it did not move: an item or alias changed, and a slip there must not cost a visit its videos
            files[holder].append(seen.model_copy(update={"unclear": True}))
    observed = {
        patient: {"files": [file.model_dump() for file in sorted(held, key=lambda file: file.parts)]}
        for patient, held in files.items()
    }
    return replace(
        store_observation(paths, DRIVE_VIDEOS, observed, rejected),
        waits=Counter(file.reason for file in listing.waiting),
        ready_in_s=max(
            (file.ready_in_s for file in listing.waiting if file.ready_in_s is not None), default=None
        ),
    )


def _place(file: ObservedFile) -> tuple[object, ...]:
    return file.source_id, file.parts, file.md5


def _observe_rows(
    paths: StudyPaths,
    source: PatientRowSource,
    match: PatientMatcher,
    columns: PatientsConfig,
    max_loss_share: float,
) -> Observation:
    rows: dict[str, list[Mapping[str, str]]] = {}
    rejected: list[Rejection] = []
    scan, forgotten = source.read(), forgotten_names(paths)
    for row in scan.rows:
        if forgotten.has_key(row.key):
            continue
        found = match.of_key(row.key)
        if len(found) == 1:
            rows.setdefault(next(iter(found)), []).append(checked_cells(row.cells, columns))
        else:
            rejected.append(unknown_row(row.number, len(found)))
    rejected += map(surplus_row, scan.surplus)
    known = Inventory(paths, PATIENT_ROWS).versions
    lost = known.keys() - rows.keys()
    refuse_loss(
        "sources.patient_rows",
        "visits with a row",
        present=len(scan.rows),
        known=len(known),
        lost=len(lost),
        max_share=max_loss_share,
    )
    return store_observation(
        paths, PATIENT_ROWS, {key: {"rows": value} for key, value in rows.items()}, rejected
    )


def _observe_sync(paths: StudyPaths, match: PatientMatcher) -> Observation:
    had_rows = bool(Inventory(paths, SYNC_ROWS).versions)
    file = read_hand_written(paths.sync_csv, SYNC, had_rows=had_rows)
    written = sync_rows(without_forgotten(file, forgotten_names(paths)), match)
    observed = {
        patient_id: {
            "rows": held,
            "refused": [row.model_dump(mode="json") for row in written.refused[patient_id]],
        }
        for patient_id, held in written.of_visits.items()
    }
    return store_observation(paths, SYNC_ROWS, observed, written.rejected)


def _observe_regions(paths: StudyPaths, match: PatientMatcher) -> Observation:
    had_rows = bool(Inventory(paths, REGION_ROWS).versions) or had_known_screens(paths)
    file = read_hand_written(paths.regions_csv, REGIONS, had_rows=had_rows)
    written = region_rows(without_forgotten(file, forgotten_names(paths)), match)
    store_known_screens(paths, written.known_screens, written.confirmed)
    observed = {patient_id: {"rows": held} for patient_id, held in written.of_visits.items()}
    return store_observation(paths, REGION_ROWS, observed, written.rejected)
