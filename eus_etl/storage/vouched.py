"""Outputs that must exist because provenance lists them: a missing or unreadable one is an error.

Only what no page of provenance lists was never made. After the error the asset that made the file counts as
stale: the file is missing, or is removed because its content is damaged. The next run makes it again.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
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
    if paths.relative(path) in _vouched(paths.ledger(patient_id)):
        raise lost_output(path, "is missing")


def vouched_files(paths: StudyPaths, folder: Path, pattern: str = "*.parquet") -> list[Path]:
    """The files in ``folder`` that match ``pattern``, sorted; all that the visits' pages list must exist.

    Raises:
        OutputLostError: one is missing, or a page cannot be read.
    """
    found = set(folder.glob(pattern))
    prefix = f"{paths.relative(folder)}/"
    for page in sorted(paths.pages.glob("[!_]*.json")):  # no visit's id begins with _
        for name in _vouched(page):
            if name.startswith(prefix) and name.endswith(".parquet") and paths.root / name not in found:
                raise lost_output(paths.root / name, "is missing")
    return sorted(found)


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


def _vouched(page: Path) -> frozenset[str]:
    try:
        stat = page.stat()
    except FileNotFoundError:
        return frozenset()
    return _vouched_at(page, stat.st_ino, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1 << 16)
def _vouched_at(page: Path, *_mark: int) -> frozenset[str]:
    """Paths below the root that a page lists."""
    try:
        entries = json.loads(page.read_bytes())
        return frozenset(name for entry in entries.values() for name in entry.get("outputs") or {})
    except (ValueError, AttributeError):
        raise lost_output(page, "cannot be read") from None
