"""Removal of what was published: whole or not at all, and never by a process that was taken over."""

import os
import shutil
from pathlib import Path

from eus_etl.storage.files.fence import publishing
from eus_etl.storage.files.partial import PARTIAL, partial_name


def remove_file(file: Path) -> None:
    """Remove a file if it is there.

    Raises:
        LeaseLostError: another process works on what it belongs to.
    """
    if os.path.lexists(file):
        with publishing():
            file.unlink(missing_ok=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that it holds, if it is there; it is gone at once.

    Raises:
        LeaseLostError: another process works on what it belongs to.
    """
    if folder.is_dir():
        aside = partial_name(folder)
        with publishing():
            folder.replace(aside)
        shutil.rmtree(aside)


def remove_partials(folder: Path) -> int:
    """Remove what interrupted writers left directly in ``folder``; returns the number of entries removed.

    Only for folders that no other process writes to at the same time.
    """
    removed = 0
    if folder.is_dir():
        for entry in folder.iterdir():
            if entry.name.endswith(PARTIAL):
                remove_folder(entry) if entry.is_dir() else remove_file(entry)
                removed += 1
    return removed
