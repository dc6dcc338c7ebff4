"""Verifies a whole study, visit by visit; one that was interrupted goes on where it stopped."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from eus_etl.commands.upkeep.finding import Finding
from eus_etl.commands.upkeep.hashing import BoundedHasher
from eus_etl.commands.upkeep.releases import stored_releases, verify_release
from eus_etl.commands.upkeep.visit import verify_visit
from eus_etl.domain.paths import StudyPaths
from eus_etl.storage.files.begun import begun
from eus_etl.storage.files.checked_json import read_checked, write_checked
from eus_etl.storage.files.listing import listed
from eus_etl.storage.provenance import STUDY, damaged_pages

_SAVE_S = 10.0
Tell = Callable[[str, int, int], None]


class _Progress(BaseModel):
    """How far a verification came.

    Attributes:
        done: names of visits and releases that were verified.
        findings: what was found in them.
        bytes_read: how much was read.
        finished: whether everything was verified.
    """

    done: list[str] = []
    findings: list[Finding] = []
    bytes_read: int = 0
    finished: bool = False


_PROGRESS = TypeAdapter(_Progress)


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found.

    Attributes:
        findings: what is not as it was written.
        visits: how many visits were verified.
        releases: how many releases were verified.
        bytes_read: how much was read, in all its parts.
        resumed: how many visits and releases an interrupted verification had done.
    """

    findings: Sequence[Finding]
    visits: int
    releases: int
    bytes_read: int
    resumed: int


def verify_study(
    paths: StudyPaths, hasher: BoundedHasher, patients: Sequence[str] | None = None, tell: Tell | None = None
) -> Verification:
    """Verify these visits; or all, and the releases, going on with what an interrupted verification left.

    Args:
        paths: the study's paths.
        hasher: reads the files.
        patients: ids of visits; None for everything.
        tell: called with the current id, how many are done and how many there are.
    """
    with begun(mark_of_begun(paths)) if patients is None else nullcontext():
        return _verify(paths, hasher, patients, tell)


def mark_of_begun(paths: StudyPaths) -> Path:
    """The mark that is there while a verification of everything has begun and has not come to its end."""
    return paths.verification.with_suffix(".begun")


def last_findings(paths: StudyPaths) -> Sequence[Finding]:
    """What the last verification of the whole study found; of one that was interrupted, what it had found."""
    return _recorded(paths).findings


def _verify(
    paths: StudyPaths, hasher: BoundedHasher, patients: Sequence[str] | None, tell: Tell | None
) -> Verification:
    resumable = patients is None
    before = _unfinished(paths) if resumable else _Progress()
    releases = {folder.name: folder for folder in stored_releases(paths)} if resumable else {}
    visits = _visits(paths) if patients is None else list(patients)
    progress = before.model_copy(deep=True)
    saved = time.monotonic()
    todo = [name for name in (*visits, *releases) if name not in set(before.done)]
    for number, name in enumerate(todo):
        if tell:
            tell(name, number, len(todo))
        found: Iterable[Finding] = (
            verify_release(releases[name], hasher) if name in releases else verify_visit(paths, name, hasher)
        )
        progress.findings.extend(found)
        progress.done.append(name)
        progress.bytes_read = before.bytes_read + hasher.bytes_read
        if resumable and time.monotonic() - saved > _SAVE_S:
            _save(paths, progress)
            saved = time.monotonic()
    progress.findings.extend(_damaged_pages(paths, visits))
    progress.finished = True
    if resumable:
        _save(paths, progress)
    return Verification(progress.findings, len(visits), len(releases), progress.bytes_read, len(before.done))


def _visits(paths: StudyPaths) -> list[str]:
    return [page.stem for page in listed(paths.pages, "*.json") if page.stem != STUDY]


def _damaged_pages(paths: StudyPaths, visits: Iterable[str]) -> list[Finding]:
    cause = "its page of provenance cannot be read, so that nothing is known of its files"
    return [
        Finding("damaged", page, cause, "`eus-etl run` makes its assets again")
        for page in damaged_pages(paths)
        if page in visits
    ]


def _unfinished(paths: StudyPaths) -> _Progress:
    """Where an interrupted verification stopped; the beginning if there is none."""
    progress = _recorded(paths)
    return _Progress() if progress.finished else progress


def _recorded(paths: StudyPaths) -> _Progress:
    """What is recorded; nothing if there is no record, or it is damaged."""
    try:
        return _PROGRESS.validate_python(read_checked(paths.verification))
    except (FileNotFoundError, ValueError, ValidationError):
        return _Progress()


def _save(paths: StudyPaths, progress: _Progress) -> None:
    write_checked(paths.verification, progress.model_dump())
