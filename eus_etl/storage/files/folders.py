"""Making folders below a study's root, and never the root itself: a disk that is gone is not made again.

A root that this process has taken stays watched. Whoever makes a folder or publishes a file below it first
looks for the root's mark, so that nothing is written below an empty mount point or into another root.
"""

import os
from pathlib import Path

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import RootUnavailableError

_WATCHED: dict[Path, tuple[str, os.stat_result]] = {}
"""Roots to their study and what the file of their mark was like when it was last found right."""


def watch_root(paths: StudyPaths, study: str) -> None:
    """From now on have writers below the root look for the mark that it has now."""
    _WATCHED[paths.root] = study, paths.owner_file.stat()


def forget_root(paths: StudyPaths) -> None:
    """Watch a root no longer: it is about to get another mark."""
    _WATCHED.pop(paths.root, None)


def require_root(paths: StudyPaths) -> None:
    """Check that a watched root is still there.

    Raises:
        RootUnavailableError: its mark is gone, or another root lies in its place.
    """
    study, mark = _WATCHED.get(paths.root, ("", None))
    if mark is None:
        return
    try:
        found = paths.owner_file.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise root_unavailable(study, "the root has lost its mark while it was worked on") from None
    if not os.path.samestat(found, mark):
        raise root_unavailable(study, "another root has taken its place while it was worked on")


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, where they are missing.

    Raises:
        RootUnavailableError: it lies below a watched root that is gone.
    """
    for root in tuple(_WATCHED):
        if folder.is_relative_to(root):
            require_root(StudyPaths(root))
            _make_below(root, folder)
            return
    folder.mkdir(parents=True, exist_ok=True)


def root_unavailable(study: str, cause: str) -> RootUnavailableError:
    """A root that was there once is not there now."""
    return RootUnavailableError(
        study,
        cause,
        "mount its disk or bring it back; where a new and empty root is meant, `eus-etl run --new-root`",
    )


def _make_below(root: Path, folder: Path) -> None:
    """Make the folders between ``root`` and ``folder``; fails where ``root`` itself has gone by now."""
    if folder.is_dir():
        return
    if folder != root:
        _make_below(root, folder.parent)
        folder.mkdir(exist_ok=True)
