"""What the last observations found: read from the inventory, never from a source."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import polars as pl
from pydantic import BaseModel, ConfigDict

from eus_etl.domain.frame_ids import video_id_of
from eus_etl.domain.paths import StudyPaths, is_safe_id
from eus_etl.domain.patient_matching import PatientMatcher
from eus_etl.domain.tables.catalog import REGIONS, SYNC
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.errors import PatientUnknownError, SnapshotLostError
from eus_etl.settings import StudyConfig
from eus_etl.sources.videos.base import SourceFile
from eus_etl.steps.observation.known_screens import KNOWN_SCREENS, require_known_screens
from eus_etl.steps.result import version_of
from eus_etl.storage.files.checksums import file_sha256
from eus_etl.storage.source_snapshots import Inventory
from eus_etl.storage.tables.parts import NOBODY, rejected_part
from eus_etl.storage.tombstones import forgotten_names

DRIVE_VIDEOS, LABEL_ITEMS = "drive_videos", "label_items"
PATIENT_ROWS = "patient_rows"
SYNC_ROWS, REGION_ROWS = "sync_rows", "region_rows"
SOURCES = (LABEL_ITEMS, DRIVE_VIDEOS, PATIENT_ROWS, SYNC_ROWS, REGION_ROWS)
"""Observed in this order: aliases are known from the items."""

UNASSIGNED = "unassigned"
OF_THE_STUDY = (KNOWN_SCREENS, UNASSIGNED)
"""What is observed once for the whole study."""


class ObservedFile(BaseModel):
    """A file as the last observation of the videos' source stored it.

    Attributes:
        gone: the source no longer holds it, though it was neither moved nor replaced.
        unclear: it lies where it did when it was this visit's, but its path now matches no visit, or several.
    """

    model_config = ConfigDict(frozen=True)

    source_id: str
    parts: tuple[str, ...]
    size: int
    md5: str
    gone: bool = False
    unclear: bool = False

    @property
    def video_id(self) -> str:
        """The id of the video that the file is."""
        return video_id_of(self.md5)

    def as_source_file(self) -> SourceFile:
        """The file as its source listed it."""
        return SourceFile(self.source_id, self.parts, self.size, self.md5)


class _Files(BaseModel):
    files: tuple[ObservedFile, ...] = ()


class _Item(BaseModel):
    pseudo_name: str | None = None
    attributes: dict[str, object]
    subject_id: str | None = None


class _Rows(BaseModel):
    rows: tuple[dict[str, str], ...] = ()


class RefusedRow(BaseModel):
    """A row of ``sync.csv`` that cannot be used.

    Attributes:
        video_id: the video that it is for; None for all of the visit.
        rejection: what is recorded of it.
    """

    model_config = ConfigDict(frozen=True)

    video_id: str | None
    rejection: Rejection


class _Written(BaseModel):
    rows: tuple[dict[str, object], ...] = ()
    refused: tuple[RefusedRow, ...] = ()


def observed_files(paths: StudyPaths, patient_id: str) -> Sequence[ObservedFile]:
    """The files of a visit; none where the source never held one."""
    return _Files.model_validate(Inventory(paths, DRIVE_VIDEOS).load(patient_id) or {}).files


def require_snapshots(paths: StudyPaths, patient_id: str, versions: Mapping[str, str | None]) -> None:
    """Check that a visit's snapshots can be read, before anything is made from them.

    Args:
        paths: the study's paths.
        patient_id: the visit.
        versions: names of sources to the version reported for the visit or the study; None for none.

    Raises:
        SnapshotLostError: a snapshot is missing or damaged; the next observation writes it again.
    """
    for source in SOURCES:
        if versions.get(source) is not None:
            Inventory(paths, source).require(patient_id)
    if versions.get(KNOWN_SCREENS) is not None:
        require_known_screens(paths)


def attributes_of(paths: StudyPaths, patient_id: str) -> Mapping[str, object] | None:
    """The attributes of a visit's label item; None where there is no item."""
    found = Inventory(paths, LABEL_ITEMS).load(patient_id)
    return None if found is None else _Item.model_validate(found).attributes


def alias_of(paths: StudyPaths, patient_id: str) -> str | None:
    """The visit's alias, a pseudonym that the labelling app made; None where it is not known."""
    try:
        alias = (Inventory(paths, LABEL_ITEMS).load(patient_id) or {}).get("pseudo_name")
    except SnapshotLostError:
        return None
    return None if alias is None else str(alias)


def subject_of(paths: StudyPaths, patient_id: str) -> str | None:
    """The visit's subject id; None where it is not known."""
    found = Inventory(paths, LABEL_ITEMS).load(patient_id)
    return None if found is None else _Item.model_validate(found).subject_id


def aliases_mark(paths: StudyPaths) -> str:
    """Changes when another visit or alias is known: these decide which visit a file belongs to."""
    return _aliases_mark_at(paths, Inventory(paths, LABEL_ITEMS).mark())


def visits_mark(paths: StudyPaths) -> str:
    """Changes when a visit has its first video: by its id, rows find it from then on."""
    return _visits_mark_at(paths, Inventory(paths, DRIVE_VIDEOS).mark())


@lru_cache(maxsize=4)
def _visits_mark_at(paths: StudyPaths, _mark: str) -> str:
    return version_of(sorted(Inventory(paths, DRIVE_VIDEOS).versions))


@lru_cache(maxsize=4)
def _aliases_mark_at(paths: StudyPaths, _mark: str) -> str:
    return version_of(_aliases_of_items(paths))


def rows_of(paths: StudyPaths, patient_id: str) -> Sequence[Mapping[str, str]]:
    """A visit's rows of the sheet: header to cell."""
    return _Rows.model_validate(Inventory(paths, PATIENT_ROWS).load(patient_id) or {}).rows


def sync_rows_of(paths: StudyPaths, patient_id: str) -> pl.DataFrame:
    """The rows of ``sync.csv`` for a visit."""
    return SYNC.frame(_Written.model_validate(Inventory(paths, SYNC_ROWS).load(patient_id) or {}).rows)


def refused_sync_rows_of(paths: StudyPaths, patient_id: str) -> Sequence[RefusedRow]:
    """The rows of ``sync.csv`` for a visit that cannot be used."""
    return _Written.model_validate(Inventory(paths, SYNC_ROWS).load(patient_id) or {}).refused


def region_rows_of(paths: StudyPaths, patient_id: str) -> pl.DataFrame:
    """The rows of ``regions.csv`` for a visit; ``known_screens`` holds those for screens in any visit."""
    return REGIONS.frame(_Written.model_validate(Inventory(paths, REGION_ROWS).load(patient_id) or {}).rows)


def was_ever_observed(paths: StudyPaths) -> bool:
    """Whether a source of videos, items or rows was ever there; an empty one was."""
    return any(Inventory(paths, source).mark() for source in (LABEL_ITEMS, DRIVE_VIDEOS, PATIENT_ROWS))


def unassigned_version(paths: StudyPaths) -> str:
    """Changes when what is unassigned changes, in any source."""
    parts = [rejected_part(paths, source, NOBODY) for source in SOURCES]
    return version_of([file_sha256(part) if part.is_file() else None for part in parts])


def aliases(study: StudyConfig) -> dict[str, str | None]:
    """Every known visit's id and alias (None where it has no item yet)."""
    return _aliases(StudyPaths(study.root))


def _aliases(paths: StudyPaths) -> dict[str, str | None]:
    return dict.fromkeys(Inventory(paths, DRIVE_VIDEOS).versions) | _aliases_of_items(paths)


def _aliases_of_items(paths: StudyPaths) -> dict[str, str | None]:
    items = Inventory(paths, LABEL_ITEMS)
    return {
        patient_id: _Item.model_validate(items.load(patient_id)).pseudo_name
        if noted is None
        else noted or None
        for patient_id, noted in items.notes.items()
    }


def known_visits(paths: StudyPaths, keys: Iterable[str]) -> set[str]:
    """Of partition keys, those of visits that a source shows or once showed.

    A person can type any key into Dagster's page, even a path that leads out of the root: every key is
    checked here before anything is looked up by it. A visit that was forgotten is not known.
    """
    shown = Inventory(paths, LABEL_ITEMS).versions.keys() | Inventory(paths, DRIVE_VIDEOS).versions.keys()
    names = forgotten_names(paths)
    return {
        key
        for key in keys
        if (key in shown or (is_safe_id(key) and paths.ledger(key).is_file())) and not names.has_key(key)
    }


def require_known_visit(paths: StudyPaths, key: str) -> None:
    """Refuse a partition key that no source has shown.

    Raises:
        PatientUnknownError: no source has; the message does not repeat what somebody typed.
    """
    if not known_visits(paths, [key]):
        raise PatientUnknownError(
            "partition key",
            "no source has shown a visit with this id",
            "delete the partition, and choose a visit that `eus-etl status` lists",
        )


def matcher(study: StudyConfig) -> PatientMatcher:
    """Matches paths and keys to the visits that the last observations know."""
    return matcher_of(StudyPaths(study.root), study.sources.path_pattern)


def matcher_of(paths: StudyPaths, pattern: str) -> PatientMatcher:
    """``matcher`` by the study's paths and its ``path_pattern``."""
    marks = Inventory(paths, DRIVE_VIDEOS).mark(), Inventory(paths, LABEL_ITEMS).mark()
    return _matcher_at(paths, pattern, marks)


@lru_cache(maxsize=4)
def _matcher_at(paths: StudyPaths, pattern: str, _marks: tuple[str, str]) -> PatientMatcher:
    """Made once as long as the observations are the same: each source is matched in turn."""
    return PatientMatcher(_aliases(paths), pattern)


def resolve_patient(study: StudyConfig, key: str) -> str:
    """The patient id that belongs to an id or alias.

    Raises:
        PatientUnknownError: no visit has it, or several have.
    """
    found = matcher(study).of_key(key)
    if not found and forgotten_names(StudyPaths(study.root)).has_key(key):
        raise PatientUnknownError(key, "this visit was forgotten")
    if len(found) != 1:
        cause = (
            "no visit of this study has this id or alias" if not found else "several visits share this alias"
        )
        raise PatientUnknownError(key, cause, f"use an id that `eus-etl status` lists for {study.study}")
    return next(iter(found))
