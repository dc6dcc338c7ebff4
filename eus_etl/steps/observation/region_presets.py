"""The rows of ``regions.csv`` for a screen in any visit: stored by an observation, with the visits concerned.

A row without a patient holds for every layout that shows its screen. It is part of the version of the visits
that show it, and of no others, so that an edit makes only these stale.
"""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.screen.region_overrides import Row, remembered_for
from eus_etl.domain.tables.catalog import LAYOUTS
from eus_etl.errors import OutputLostError
from eus_etl.steps.result import version_of
from eus_etl.storage.source_snapshots import Inventory
from eus_etl.storage.vouched import content_of

_SOURCE, _ALL = "remembered_regions", "all"
_KNOWN_PARTS = 1 << 16


def store_remembered(paths: StudyPaths, rows: Iterable[Row]) -> None:
    """Replace the remembered rows."""
    found = {"rows": [dict(row) for row in rows]}
    Inventory(paths, _SOURCE).store({_ALL: found}, {_ALL: version_of(found)})


def remembered_rows(paths: StudyPaths) -> list[dict[str, object]]:
    """The remembered rows of all screens: those of a visit made for the first time are not known yet."""
    found = (Inventory(paths, _SOURCE).load(_ALL) or {}).get("rows", [])
    assert isinstance(found, list)  # noqa: S101 - written by store_remembered() only
    return found


def require_remembered(paths: StudyPaths) -> None:
    """Check that the remembered rows can be read.

    Raises:
        SnapshotLostError: they are missing or damaged; the next observation writes them again.
    """
    Inventory(paths, _SOURCE).require(_ALL)


def remembered_of_visits(paths: StudyPaths, rows: list[Row]) -> dict[str, list[Row]]:
    """Visits whose layouts show a remembered screen, with its rows.

    Reads each part of ``layouts`` that has changed, and none where nothing is remembered.
    """
    if not rows:
        return {}
    concerned = {}
    for part in sorted(paths.parts(LAYOUTS.name).glob("*.parquet")):
        stat = part.stat()
        if held := remembered_for(rows, _signatures_at(part, stat.st_mtime_ns, stat.st_size)):
            concerned[part.stem] = held
    return concerned


@lru_cache(maxsize=_KNOWN_PARTS)
def _signatures_at(part: Path, modified_ns: int, size: int) -> frozenset[str]:  # noqa: ARG001 - the file's mark
    try:
        with content_of(part):
            if "signature" not in pl.read_parquet_schema(part):
                return frozenset()  # made before screens were told apart
            return frozenset(pl.read_parquet(part, columns=["signature"])["signature"].drop_nulls())
    except OutputLostError:
        return frozenset()  # it is made again, with all remembered rows
