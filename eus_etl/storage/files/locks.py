"""Locks that the kernel releases when their process dies, however it dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eus_etl.domain.paths import StudyPaths
from eus_etl.storage.files.folders import make_folder
from eus_etl.storage.files.listing import listed


@contextmanager
def work_lock(paths: StudyPaths, name: str) -> Iterator[None]:
    """Hold the lock of a visit (or of the study's tables) for the block; waits while another holds it."""
    file = paths.state / "locks" / name
    make_folder(file.parent)
    with file_lock(file):
        yield


@contextmanager
def file_lock(file: Path) -> Iterator[None]:
    """Hold a file's lock for the block; creates the file, but not its folder."""
    with file.open("a") as handle:  # it is not truncated: that would change the time of a file in a root
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def run_lock(folder: Path, run_id: str) -> Iterator[None]:
    """Declare, for the block, that this process works on a run.

    Args:
        folder: the locks of one instance's runs.
        run_id: id of the run.
    """
    hold_to_the_end(folder, run_id)
    try:
        yield
    finally:
        file = folder / run_id
        file.unlink(missing_ok=True)
        os.close(_HELD.pop(file))


def hold_to_the_end(folder: Path, run_id: str) -> None:
    """Declare until this process ends that it works on a run; see ``run_lock``."""
    file = folder / run_id
    while file not in _HELD:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDONLY | os.O_CREAT, 0o666)
        fcntl.flock(handle, fcntl.LOCK_SH)
        if _is_at(file, handle):
            _HELD[file] = handle
        else:  # swept in the meantime
            os.close(handle)


def sweep(folder: Path) -> None:
    """Remove the lock files that no process holds: their runs are over."""
    if folder.is_dir():
        for file in listed(folder):
            is_worked_on(folder, file.name)


def is_worked_on(folder: Path, run_id: str) -> bool:
    """Whether any process works on a run; removes the file that a finished one left."""
    file = folder / run_id
    try:
        handle = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(file, handle):
            file.unlink()
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _is_at(file: Path, handle: int) -> bool:
    """Whether the file at this path is still the one that was opened."""
    try:
        return os.path.samestat(file.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


_HELD: dict[Path, int] = {}
"""Lock files of runs to this process's handles on them."""
