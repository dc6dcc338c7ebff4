"""Marks of files: what tells that a file has changed, without reading it."""

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

FileMark = tuple[int, int, int]
"""Inode, time of change in nanoseconds, and size in bytes."""


class MarkedFile(NamedTuple):
    """A file below the root, and its mark: of many thousands, text is compared faster than paths."""

    path: str
    inode: int
    modified_ns: int
    size: int


def mark_of(file: str) -> FileMark:
    """The mark of a file as it is now.

    Raises:
        FileNotFoundError: there is no such file.
    """
    return _mark(os.stat(file))  # noqa: PTH116 - for many thousands, a Path takes longer than the call


def marks_in(folder: str, suffix: str) -> Mapping[str, FileMark]:
    """Names in ``folder`` that end with ``suffix`` to their marks, sorted; hidden ones are left out.

    Names and marks together: of many thousands, making a path of each takes longer than asking for its mark.
    """
    found: dict[str, FileMark] = {}
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(suffix) and not entry.name.startswith("."):
                with suppress(FileNotFoundError):  # removed since
                    found[entry.name] = _mark(entry.stat())
    return dict(sorted(found.items()))


def _mark(found: os.stat_result) -> FileMark:
    return found.st_ino, found.st_mtime_ns, found.st_size
