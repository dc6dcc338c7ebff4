"""What lies in the root and the Dagster home: whether all of it is the pipeline's to change, and whole."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from eus_etl.commands.doctor.finding import Finding, ok, problem, warning
from eus_etl.domain.paths import StudyPaths
from eus_etl.storage.files.permissions import OTHERS
from eus_etl.storage.provenance import damaged_pages
from eus_etl.storage.trouble import shown_path

_DEPTH = 4
"""Of folders that are looked at: down to those of videos and parts."""

_MOST = 50_000
"""So many folders and state files are looked at; of a larger study the first."""


def examine_ownership(check: str, top: Path, paths: StudyPaths, home: Path) -> Finding:
    """Look for folders and state files below ``top`` that the pipeline's user cannot change, or does not own.

    Raises:
        OSError: a folder cannot be listed.
    """
    if not top.is_dir():
        return ok(check, "not there yet")
    foreign = 0
    for place in islice(_places(top, _DEPTH), _MOST):
        # immutable ones and those on a disk mounted for reading refuse everybody
        if not os.access(place, os.R_OK | os.W_OK | (os.X_OK if place.is_dir() else 0)):
            return problem(
                check,
                f"{shown_path(place, paths, home)} cannot be changed",
                "let the pipeline's user read and write it: look at its owner, its mode and `lsattr`",
            )
        foreign += place.stat().st_uid != os.geteuid()
    if foreign:
        return warning(
            check,
            f"{foreign} folders and files belong to another user than the one who runs this",
            "run everything as one user, and let that one own all: `chown -R`",
        )
    if top.stat().st_mode & OTHERS:
        return warning(
            check,
            "everybody on this machine may look into it",
            "`chmod -R o-rwx` it: it holds data of patients",
        )
    return ok(check, "all of it can be changed")


def examine_pages(paths: StudyPaths) -> Finding:
    """Look for pages of provenance that cannot be read.

    Raises:
        OSError: one may not be read.
    """
    check = "provenance"
    if damaged := damaged_pages(paths):
        more = f" and of {len(damaged) - 3} more" if len(damaged) > 3 else ""
        return warning(
            check,
            f"the page of {', '.join(damaged[:3])}{more} cannot be read",
            "`eus-etl run` makes again what it told of; if it happens again, check the disk",
        )
    return ok(check, "every page can be read")


def _places(folder: Path, depth: int) -> Iterator[Path]:
    """A folder and those below it; of small files, those of our own state and of the home."""
    yield folder
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            if depth:
                yield from _places(Path(entry.path), depth - 1)
        elif entry.name.endswith((".json", ".db", ".sqlite", ".yaml")):
            yield Path(entry.path)
