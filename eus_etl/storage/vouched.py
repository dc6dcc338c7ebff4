"""Outputs that must exist because provenance lists them: a missing or unreadable one is an error.

Only what no page of provenance lists was never made. After the error the asset that made the file counts as
stale: the file is missing, or is removed because its content is damaged. The next run makes it again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from glob import glob
from pathlib import Path

import polars as pl
import zstandard
from pydantic import ValidationError

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import OutputLostError
from eus_etl.storage.files.marks import FileMark, mark_of
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
    own, nested = paths.relative(folder), "/" in pattern
    for at, names in _vouched_by_all(paths).items():
        if at == own or (nested and at.rpartition("/")[0] == own):
            missing = names - found.get(at[len(own) + 1 :], set())
            for name in sorted(name for name in missing if name.endswith(".parquet")):
                raise lost_output(paths.root / at / name, "is missing")
    folders = {below: folder / below for below in sorted(found)}
    return [path / name for below, path in folders.items() for name in sorted(found[below])]


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
    names = sorted(glob("[!_]*.json", root_dir=folder))  # noqa: PTH207 - no visit's id begins with _
    pages = [f"{folder}/{name}" for name in names]
    return _joined(tuple((page, mark_of(page)) for page in pages))


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
