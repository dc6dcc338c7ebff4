"""Locks that the kernel frees when their process dies, however it dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from eus_etl.domain.paths import StudyPaths


@contextmanager
def work_lock(paths: StudyPaths, name: str) -> Iterator[None]:
    """Hold the lock of a visit (or of the study's tables) for the block; waits while another holds it."""
    file = paths.state / "locks" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def session_lock(paths: StudyPaths) -> Iterator[bool]:
    """Say for the block that a command works on the study; several may at once.

    Yields:
        Whether it was the only one when it began.
    """
    with _session_file(paths) as handle:
        alone = _try_alone(handle)
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield alone


def session_is_running(paths: StudyPaths) -> bool:
    """Whether any command works on the study now."""
    with _session_file(paths) as handle:
        return not _try_alone(handle)


def _session_file(paths: StudyPaths) -> TextIO:
    file = paths.state / "locks" / "_session"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file.open("a")  # opening must not change the file


def _try_alone(handle: TextIO) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
