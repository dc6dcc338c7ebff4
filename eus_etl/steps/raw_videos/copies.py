"""The copies of a visit's videos in ``raw_data``: brought up to what the source holds, and remembered.

An upload that stalls under a name no rule recognizes is taken for a video, and taken again under its final
name once it is complete. Kept beside the complete file, it would duplicate frames and shift later videos on
the timeline: a copy whose content is the beginning of another file of the visit is dropped.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from eus_etl.domain.frame_ids import video_id_of
from eus_etl.domain.paths import StudyPaths, safe_file_name
from eus_etl.errors import DownloadRefusedError, EusEtlError
from eus_etl.sources.videos.base import PART, VideoSource
from eus_etl.steps.observation.snapshot import ObservedFile
from eus_etl.storage.files.checked_json import read_checked, write_checked
from eus_etl.storage.files.checksums import md5_of, md5_of_beginning
from eus_etl.storage.files.fence import publishing
from eus_etl.storage.files.listing import listed
from eus_etl.storage.files.removal import remove_file

FIRST_PAUSE_S, LONGEST_PAUSE_S = 3600.0, 24 * 3600.0
"""Until a file that the source does not release is asked for again; doubled after each further refusal."""

_GLANCE_BYTES = 1 << 20


class _Copy(BaseModel):
    """A verified copy and its upload; its MD5 holds as long as size and time are unchanged."""

    md5: str
    size: int
    mtime_ns: int
    upload: ObservedFile


class _Copies(BaseModel):
    """The copies of a visit in ``raw_data``, as remembered.

    Attributes:
        names: verified copies by file name.
        refused: MD5 sums of files that the source does not release, to how often in a row it was asked.
        unfinished: MD5 sums of dropped copies to those of the files that begin with their whole content.
    """

    names: dict[str, _Copy] = {}
    refused: dict[str, int] = {}
    unfinished: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that the source does not release for now.

    Attributes:
        error: why.
        tries: how often in a row it was asked for.
        again_at: when it is asked for again, in seconds since 1970.
    """

    error: EusEtlError
    tries: int
    again_at: float


@dataclass(frozen=True, slots=True)
class Brought:
    """The copies of a visit in ``raw_data`` now.

    Attributes:
        copies: MD5 sums to verified copies; files that neither source nor folder holds are not among them.
        fetched: how many were fetched just now.
        refused: MD5 sums of files that the source does not release.
        unfinished: MD5 sums of unfinished copies to those of the complete files, which are used instead.
    """

    copies: Mapping[str, Path]
    fetched: int
    refused: Mapping[str, Refusal]
    unfinished: Mapping[str, str]


def memory_of(paths: StudyPaths, patient_id: str) -> Path:
    """Where the verified copies of a visit are remembered."""
    return paths.copies / f"{patient_id}.json"


def remembered_uploads(paths: StudyPaths, patient_id: str) -> list[ObservedFile]:
    """The uploads of a visit that have copies; none where nothing legible is remembered."""
    remembered = _remembered(memory_of(paths, patient_id))
    return [copy.upload for copy in remembered.names.values()] if remembered else []


def remembered_copies(paths: StudyPaths, patient_id: str) -> dict[str, str]:
    """File names of a visit's verified copies to their MD5; none where nothing legible is remembered."""
    remembered = _remembered(memory_of(paths, patient_id))
    return {name: copy.md5 for name, copy in remembered.names.items()} if remembered else {}


def file_names(files: Sequence[ObservedFile]) -> dict[str, str]:
    """MD5 sums to names in ``raw_data``; names that differ only in folder or case get the video id."""
    safe = {file.md5: safe_file_name(file.parts[-1]) for file in files}
    uses = Counter(name.casefold() for name in safe.values())
    names = {}
    for file in files:
        name = Path(safe[file.md5])
        if uses[name.name.casefold()] > 1:
            name = name.with_name(f"{name.stem}-{file.video_id}{name.suffix}")
        names[file.md5] = name.name
    return names


def bring_copies(
    paths: StudyPaths,
    patient_id: str,
    source: VideoSource,
    wanted: Sequence[ObservedFile],
    progress: Callable[[str], None] | None,
) -> Brought:
    """Rename, fetch and remove until the folder holds ``wanted``, without unfinished copies.

    Raises:
        EusEtlError: a file could not be fetched now, but may be later.
    """
    folder, memory = paths.raw_folder(patient_id), memory_of(paths, patient_id)
    before = _remembered(memory)
    if before is None:  # what lies there is ours all the same, whatever its name
        before, held = _Copies(), {md5_of(file): file for file in listed(folder) if file.is_file()}
    else:
        held = {
            copy.md5: folder / name for name, copy in before.names.items() if _is_intact(folder / name, copy)
        }
    # the beginning of a file that is here is not fetched only to be dropped
    unfinished = _find_unfinished(wanted, held, before.unfinished)
    wanted = [file for file in wanted if file.md5 not in unfinished]
    names = file_names(wanted)
    # rename first: this frees names that fetched files may need
    copies = _renamed(folder, names, held)
    for md5, name in names.items():
        target = folder / name
        if md5 not in copies and target.is_file() and md5_of(target) == md5:
            copies[md5] = target
    targets = {}
    for file in wanted:
        if file.md5 not in copies and not file.gone:
            target = folder / names[file.md5]
            if target in copies.values() or (target.exists() and target.name not in before.names):
                target = target.with_name(f"{target.stem}-{file.video_id}{target.suffix}")
            targets[file.md5] = (file.as_source_file(), target)
    failures = source.fetch_many(
        list(targets.values()),
        lambda file: progress(f"fetched {video_id_of(file.md5)}, {file.size} bytes") if progress else None,
    )
    fetched = {md5: target for md5, (file, target) in targets.items() if file.source_id not in failures}
    copies |= fetched
    unfinished |= _find_unfinished(wanted, copies, before.unfinished)
    for md5 in unfinished.keys() & copies.keys():
        remove_file(copies.pop(md5))
    kept = {path.name for path in copies.values()}
    for name in before.names.keys() - kept:
        remove_file(folder / name)
    # an unfinished copy may have had the name of the whole file
    copies = _renamed(folder, file_names([file for file in wanted if file.md5 in copies]), copies)
    refused = {
        md5: refused_once_more(error, before.refused.get(md5, 0) + 1)
        for md5, (file, _) in targets.items()
        if isinstance(error := failures.get(file.source_id), DownloadRefusedError)
    }
    write_checked(memory, _remember(copies, unfinished, refused, wanted).model_dump())
    for error in failures.values():
        if not isinstance(error, DownloadRefusedError):
            raise error  # what was fetched is kept; the visit waits for the rest
    for part in folder.glob(f".*{PART}"):
        remove_file(part)  # a partial download of an upload that has been replaced
    return Brought(copies, len(fetched), refused, unfinished)


def refused_once_more(error: EusEtlError, tries: int) -> Refusal:
    """The refusal of a file that was asked for ``tries`` times in a row."""
    return Refusal(error, tries, time.time() + min(FIRST_PAUSE_S * 2 ** min(tries - 1, 16), LONGEST_PAUSE_S))


def _renamed(folder: Path, names: Mapping[str, str], copies: Mapping[str, Path]) -> dict[str, Path]:
    """Copies of the named files, each under its name unless another file has it."""
    placed = {}
    for md5, name in names.items():
        if (copy := copies.get(md5)) is not None:
            target = folder / name
            if target.exists():
                placed[md5] = copy
            else:
                with publishing():
                    placed[md5] = copy.replace(target)
    return placed


def _find_unfinished(
    files: Sequence[ObservedFile], copies: Mapping[str, Path], proven: Mapping[str, str]
) -> dict[str, str]:
    """MD5 sums of unfinished copies to those of the files that begin with their whole content.

    Proven by content: as many first bytes of the longer file have the MD5 of the shorter one.

    Args:
        files: a visit's files, each content once.
        copies: MD5 sums to verified copies, as far as there are any.
        proven: what was found before; it is not checked again.
    """
    by_size = sorted(files, key=lambda file: file.size)
    found: dict[str, str] = {}
    for number, shorter in enumerate(by_size):
        # the longest first, so that all unfinished copies of a file lead to the whole one
        for longer in reversed(by_size[number + 1 :]):
            if longer.size == shorter.size or longer.md5 not in copies:
                continue
            if proven.get(shorter.md5) == longer.md5 or _begins_with(longer, shorter, copies):
                found[shorter.md5] = longer.md5
                break
    return found


def _begins_with(longer: ObservedFile, shorter: ObservedFile, copies: Mapping[str, Path]) -> bool:
    if (own := copies.get(shorter.md5)) and _glance(own, shorter.size) != _glance(
        copies[longer.md5], shorter.size
    ):
        return False
    return md5_of_beginning(copies[longer.md5], shorter.size) == shorter.md5


def _glance(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(min(size, _GLANCE_BYTES))


def _remembered(memory: Path) -> _Copies | None:
    """The remembered copies; None if the memory is missing or unreadable."""
    try:
        return _Copies.model_validate(read_checked(memory))
    except (FileNotFoundError, ValueError):
        return None


def _remember(
    copies: Mapping[str, Path],
    unfinished: Mapping[str, str],
    refused: Mapping[str, Refusal],
    files: Sequence[ObservedFile],
) -> _Copies:
    uploads = {file.md5: file for file in files}
    stats = {md5: (path.name, path.stat()) for md5, path in copies.items()}
    return _Copies(
        names={
            name: _Copy(md5=md5, size=stat.st_size, mtime_ns=stat.st_mtime_ns, upload=uploads[md5])
            for md5, (name, stat) in stats.items()
        },
        unfinished=dict(unfinished),
        refused={md5: refusal.tries for md5, refusal in refused.items()},
    )


def _is_intact(path: Path, copy: _Copy) -> bool:
    if not path.is_file():
        return False
    stat = path.stat()
    if stat.st_size != copy.size:
        return False
    return stat.st_mtime_ns == copy.mtime_ns or md5_of(path) == copy.md5
