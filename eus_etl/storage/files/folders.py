"""Makes folders below a study's root, but never the root itself: its disk may just be gone.

A root that this process works on is watched. Before a folder is made or a file published below it, the root's
mark is checked, so that nothing is written below an empty mount point or into another root.
"""

import os
from pathlib import Path

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import RootUnavailableError

_WATCHED: dict[Path, tuple[str, os.stat_result]] = {}
"""Roots to their study and the mark file's state when the root was taken."""


def watch_root(paths: StudyPaths, study: str) -> None:
    """From now on, have writers below the root check that it still has today's mark."""
    _WATCHED[paths.root] = study, paths.owner_file.stat()


def forget_root(paths: StudyPaths) -> None:
    """Stop watching a root: it is about to get another mark."""
    _WATCHED.pop(paths.root, None)


def require_root(paths: StudyPaths) -> None:
    """Check that a watched root is still there.

    Raises:
        RootUnavailableError: its mark is gone, or another root is in its place.
    """
    study, mark = _WATCHED.get(paths.root, ("", None))
    if mark is None:
        return
    try:
        found = paths.owner_file.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise root_unavailable(study, "the root lost its mark during the work") from None
    if not os.path.samestat(found, mark):
        raise root_unavailable(study, "another root took its place during the work")


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, where they are missing.

    Raises:
        RootUnavailableError: it is below a watched root that is gone.
    """
    for root in tuple(_WATCHED):
        if folder.is_relative_to(root):
            require_root(StudyPaths(root))
            _make_below(root, folder)
            return
    folder.mkdir(parents=True, exist_ok=True)


def root_unavailable(study: str, cause: str) -> RootUnavailableError:
    """The error for a root that existed and is not there now."""
    return RootUnavailableError(
        study,
        cause,
        "mount its disk or restore it; if a new, empty root is intended, `eus-etl run --new-root`",
    )


def _make_below(root: Path, folder: Path) -> None:
    """Make the folders between ``root`` and ``folder``; fails if ``root`` itself is gone by now."""
    if folder.is_dir():
        return
    if folder != root:
        _make_below(root, folder.parent)
        folder.mkdir(exist_ok=True)
