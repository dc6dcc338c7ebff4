"""What was made and is expected to be there: a missing or unreadable file of it is an error, never nothing.

Only what no page of provenance vouches for was never made. After the error the asset that made the file
counts as stale: the file is missing, or is removed where its content is damaged. The next run makes it again.
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
"""What readers raise on a file that is there and is not what was written."""


def require_unmade(paths: StudyPaths, patient_id: str, path: Path) -> None:
    """Check that an output of a visit, which is not there, was never made.

    Raises:
        OutputLostError: it was made, or the page that would say so cannot be read.
    """
    if paths.relative(path) in _vouched(paths.ledger(patient_id)):
        raise lost_output(path, "is missing")


def vouched_files(paths: StudyPaths, folder: Path, pattern: str = "*.parquet") -> list[Path]:
    """The files in ``folder`` that fit ``pattern``, sorted: with all that the visits' pages vouch for.

    Raises:
        OutputLostError: one is missing, or a page cannot be read.
    """
    found = set(folder.glob(pattern))
    prefix = f"{paths.relative(folder)}/"
    for page in sorted(paths.pages.glob("[!_]*.json")):  # no visit's id begins so
        for name in _vouched(page):
            if name.startswith(prefix) and name.endswith(".parquet") and paths.root / name not in found:
                raise lost_output(paths.root / name, "is missing")
    return sorted(found)


@contextmanager
def content_of(path: Path, forget: Callable[[], object] | None = None) -> Iterator[None]:
    """Read ``path`` in the block; where its content is damaged it is removed.

    Args:
        path: the file.
        forget: has what depends on the file count as not made; by default the file itself is removed.

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
        # the message of a reader may hold what stands in the file
        (forget or path.unlink)()
        raise lost_output(path, "cannot be read") from None


def lost_output(path: Path, how: str) -> OutputLostError:
    """``path`` is lost; its last two names are enough to find it, and hold ids only."""
    return OutputLostError(
        "/".join(path.parts[-2:]), f"it was made, and {how}", "run again: it is made again"
    )


def _vouched(page: Path) -> frozenset[str]:
    try:
        stat = page.stat()
    except FileNotFoundError:
        return frozenset()
    return _vouched_at(page, stat.st_ino, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1 << 16)
def _vouched_at(page: Path, *_mark: int) -> frozenset[str]:
    """Paths below the root that a page vouches for."""
    try:
        entries = json.loads(page.read_bytes())
        return frozenset(name for entry in entries.values() for name in entry.get("outputs") or {})
    except (ValueError, AttributeError):
        raise lost_output(page, "cannot be read") from None
