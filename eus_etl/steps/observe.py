"""Look at the sources: one version a patient and source, and what belongs to nobody.

A source that does not answer raises and leaves the last observation as it was: unknown is not empty.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from eus_etl.domain.matching import PatientMatcher
from eus_etl.domain.paths import StudyPaths, is_safe_id
from eus_etl.domain.table import Table
from eus_etl.domain.tables import REGIONS, SYNC
from eus_etl.errors import EusEtlError
from eus_etl.settings import StudyConfig
from eus_etl.sources.label_items import LabelItemSource
from eus_etl.sources.patient_rows import PatientRowSource
from eus_etl.sources.videos import Listing, VideoSource, WaitingFile
from eus_etl.steps.connections import Sources
from eus_etl.steps.observed import (
    DRIVE_VIDEOS,
    LABEL_ITEMS,
    PATIENT_ROWS,
    REGION_ROWS,
    SOURCES,
    SYNC_ROWS,
    ObservedFile,
    label_items_mark,
    matcher,
    observed_files,
)
from eus_etl.steps.result import version_of
from eus_etl.storage.inventory import Inventory
from eus_etl.storage.parts import NOBODY, write_rejected
from eus_etl.storage.table_files import read_correction


@dataclass(frozen=True, slots=True)
class Observation:
    """What one look at one source found.

    Attributes:
        source: the source's asset name.
        versions: patient ids to versions of what the source holds of them.
        rejected: how many files, items or rows could not be given to a patient.
    """

    source: str
    versions: Mapping[str, str]
    rejected: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A source that could not be looked at."""

    source: str
    error: EusEtlError


def observe(study: StudyConfig, sources: Sources, source: str) -> Observation:
    """Look at one source and store what it holds.

    Raises:
        SourceUnavailableError, SourceError, ConfigError: the source cannot be read; nothing is changed.
    """
    paths = StudyPaths(study.root)
    match source:
        case "label_items":
            return _observe_items(paths, sources.label_items(), sources.subjects())
        case "drive_videos":
            return _observe_videos(paths, sources.videos(), matcher(study))
        case "patient_rows":
            return _observe_rows(paths, sources.patient_rows(), matcher(study))
        case "sync_rows":
            return _observe_written(paths, SYNC_ROWS, paths.sync_csv, SYNC, matcher(study))
        case "region_rows":
            return _observe_written(paths, REGION_ROWS, paths.regions_csv, REGIONS, matcher(study))
    raise ValueError(source)


def videos_mark(study: StudyConfig, sources: Sources) -> str | None:
    """Changes when an observation of the videos could come out otherwise; None where only a look can tell.

    Raises:
        SourceUnavailableError, SourceError: the source cannot be read.
    """
    revision = sources.videos().revision()
    return None if revision is None else version_of(revision, label_items_mark(StudyPaths(study.root)))


def relist_videos(sources: Sources) -> int:
    """List the videos anew, whatever their source remembers; returns how many changes had been missed.

    A source that cannot be listed now is told of by the observation that follows.
    """
    try:
        missed = sources.videos().relist()
    except EusEtlError:
        return 0
    return len(missed.appeared) + len(missed.vanished) + len(missed.changed)


def observe_all(study: StudyConfig, sources: Sources) -> tuple[list[Observation], list[Failure]]:
    """Look at every source; one that fails does not keep the others from being seen."""
    seen: list[Observation] = []
    failed: list[Failure] = []
    for source in SOURCES:
        try:
            seen.append(observe(study, sources, source))
        except EusEtlError as error:
            failed.append(Failure(source, error))
    return seen, failed


def _observe_items(paths: StudyPaths, source: LabelItemSource, subjects: Mapping[str, str]) -> Observation:
    scan = source.scan()
    observed = {
        item.patient_id: {
            "pseudo_name": item.pseudo_name,
            "attributes": dict(item.attributes),
            "subject_id": subjects.get(item.patient_id),
        }
        for item in scan.items
    }
    rejected = [asdict(bad) for bad in scan.rejected]
    return _store(paths, LABEL_ITEMS, observed, rejected)


def _observe_videos(paths: StudyPaths, source: VideoSource, match: PatientMatcher) -> Observation:
    listing = source.list_files()
    before = {patient: observed_files(paths, patient) for patient in Inventory(paths, DRIVE_VIDEOS).versions}
    # a visit whose files all moved elsewhere keeps an entry, so that its tables are made anew without them
    files: dict[str, list[ObservedFile]] = {
        patient: _kept(known, listing) for patient, known in before.items()
    }
    rejected = [_not_taken(file, match.of_path(file.parts)) for file in (*listing.waiting, *listing.left_out)]
    for file in listing.files:
        found = match.of_path(file.parts)
        if len(found) == 1:
            seen = ObservedFile(source_id=file.source_id, parts=file.parts, size=file.size, md5=file.md5)
            files.setdefault(next(iter(found)), []).append(seen)
        else:
            rejected.append(_unmatched(file.source_id, file.parts, len(found)))
    observed = {
        patient: {"files": [file.model_dump() for file in sorted(held, key=lambda file: file.parts)]}
        for patient, held in files.items()
    }
    return _store(paths, DRIVE_VIDEOS, observed, rejected)


def _kept(known: Sequence[ObservedFile], listing: Listing) -> list[ObservedFile]:
    """Of the files known before, those that are not listed now but are not given up either.

    A file that waits stays as it was. One whose content is listed elsewhere has moved, and one whose place
    holds other content was replaced: these go. One that is nowhere is marked as gone; its copy stays.
    """
    places = {file.source_id for file in listing.files}
    contents = {file.md5 for file in listing.files}
    waiting = {file.source_id for file in listing.waiting}
    unlisted = [file for file in known if file.source_id not in places and file.md5 not in contents]
    return [
        file if file.source_id in waiting else file.model_copy(update={"gone": True}) for file in unlisted
    ]


def _observe_rows(paths: StudyPaths, source: PatientRowSource, match: PatientMatcher) -> Observation:
    rows: dict[str, list[Mapping[str, str]]] = {}
    rejected: list[dict[str, object]] = []
    for row in source.read().rows:
        found = match.of_key(row.key)
        if len(found) == 1:
            rows.setdefault(next(iter(found)), []).append(dict(row.cells))
        else:
            rejected.append(_unknown_row(row.number, len(found)))
    return _store(paths, PATIENT_ROWS, {key: {"rows": value} for key, value in rows.items()}, rejected)


def _observe_written(
    paths: StudyPaths, source: str, path: Path, table: Table, match: PatientMatcher
) -> Observation:
    rows: dict[str, list[dict[str, object]]] = {}
    rejected: list[dict[str, object]] = []
    for number, row in enumerate(read_correction(path, table).to_dicts(), start=2):
        found = match.of_key(row["patient_id"] or "")
        if len(found) == 1:
            (patient_id,) = found
            rows.setdefault(patient_id, []).append({**row, "patient_id": patient_id})
        else:
            rejected.append(_unknown_row(number, len(found)))
    return _store(paths, source, {patient_id: {"rows": held} for patient_id, held in rows.items()}, rejected)


def _unknown_row(number: int, patients: int) -> dict[str, object]:
    return {
        "item": f"row {number}",
        "reason": "unknown_patient" if patients == 0 else "several_patients",
        "detail": f"its key fits {patients} visits",
        "remedy": "write the visit's id or alias as the label item has it",
    }


def _store(
    paths: StudyPaths,
    source: str,
    observed: Mapping[str, Mapping[str, object]],
    rejected: Iterable[Mapping[str, object]],
) -> Observation:
    versions = {
        patient_id: version_of(found) for patient_id, found in observed.items() if is_safe_id(patient_id)
    }
    recorded = write_rejected(paths, source, NOBODY, rejected)
    Inventory(paths, source).store(observed, versions)
    return Observation(source, versions, recorded.height)


def _unmatched(source_id: str, parts: tuple[str, ...], patients: int) -> dict[str, object]:
    return {
        "item": source_id,
        "file_name": "/".join(parts),
        "reason": "matches_nobody" if patients == 0 else "matches_several",
        "detail": f"its path fits {patients} visits",
        "remedy": "begin the folder's or file's name with the visit's id or alias",
    }


_WAITING_REMEDY: Mapping[str, str] = {
    "empty_file": "upload the file again",
    "still_being_written": "nothing: it is taken once it stops changing",
    "not_hashed_yet": "nothing: it is taken at the next observation",
    "still_uploading": "nothing: it is taken once its upload is complete",
    "trashed": "nothing, or take it out of the trash",
    "google_native_file": "upload a video file; this is a document of Google's",
    "broken_shortcut": "share the shortcut's target with the service account, or remove the shortcut",
    "listed_elsewhere": "nothing: the file is taken at its other place",
}


def _not_taken(file: WaitingFile, found: frozenset[str]) -> dict[str, object]:
    whose = f"of visit {next(iter(found))}" if len(found) == 1 else f"its path fits {len(found)} visits"
    return {
        "item": file.source_id,
        "file_name": "/".join(file.parts),
        "reason": file.reason,
        "detail": f"not taken yet; {whose}",
        "remedy": _WAITING_REMEDY[file.reason],
    }
