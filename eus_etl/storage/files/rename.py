"""Renames that overwrite nothing."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from eus_etl.storage.files.folders import make_folder


def move(source: Path, target: Path) -> None:
    """Rename ``source`` to ``target``, and make its folder if it is missing.

    Raises:
        FileExistsError: ``target`` exists.
        OSError: the two are on different disks, or permission is missing.
    """
    make_folder(target.parent)
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, "the name is taken")
    source.rename(target)


def free_name(target: Path, taken: Iterable[Path] = ()) -> Path:
    """``target``, or the first of ``<target>-2``, ``<target>-3`` ... that neither exists nor is ``taken``."""
    avoided, candidate, number = set(taken), target, 1
    while candidate in avoided or os.path.lexists(candidate):
        number += 1
        candidate = target.with_name(f"{target.name}-{number}")
    return candidate


def remove_empty_folders(folder: Path) -> None:
    """Remove every folder below ``folder`` that contains no files at any depth."""
    for inner in (Path(name) for name, _, _ in os.walk(folder, topdown=False)):
        if inner != folder and not any(inner.iterdir()):
            inner.rmdir()
