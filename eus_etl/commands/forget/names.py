"""What a visit is called, and by what its traces are told."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.patient_matching import UUID, as_compared, canonical_id, key_pattern
from eus_etl.errors import PatientUnknownError, SnapshotLostError
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.known_files import known_files
from eus_etl.steps.observation.snapshot import (
    LABEL_ITEMS,
    ObservedFile,
    alias_of,
    known_visits,
    subject_of,
)
from eus_etl.storage.source_snapshots import Inventory
from eus_etl.storage.tombstones import find_tombstone


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one visit.

    Attributes:
        patient_id: its id.
        alias: its alias; None where it is not known.
        pattern: ``sources.path_pattern``.
        uploads: its uploads.
    """

    patient_id: str
    alias: str | None
    pattern: str
    uploads: Sequence[ObservedFile] = ()

    def has_name(self, name: str) -> bool:
        """Whether a file's or folder's name is the visit's, by its id anywhere or by the pattern."""
        shown = as_compared(name)
        if self.patient_id in shown:
            return True
        return bool(self.alias) and bool(
            key_pattern(self.pattern, re.escape(as_compared(str(self.alias).strip()))).search(shown)
        )

    def has_row(self, cells: Iterable[str]) -> bool:
        """Whether a row names the visit in a cell, or in a part of a path in one."""
        keys = {as_compared(key.strip()) for key in (self.patient_id, self.alias or self.patient_id)}
        parts = (as_compared(part).strip() for cell in cells for part in re.split(r"[/\\]", cell))
        return any(part in keys or self.patient_id in part for part in parts)


def names_of(study: StudyConfig, given: str) -> Names:
    """The names of a visit that a person gave by its id, also where it was forgotten before.

    Raises:
        PatientUnknownError: this is no id of a visit that the study knows.
    """
    paths, patient_id = StudyPaths(study.root), canonical_id(given.strip())
    if not UUID.fullmatch(patient_id):
        raise PatientUnknownError(
            "PATIENT", "this is not the id of a visit", "give `patient_id` as patients.csv shows it"
        )
    known = known_visits(paths, [patient_id])
    if not known and find_tombstone(paths, patient_id) is None:
        raise PatientUnknownError(
            patient_id,
            "no visit of this study has this id",
            "give `patient_id` as patients.csv or `eus-etl status --json` shows it",
        )
    uploads = known_files(paths).get(patient_id, ())
    return Names(patient_id, alias_of(paths, patient_id), study.sources.path_pattern, tuple(uploads))


def visits_of_person(paths: StudyPaths, patient_id: str) -> list[str]:
    """The other visits of the same person, as far as persons are known."""
    subjects: dict[str, str] = {}
    for visit in Inventory(paths, LABEL_ITEMS).versions:
        try:
            subject = subject_of(paths, visit)
        except SnapshotLostError:
            continue
        if subject:
            subjects[visit] = subject
    own = subjects.pop(patient_id, None)
    return sorted(visit for visit, subject in subjects.items() if subject == own)


def visits_with_alias(paths: StudyPaths, names: Names) -> list[str]:
    """Other visits with the same alias."""
    others = (visit for visit in Inventory(paths, LABEL_ITEMS).versions if visit != names.patient_id)
    own = as_compared((names.alias or "").strip())
    return sorted(v for v in others if own and as_compared((alias_of(paths, v) or "").strip()) == own)


def visits_with_same_videos(paths: StudyPaths, names: Names) -> dict[str, list[str]]:
    """Other visits to ids of videos that they share with this one."""
    own = {file.md5: file.video_id for file in names.uploads}
    found = {
        visit: sorted({own[file.md5] for file in files if file.md5 in own})
        for visit, files in known_files(paths).items()
        if visit != names.patient_id
    }
    return {visit: videos for visit, videos in found.items() if videos}
