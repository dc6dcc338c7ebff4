"""Outputs that must exist because provenance lists them: a missing or unreadable one is an error.

Only what no page of provenance lists was never made. After the error the asset that made the file counts as
stale: the file is missing, or is removed because its content is damaged. The next run makes it again.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from glob import glob
from pathlib import Path

import polars as pl
import zstandard

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import OutputLostError

_CONTENT_ERRORS = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    zstandard.ZstdError,
    ValueError,
    KeyError,
    TypeError,
)
"""What readers raise on a file that exists but is not what was written."""


def require_unmade(paths: StudyPaths, patient_id: str, path: Path) -> None:
    """Check that a missing output of a visit was never made.

    Raises:
        OutputLostError: it was made, or the page of provenance cannot be read.
    """
    if path.name in _vouched(str(paths.ledger(patient_id))).get(paths.relative(path.parent), ()):
        raise lost_output(path, "is missing")


def vouched_files(paths: StudyPaths, folder: Path, pattern: str = "*.parquet") -> list[Path]:
    """The files in ``folder`` that match ``pattern``, sorted; all that the visits' pages list must exist.

    Args:
        paths: the study's paths.
        folder: the folder.
        pattern: ``*.parquet``, or ``*/*.parquet`` for the folders in it.

    Raises:
        OutputLostError: one is missing, or a page cannot be read.
    """
    # names, not paths: of thousands of visits, making and comparing paths takes longer than reading the files
    found: dict[str, set[str]] = {}
    for name in glob(pattern, root_dir=folder):  # noqa: PTH207
        below, _, file = name.rpartition("/")
        found.setdefault(below, set()).add(file)
    own = paths.relative(folder)
    nested = "/" in pattern
    # no visit's id begins with _
    for page in sorted(glob("[!_]*.json", root_dir=paths.pages)):  # noqa: PTH207
        for at, names in _vouched(f"{paths.pages}/{page}").items():
            if at != own and not (nested and at.rpartition("/")[0] == own):
                continue
            missing = names - found.get(at[len(own) + 1 :], set())
            for name in sorted(name for name in missing if name.endswith(".parquet")):
                raise lost_output(paths.root / at / name, "is missing")
    return [folder / below / name for below in sorted(found) for name in sorted(found[below])]


@contextmanager
def content_of(path: Path, forget: Callable[[], object] | None = None) -> Iterator[None]:
    """Read ``path`` in the block; if its content is damaged, it is removed.

    Args:
        path: the file.
        forget: makes what depends on the file count as not made; by default the file itself is removed.

    Raises:
        OutputLostError: the file is missing or damaged.
    """
    try:
        yield
    except FileNotFoundError:
        if forget:
            forget()
        raise lost_output(path, "is missing") from None
    except _CONTENT_ERRORS:
        # a reader's message may quote the file
        (forget or path.unlink)()
        raise lost_output(path, "cannot be read") from None


def lost_output(path: Path, how: str) -> OutputLostError:
    """The error for a lost file; the last two parts of its path are enough to find it, and hold ids only."""
    return OutputLostError(
        "/".join(path.parts[-2:]), f"it was made, but {how}", "run again: it is made again"
    )


def _vouched(page: str) -> Mapping[str, frozenset[str]]:
    try:
        stat = os.stat(page)  # noqa: PTH116 - one for each of thousands of visits
    except FileNotFoundError:
        return {}
    return _vouched_at(page, stat.st_ino, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1 << 16)
def _vouched_at(page: str, *_mark: int) -> Mapping[str, frozenset[str]]:
    """What a page lists: folders below the root to names in them."""
    found: dict[str, set[str]] = {}
    try:
        for entry in json.loads(Path(page).read_bytes()).values():
            for path in entry.get("outputs") or {}:
                folder, _, name = path.rpartition("/")
                found.setdefault(folder, set()).add(name)
    except (ValueError, AttributeError):
        raise lost_output(Path(page), "cannot be read") from None
    return {folder: frozenset(names) for folder, names in found.items()}
