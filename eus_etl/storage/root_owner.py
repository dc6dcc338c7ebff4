"""Whose a root is: data that this package did not make is never overwritten."""

import json
from pathlib import Path

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import ForeignRootError
from eus_etl.storage.atomic import write_atomically

FORMAT = 1


def claim_root(paths: StudyPaths, study: str) -> None:
    """Mark an empty root as ours, or check that it is.

    Hand-written ``sync.csv`` and ``regions.csv`` do not make a root foreign.

    Raises:
        ForeignRootError: the root holds tables, frames or videos without our mark, belongs to another
            study, or was written in another format.
    """
    if not is_ours(paths, study):
        mark_root(paths, study)


def is_ours(paths: StudyPaths, study: str) -> bool:
    """Whether the root bears the study's mark; False where it is free to be marked. Writes nothing.

    Raises:
        ForeignRootError: as ``claim_root``.
    """
    if is_claimed(paths):
        owner = json.loads(paths.owner_file.read_bytes())
        if owner != _mark(study):
            raise ForeignRootError(
                study,
                f"the root belongs to study {owner.get('study')!r}, format {owner.get('format')!r}",
                "give each study a root of its own in its configuration",
            )
        return True
    for foreign in _foreign(paths):
        raise ForeignRootError(
            study,
            # the entry's own name may be an uploaded one
            f"the root's {paths.relative(foreign.parent)} holds what this package did not make",
            "name an empty folder as root in the configuration, or take the root over with `eus-etl adopt`",
        )
    return False


def is_claimed(paths: StudyPaths) -> bool:
    """Whether the root bears the mark of any study."""
    return paths.owner_file.is_file()


def mark_root(paths: StudyPaths, study: str) -> None:
    """Mark the root as ours whatever it holds: only for who has just settled that."""
    write_atomically(paths.owner_file, json.dumps(_mark(study)).encode())


def _mark(study: str) -> dict[str, object]:
    return {"study": study, "format": FORMAT}


def _foreign(paths: StudyPaths) -> list[Path]:
    found: list[Path] = []
    for folder in (paths.data, paths.frames, paths.preprocessed, paths.raw_data, paths.releases):
        if folder.is_dir():
            allowed = {paths.sync_csv, paths.regions_csv}
            found += [entry for entry in sorted(folder.iterdir()) if entry not in allowed]
    return found
