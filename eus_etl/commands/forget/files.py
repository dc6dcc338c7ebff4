"""The files and folders of a visit below a study's root.

Whatever is made of a visit has its id in its name or in a folder's above it, down to unfinished files and
locks. So they are found by their names, and nothing that is added later can be overlooked.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from eus_etl.commands.forget.names import Names
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.patient_matching import UUID
from eus_etl.storage.files.rename import remove_empty_folders


def find_files(paths: StudyPaths, names: Names) -> list[Path]:
    """Files and folders of a visit, without what is in these folders; none below ``releases``.

    The page of provenance comes first: once it is gone, no table waits for the rest.
    """
    legacy = (paths.legacy, paths.legacy_tables)
    found = [
        path
        for path in _walk(paths)
        if names.patient_id in path.name.casefold()
        or (any(path.is_relative_to(folder) for folder in legacy) and names.has_name(path.name))
    ]
    page = paths.ledger(names.patient_id)
    inside = [path for path in found if not any(other in path.parents for other in found)]
    return sorted(inside, key=lambda path: (path != page, path))


def remove_files(paths: StudyPaths, found: list[Path]) -> None:
    """Delete files and folders, and folders of earlier scripts that are empty then."""
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for folder in (paths.legacy, paths.legacy_tables):
        if folder.is_dir():
            remove_empty_folders(folder)


def count_files(found: list[Path]) -> tuple[int, int]:
    """How many files these are, with all below the folders, and their bytes; empty ones are locks."""
    files = size = 0
    for path in found:
        for file in (path, *path.rglob("*")) if path.is_dir() and not path.is_symlink() else (path,):
            with suppress(FileNotFoundError):
                if file.is_symlink() or file.is_file():
                    files += file.lstat().st_size > 0
                    size += file.lstat().st_size
    return files, size


def _walk(paths: StudyPaths) -> Iterator[Path]:
    """Everything below the root but releases, and what is in folders of single visits."""
    for folder, folders, files in os.walk(paths.root):
        at = Path(folder)
        if at == paths.root and paths.releases.name in folders:
            folders.remove(paths.releases.name)
        yield from (at / name for name in (*folders, *files))
        folders[:] = [name for name in folders if not UUID.fullmatch(name)]
