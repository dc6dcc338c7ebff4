"""What an asset wrote to the disk, and whether it is still there.

A check costs one `stat` per file and folder and reads nothing: a file is compared by its size, a folder by
the number of its files, which are counted only if the folder's time has changed. A change that keeps the
size is not noticed here.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from eus_etl.domain.paths import StudyPaths
from eus_etl.storage.files.listing import is_shown


class Trace(BaseModel):
    """What is known of one output.

    Attributes:
        kind: ``copies`` is a folder of raw videos, whose files are checked one by one each time.
        files: number of files of a folder; 1 for a file.
        size: bytes of the file, or of all copies; 0 for other folders.
        mtime_ns: when it was changed. A different time alone is not a loss: backups set their own times.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["file", "folder", "copies"]
    files: int
    size: int
    mtime_ns: int


Outputs = Mapping[str, Trace | None]
"""Paths below the root to what is known of them; None for what could not be made and still has to be."""


def describe(paths: StudyPaths, outputs: Iterable[Path]) -> dict[str, Trace | None]:
    """Describe the files and folders of an asset that was just made.

    Copies have uploaded names, which must not be recorded: their folder is described as a whole.
    """
    return {
        paths.relative(path): _trace(path, looked_through=path.is_relative_to(paths.raw_data))
        for path in outputs
    }


def lost(paths: StudyPaths, outputs: Outputs) -> str | None:
    """The first of these outputs, below the root, that is missing or changed; None if all are there."""
    root = f"{paths.root}/"
    for path, trace in outputs.items():
        if trace is not None and not _is_there(root + path, trace):
            return path
    return None


def not_made(outputs: Outputs) -> str | None:
    """The first of these outputs, below the root, that could not be made; None where all could."""
    for path, trace in outputs.items():
        if trace is None:
            return path
    return None


def count_files(folder: Path) -> int:
    """Number of files directly in ``folder``, without clutter of the system; 0 if there is no folder."""
    return sum(1 for _ in _files(folder))


def file_sizes(folder: Path) -> list[int]:
    """Bytes of the files that ``count_files`` counts."""
    return [entry.stat().st_size for entry in _files(folder)]


def _trace(path: Path, *, looked_through: bool) -> Trace | None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISDIR(found.st_mode):
        return Trace(kind="file", files=1, size=found.st_size, mtime_ns=found.st_mtime_ns)
    if looked_through:
        sizes = file_sizes(path)
        return Trace(kind="copies", files=len(sizes), size=sum(sizes), mtime_ns=found.st_mtime_ns)
    return Trace(kind="folder", files=count_files(path), size=0, mtime_ns=found.st_mtime_ns)


def _is_there(path: str, trace: Trace) -> bool:
    try:
        found = os.stat(path)  # noqa: PTH116 - for many thousands, a Path takes longer than the call
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISDIR(found.st_mode) != (trace.kind != "file"):
        return False
    if trace.kind == "file":
        return found.st_size == trace.size
    if trace.kind == "copies":
        sizes = file_sizes(Path(path))
        return (len(sizes), sum(sizes)) == (trace.files, trace.size)
    return found.st_mtime_ns == trace.mtime_ns or count_files(Path(path)) == trace.files


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if is_shown(entry.name) and entry.is_file())
    except FileNotFoundError:
        return
