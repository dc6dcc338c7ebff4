"""Reads files that people and programs write in place, without a sign of when they are done."""

import os
import time
from pathlib import Path

from eus_etl.errors import SourceUnavailableError

QUIET_S = 1.0
"""A file that has not changed for this long is whole: programs that write one make no such pauses."""

_PATIENCE_S = 10.0
_LOOK_AGAIN_S = 0.1


def read_settled(path: Path, subject: str) -> bytes:
    """The content of a file that did not change for a second, nor while it was read.

    Args:
        path: the file.
        subject: what errors call it.

    Raises:
        SourceUnavailableError: it keeps changing.
        OSError: it cannot be read.
    """
    begun = time.monotonic()
    while time.monotonic() - begun < _PATIENCE_S:
        before = path.stat()
        # a date further in the future was set on purpose, and does not mean that the file is being written
        if not -QUIET_S < time.time() - before.st_mtime < QUIET_S:
            content = path.read_bytes()
            if _state(before) == _state(path.stat()):
                return content
        time.sleep(_LOOK_AGAIN_S)
    raise SourceUnavailableError(subject, "the file keeps changing; it is read once it no longer does")


def revision_of(path: Path) -> str | None:
    """Changes with the content of such a file, without reading it; None while it may still be changing."""
    try:
        found = path.stat()
    except OSError as error:
        return f"not read: {error.errno}"
    if -QUIET_S < time.time() - found.st_mtime < QUIET_S:
        return None
    return "-".join(map(str, (*_state(found), found.st_ctime_ns)))


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_ino, found.st_size, found.st_mtime_ns
