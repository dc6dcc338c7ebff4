"""Known screens: the rows of ``regions.csv`` for a screen in any visit.

They are observed once for the study. Which of them concern a visit is known from its layouts, once these
are made: ``regions`` records the share that it used, and is stale when that share changes. So an edit makes
only the visits stale that show the screen, and no observation looks at what was made.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.screen.region_overrides import Row, known_screens_among
from eus_etl.domain.tables.catalog import LAYOUTS, REGIONS
from eus_etl.errors import OutputLostError
from eus_etl.steps.result import version_of
from eus_etl.storage.source_snapshots import Inventory
from eus_etl.storage.vouched import content_of

KNOWN_SCREENS = "known_screens"
_ALL = "all"
_KNOWN_PARTS = 1 << 16
_NO_ROWS = version_of({"rows": []})


def store_known_screens(paths: StudyPaths, rows: Iterable[Row]) -> None:
    """Replace the stored rows."""
    found = {"rows": [dict(row) for row in rows]}
    Inventory(paths, KNOWN_SCREENS).store({_ALL: found}, {_ALL: version_of(found)})


def known_screens(paths: StudyPaths) -> pl.DataFrame:
    """The stored rows, as ``tables.REGIONS``; none where none were ever observed.

    Raises:
        SnapshotLostError: they are missing or damaged.
    """
    found = (Inventory(paths, KNOWN_SCREENS).load(_ALL) or {}).get("rows", [])
    assert isinstance(found, list)  # noqa: S101 - written by store_known_screens() only
    return REGIONS.frame(found)


def known_screens_version(paths: StudyPaths) -> str | None:
    """Changes when any row does; None before the first observation."""
    return Inventory(paths, KNOWN_SCREENS).versions.get(_ALL)


def had_known_screens(paths: StudyPaths) -> bool:
    """Whether there were rows at the last observation; reads none of them."""
    return known_screens_version(paths) not in (None, _NO_ROWS)


def require_known_screens(paths: StudyPaths) -> None:
    """Check that the stored rows can be read.

    Raises:
        SnapshotLostError: they are missing or damaged; the next observation writes them again.
    """
    Inventory(paths, KNOWN_SCREENS).require(_ALL)


def share_of_screens(rows: pl.DataFrame, signatures: Iterable[str | None]) -> str | None:
    """Version of the rows that hold for any of these screens; None where none does.

    Args:
        rows: ``tables.REGIONS``, of known screens.
        signatures: screens that a visit shows.
    """
    held = known_screens_among(rows.to_dicts(), {own for own in signatures if own})
    return version_of(held) if held else None


def share_of_visit(paths: StudyPaths, patient_id: str) -> str | None:
    """Version of the rows that hold for what the visit's layouts show now.

    Reads the visit's part of ``layouts`` if it has changed, and nothing where no screen is known.

    Raises:
        SnapshotLostError: the rows cannot be read, so that nobody can tell.
    """
    if not had_known_screens(paths):
        return None
    rows = _rows_at(paths, Inventory(paths, KNOWN_SCREENS).mark())
    return share_of_screens(rows, _signatures(paths.part(LAYOUTS.name, patient_id)))


@lru_cache(maxsize=4)
def _rows_at(paths: StudyPaths, _mark: str) -> pl.DataFrame:
    """Read once as long as the observation is the same: each visit is compared in turn."""
    return known_screens(paths)


def _signatures(part: Path) -> Sequence[str]:
    try:
        stat = part.stat()
    except FileNotFoundError:
        return ()
    return _signatures_at(part, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=_KNOWN_PARTS)
def _signatures_at(part: Path, modified_ns: int, size: int) -> Sequence[str]:  # noqa: ARG001 - the file's mark
    try:
        with content_of(part):
            if "signature" not in pl.read_parquet_schema(part):
                return ()  # made before screens were told apart
            found = pl.read_parquet(part, columns=["signature"])["signature"]
            return tuple(found.drop_nulls().unique(maintain_order=True))
    except OutputLostError:
        return ()  # it is made again, with all known screens
