"""Raw videos that earlier scripts fetched: found by content, renamed to where a run expects them.

Nothing is copied, fetched or deleted. Files are recognised by size and MD5 anywhere below ``raw_data``, so a
process killed between two renames is simply started again. Symbolic links are left alone.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.patient_matching import PatientMatcher
from eus_etl.errors import PermanentError
from eus_etl.steps.observation.snapshot import ObservedFile
from eus_etl.steps.raw_videos.step import copy_names
from eus_etl.storage.files.checksums import md5_of
from eus_etl.storage.files.listing import is_clutter
from eus_etl.storage.files.rename import free_name, move, remove_empty_folders

UNKNOWN_CONTENT, SECOND_COPY, UNREADABLE = "of unknown content", "second copy", "unreadable"
"""Why a raw file is put aside."""

_STAGING = ".adopting"  # below raw_data, so that files left there by a killed process are found again

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, how many there are."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run expects the copy of one observed file."""

    patient_id: str
    md5: str
    size: int
    target: Path
    staged: Path


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """Where each raw file goes.

    Attributes:
        held: file on the disk to its place, including files already there.
        open_places: places without a file: a run fetches these.
        aside: every other file, to the reason why it is put aside.
    """

    held: Mapping[Path, Place]
    open_places: Sequence[Place]
    aside: Mapping[Path, str]

    @property
    def moved(self) -> Mapping[Path, Place]:
        """The files that are not in their places yet."""
        return {path: place for path, place in self.held.items() if path != place.target}


def plan_videos(
    paths: StudyPaths, observed: Mapping[str, Sequence[ObservedFile]], progress: Progress
) -> VideoPlan:
    """Match the files below ``raw_data`` with what the sources hold; reads files, changes nothing.

    Args:
        paths: the study's paths.
        observed: patient id to the visit's files in the sources.
        progress: called for each file that is hashed: one whose size a source's file has.

    Raises:
        PermanentError: a folder below ``raw_data`` cannot be read.
    """
    places = [place for patient_id, files in observed.items() for place in _places(paths, patient_id, files)]
    sizes = {place.size for place in places}
    found = sorted(_files_below(paths.raw_data))
    candidates = [path for path in found if path.stat().st_size in sizes]
    aside = dict.fromkeys(found, UNKNOWN_CONTENT)
    by_content: dict[str, list[Path]] = {}
    for done, path in enumerate(candidates):
        progress("matching raw videos by MD5", done, len(candidates))
        try:
            by_content.setdefault(md5_of(path), []).append(path)
        except OSError:
            aside[path] = UNREADABLE
    held: dict[Path, Place] = {}
    # a file already in place stays; a visit's own folder comes before any other
    for fits in (_lies_there, _is_staged, _lies_in_folder, _lies_anywhere):
        taken = set(held.values())
        for place in places:
            copies = [path for path in by_content.get(place.md5, ()) if path not in held]
            copy = next((path for path in copies if fits(path, place)), None)
            if copy is not None and place not in taken:
                held[copy] = place
    for path in (path for md5 in {place.md5 for place in places} for path in by_content.get(md5, ())):
        aside[path] = SECOND_COPY
    filled = set(held.values())
    return VideoPlan(
        held,
        [place for place in places if place not in filled],
        {path: why for path, why in aside.items() if path not in held},
    )


def move_videos(paths: StudyPaths, plan: VideoPlan) -> None:
    """Move every raw file to where ``plan`` says, by way of a staging folder, so that no name is in the way.

    Raises:
        OSError: a file cannot be renamed; what was moved before stays moved.
    """
    for path in plan.aside:
        move(path, free_name(paths.legacy / path.relative_to(paths.root)))
    for path, place in plan.moved.items():
        if path != place.staged:
            move(path, place.staged)
    if plan.aside or plan.moved:
        remove_empty_folders(paths.raw_data)
    for place in plan.moved.values():
        move(place.staged, place.target)
    staging = paths.raw_data / _STAGING
    if staging.is_dir() and not any(staging.iterdir()):
        staging.rmdir()


def count_by_visit(paths: StudyPaths, plan: VideoPlan, match: PatientMatcher) -> list[dict[str, object]]:
    """One row per visit: raw files in place, to move, to fetch, put aside; the row of None is unassigned.

    Args:
        paths: the study's paths.
        plan: where each raw file goes.
        match: finds the visit of a file that is put aside, by its path.
    """
    in_place = Counter(place.patient_id for path, place in plan.held.items() if path == place.target)
    moved = Counter(place.patient_id for place in plan.moved.values())
    fetched = Counter(place.patient_id for place in plan.open_places)
    owners = [match.of_path(path.relative_to(paths.raw_data).parts) for path in plan.aside]
    aside = Counter(next(iter(found)) if len(found) == 1 else None for found in owners)
    visits = in_place.keys() | moved.keys() | fetched.keys() | aside.keys()
    return [
        {
            "patient_id": visit,
            "in_place": in_place[visit] if visit else 0,
            "moved": moved[visit] if visit else 0,
            "to_fetch": fetched[visit] if visit else 0,
            "put_aside": aside[visit],
        }
        for visit in sorted(visits, key=lambda visit: (visit is None, visit))
    ]


def _places(paths: StudyPaths, patient_id: str, files: Sequence[ObservedFile]) -> Iterator[Place]:
    sizes = {file.md5: file.size for file in files}
    for md5, name in copy_names(files).items():
        yield Place(
            patient_id,
            md5,
            sizes[md5],
            target=paths.raw_folder(patient_id) / name,
            staged=paths.raw_data / _STAGING / f"{patient_id}-{md5}",
        )


def _files_below(folder: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise PermanentError(
            "raw_data",
            f"a folder below it cannot be read ({error.strerror})",
            "let your user read and write all of the root",
        ) from error

    if not folder.is_dir():
        return
    for inner, _, names in os.walk(folder, onerror=fail):
        for path in (Path(inner) / name for name in names):
            if not is_clutter(path.name) and path.is_file() and not path.is_symlink():
                yield path


def _lies_there(path: Path, place: Place) -> bool:
    return path == place.target


def _is_staged(path: Path, place: Place) -> bool:
    return path == place.staged


def _lies_in_folder(path: Path, place: Place) -> bool:
    return place.target.parent in path.parents


def _lies_anywhere(_path: Path, _place: Place) -> bool:
    return True
