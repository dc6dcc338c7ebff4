"""Renames that overwrite nothing: what was there stays there."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from eus_etl.storage.files.folders import make_folder


def move(source: Path, target: Path) -> None:
    """Rename ``source`` to ``target``, whose folder is made where it is missing.

    Raises:
        FileExistsError: there is something at ``target``.
        OSError: the two lie on different disks, or may not be changed.
    """
    make_folder(target.parent)
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "its place is taken")
    source.rename(target)


def free_name(target: Path, taken: Iterable[Path] = ()) -> Path:
    """``target``, or the first of ``<target>-2``, ``<target>-3`` ... that neither exists nor is ``taken``."""
    avoided, candidate, number = set(taken), target, 1
    while candidate in avoided or os.path.lexists(candidate):
        number += 1
        candidate = target.with_name(f"{target.name}-{number}")
    return candidate


def remove_empty_folders(folder: Path) -> None:
    """Remove every folder below ``folder`` that holds nothing but empty folders."""
    for inner in (Path(name) for name, _, _ in os.walk(folder, topdown=False)):
        if inner != folder and not any(inner.iterdir()):
            inner.rmdir()
