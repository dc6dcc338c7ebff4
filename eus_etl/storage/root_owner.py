"""Which study a root belongs to: data that this package did not make is never overwritten."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import ForeignRootError, RootFormatError
from eus_etl.storage.files.atomic import write_atomically, write_first
from eus_etl.storage.files.folders import forget_root, root_unavailable, watch_root
from eus_etl.storage.files.listing import is_clutter

FORMAT = 3
"""Increased when an earlier version must not work on a root any more. An older root is refused until
``upgrade_root`` has been asked for: whoever upgrades has a backup to go back to."""

CHANGES: Mapping[int, str] = {
    2: "ids of videos begin with v: every asset is made again, once",
    3: "forgotten visits leave tombstones, which earlier versions would not heed",
}
"""What came with each format, for people."""


def claim_root(
    paths: StudyPaths, study: str, *, known: Callable[[], bool] = lambda: False, new: bool = False
) -> None:
    """Check that the root is the study's, or mark it if it is free; from then on it is watched.

    Hand-written ``sync.csv`` and ``regions.csv`` do not make a root foreign.

    Args:
        paths: the study's paths.
        study: its name.
        known: whether the study already has a root according to the Dagster instance; called only if the
            root has no mark.
        new: a person confirms that an empty root is intended, or that a root without its mark is the study's.

    Raises:
        ForeignRootError: the root holds tables, frames or videos without our mark, belongs to another
            study, or another version wrote it.
        RootUnavailableError: the root has no mark, but the study already has a root.
    """
    if not is_ours(paths, study, new=new):
        if known() and not new:
            raise root_unavailable(
                study, "the root has no mark, although the study's visits were processed before"
            )
        if is_claimed(paths) and _read_mark(paths) is None:
            mark_root(paths, study)
        else:
            _mark_first(paths, study)
    watch_root(paths, study)


def is_ours(paths: StudyPaths, study: str, *, new: bool = False) -> bool:
    """Whether the root has the study's mark; False if it is free. Writes nothing.

    Raises:
        ForeignRootError: as ``claim_root``.
    """
    if is_claimed(paths):
        owner = _read_mark(paths)
        if owner is not None:
            _require_study(owner, study)
            require_format(paths, study)
            return True
    if (has_pages := paths.pages.is_dir()) and new:
        return False
    if has_pages or is_claimed(paths):
        raise ForeignRootError(
            study,
            f"the root's mark, {paths.relative(paths.owner_file)}, is missing or cannot be read",
            "restore it from a backup; if you are sure that the root is this study's, "
            "`eus-etl run --new-root` writes the mark again",
        )
    for foreign in _foreign(paths):
        raise ForeignRootError(
            study,
            # the entry's own name may be an upload's
            f"the root's {paths.relative(foreign.parent)} holds files that this package did not make",
            "set an empty folder as root in the configuration, or take this one over with `eus-etl adopt`",
        )
    return False


def require_format(paths: StudyPaths, study: str) -> None:
    """Check that a root, if it has a mark, has the format of this version; every command does, and the page.

    Raises:
        RootFormatError: an earlier or a later version wrote it.
    """
    found = root_format(paths)
    if found is None or found == FORMAT:
        return
    if found in range(1, FORMAT):
        raise RootFormatError(
            study,
            f"an earlier version wrote the root: it has format {found}, and this one needs {FORMAT}",
            "back it up (docs/upgrading.md), then `eus-etl upgrade --config FILE`",
        )
    raise RootFormatError(
        study,
        f"the root has format {found!r}, and this version knows formats up to {FORMAT}",
        "use the version of this package that wrote it, or a later one",
    )


def root_format(paths: StudyPaths) -> object:
    """The format of a root by its mark; None where it has no mark, or one that cannot be read."""
    owner = _read_mark(paths) if is_claimed(paths) else None
    return None if owner is None else owner.get("format") or "unknown"


def upgrade_root(paths: StudyPaths, study: str) -> None:
    """Bring the root of an earlier version to this format. What it holds fits: runs make again what does not.

    Raises:
        ForeignRootError: it is not the study's.
        RootFormatError: a later version wrote it.
    """
    _require_study(_read_mark(paths) or {}, study)
    try:
        require_format(paths, study)
    except RootFormatError:
        if root_format(paths) not in range(1, FORMAT):
            raise
    mark_root(paths, study)


def is_claimed(paths: StudyPaths) -> bool:
    """Whether the root has the mark of any study."""
    return paths.owner_file.is_file()


def mark_root(paths: StudyPaths, study: str) -> None:
    """Mark the root as the study's, whatever it holds: the caller has checked that it is."""
    forget_root(paths)
    write_atomically(paths.owner_file, _mark(study))


def _mark_first(paths: StudyPaths, study: str) -> None:
    """Mark a free root, unless another process has just marked it as the same study's."""
    forget_root(paths)
    if not write_first(paths.owner_file, _mark(study)) and not is_ours(paths, study):
        raise root_unavailable(study, "another process removed the root's mark")


def _read_mark(paths: StudyPaths) -> dict[str, object] | None:
    """The mark's content; None if it cannot be read."""
    try:
        found = json.loads(paths.owner_file.read_bytes())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _require_study(owner: Mapping[str, object], study: str) -> None:
    if owner.get("study") != study:
        raise ForeignRootError(
            study,
            f"the root belongs to study {owner.get('study')!r}",
            "give each study its own root in its configuration",
        )


def _mark(study: str) -> bytes:
    return json.dumps({"study": study, "format": FORMAT}).encode()


def _foreign(paths: StudyPaths) -> list[Path]:
    found: list[Path] = []
    for folder in (paths.data, paths.frames, paths.preprocessed, paths.raw_data, paths.releases):
        allowed = {paths.sync_csv, paths.regions_csv}
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        found += [entry for entry in entries if entry not in allowed and not is_clutter(entry.name)]
    return found
