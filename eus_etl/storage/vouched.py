"""Outputs that must exist because provenance lists them: a missing or unreadable one is an error.

Only what no page of provenance lists was never made. After the error the asset that made the file counts as
stale: the file is missing, or is removed because its content is damaged. The next run makes it again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import polars as pl
import zstandard
from pydantic import ValidationError

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import OutputLostError
from eus_etl.storage.files.listing import listed
from eus_etl.storage.files.marks import FileMark, MarkedFile, marks_in
from eus_etl.storage.provenance import page_in

_CONTENT_ERRORS = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    zstandard.ZstdError,
    ValueError,
    KeyError,
    TypeError,
)
"""What readers raise on a file that exists but is not what was written."""

_PARQUET = ".parquet"


@dataclass(slots=True)
class _Look:
    """What one run has found so far: what all pages list, and the files in folders."""

    pages: dict[StudyPaths, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    files: dict[Path, list[MarkedFile]] = field(default_factory=dict)


_look: ContextVar[_Look | None] = ContextVar("what this run has found so far", default=None)


@contextmanager
def one_look(run_id: str) -> Iterator[None]:
    """In the block, all tables of a run see the same files: each folder is looked through once for the run.

    After an error the next block looks again, as a retry in the same run has to.
    """
    before = _look.set(_look_of(run_id))
    try:
        yield
    except BaseException:
        _look_of.cache_clear()
        raise
    finally:
        _look.reset(before)


@lru_cache(maxsize=1)
def _look_of(_run_id: str) -> _Look:
    return _Look()


def require_unmade(paths: StudyPaths, patient_id: str, path: Path) -> None:
    """Check that a missing output of a visit was never made.

    Raises:
        OutputLostError: it was made, or the page of provenance cannot be read.
    """
    if path.name in _vouched(str(paths.ledger(patient_id))).get(paths.relative(path.parent), ()):
        raise lost_output(path, "is missing")


def vouched_files(paths: StudyPaths, folder: Path, *, nested: bool = False) -> list[MarkedFile]:
    """The Parquet files in ``folder``, sorted; all that the visits' pages list must exist.

    Args:
        paths: the study's paths.
        folder: the folder.
        nested: the files in the folders in it instead.

    Raises:
        OutputLostError: one is missing, or a page cannot be read.
    """
    own, look = paths.relative(folder), _look.get() or _Look()
    if folder in look.files:
        return look.files[folder]
    folders = _folders(paths, own) if nested else [own]
    found = {at: marks_in(f"{paths.root}/{at}", _PARQUET) for at in folders}
    if paths not in look.pages:
        look.pages[paths] = _vouched_by_all(paths)
    for at, names in look.pages[paths].items():
        if at == own or (nested and at.rpartition("/")[0] == own):
            missing = names - found.get(at, {}).keys()
            for name in sorted(name for name in missing if name.endswith(_PARQUET)):
                raise lost_output(paths.root / at / name, "is missing")
    files = [MarkedFile(f"{at}/{name}", *mark) for at, marks in found.items() for name, mark in marks.items()]
    look.files[folder] = files
    return files


def _folders(paths: StudyPaths, at: str) -> list[str]:
    """The folders in one, below the root, sorted."""
    return [paths.relative(folder) for folder in listed(paths.root / at) if folder.is_dir()]


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


def _vouched_by_all(paths: StudyPaths) -> Mapping[str, frozenset[str]]:
    """What the pages of all visits list together."""
    folder = str(paths.pages)
    marks = marks_in(folder, ".json")
    # no visit's id begins with an underscore
    return _joined(tuple((f"{folder}/{name}", mark) for name, mark in marks.items() if name[0] != "_"))


@lru_cache(maxsize=1)
def _joined(pages: Sequence[tuple[str, FileMark]]) -> Mapping[str, frozenset[str]]:
    """Joined once for all tables of a run."""
    found: dict[str, set[str]] = {}
    for page, _ in pages:
        for folder, names in _vouched(page).items():
            found.setdefault(folder, set()).update(names)
    return {folder: frozenset(names) for folder, names in found.items()}


def _vouched(page: str) -> Mapping[str, set[str]]:
    """What a page lists: folders below the root to names in them.

    Nothing if there is no such page, or it is in an older form.
    """
    try:
        entries = page_in(page)
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        if any(problem["type"] == "json_invalid" for problem in error.errors()):
            raise lost_output(Path(page), "cannot be read") from None
        return {}
    found: dict[str, set[str]] = {}
    for entry in entries.values():
        for path in entry.outputs:
            folder, _, name = path.rpartition("/")
            found.setdefault(folder, set()).add(name)
    return found
