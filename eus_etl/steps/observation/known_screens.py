"""What ``regions.csv`` says of screens, whichever visit shows them: known screens, and confirmed outlines.

A row that names a screen alone holds for it in any visit. One that signs off an outline of a screen in one
visit is evidence for the same screen in others. Both are observed once for the study. Which of them concern a
visit is known from its layouts, once these are made: ``regions`` records the share that it used, and is stale
when that share changes. So an edit makes only the visits stale that show the screen, and no observation looks
at what was made. The screens that a visit shows are part of the record of what ``regions`` made; only where
an earlier version made it are they read from its layouts.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.screen.appearance import same_screen
from eus_etl.domain.screen.region_overrides import ConfirmedOutline, Row, known_screens_among
from eus_etl.domain.tables.catalog import LAYOUTS, REGIONS
from eus_etl.errors import OutputLostError
from eus_etl.steps.result import version_of
from eus_etl.storage.source_snapshots import Inventory, inventory_mark
from eus_etl.storage.vouched import content_of

KNOWN_SCREENS = "known_screens"
_ALL = "all"
_KNOWN_PARTS = 1 << 16
_NO_ROWS = version_of({"rows": []})


class _Stored(BaseModel):
    """As ``store_known_screens`` writes it."""

    model_config = ConfigDict(frozen=True)

    rows: list[dict[str, str | None]] = []
    confirmed: list[ConfirmedOutline] = []


@dataclass(frozen=True, slots=True)
class KnownScreens:
    """What is known of screens in any visit.

    Attributes:
        rows: ``tables.REGIONS``, those that hold in any visit.
        confirmed: outlines that were signed off in some visit.
    """

    rows: pl.DataFrame = field(default_factory=REGIONS.empty)
    confirmed: Sequence[ConfirmedOutline] = ()

    def confirmed_for(self, signatures: Collection[str]) -> list[ConfirmedOutline]:
        """The outlines that were signed off for any of these screens."""
        return [
            one
            for one in self.confirmed
            if any(same_screen(one.signature, signature) for signature in signatures)
        ]

    def share(self, signatures: Collection[str]) -> str | None:
        """Version of what holds for any of these screens, or is evidence for it; None where nothing does."""
        held = known_screens_among(self.rows.to_dicts(), signatures)
        confirmed = [asdict(outline) for outline in self.confirmed_for(signatures)]
        found = [held, confirmed] if confirmed else [held] if held else None
        return version_of(*found) if found else None


def store_known_screens(
    paths: StudyPaths, rows: Iterable[Row], confirmed: Iterable[ConfirmedOutline] = ()
) -> None:
    """Replace what is stored."""
    found = {"rows": [dict(row) for row in rows]}
    if outlines := [asdict(outline) for outline in confirmed]:
        found["confirmed"] = outlines
    Inventory(paths, KNOWN_SCREENS).store({_ALL: found}, {_ALL: version_of(found)})


def known_screens(paths: StudyPaths) -> KnownScreens:
    """What is stored; nothing where nothing was ever observed.

    Raises:
        SnapshotLostError: it is missing or damaged.
    """
    found = _Stored.model_validate(Inventory(paths, KNOWN_SCREENS).load(_ALL) or {})
    return KnownScreens(REGIONS.frame(found.rows), found.confirmed)


def known_screens_version(paths: StudyPaths) -> str | None:
    """Changes when any row does; None before the first observation."""
    return _version_at(paths, inventory_mark(paths, KNOWN_SCREENS))


def had_known_screens(paths: StudyPaths) -> bool:
    """Whether anything was known at the last observation; reads none of it."""
    return known_screens_version(paths) not in (None, _NO_ROWS)


def require_known_screens(paths: StudyPaths) -> None:
    """Check that what is stored can be read.

    Raises:
        SnapshotLostError: they are missing or damaged; the next observation writes them again.
    """
    Inventory(paths, KNOWN_SCREENS).require(_ALL)


def share_of_visit(paths: StudyPaths, patient_id: str, shown: Sequence[str] | None = None) -> str | None:
    """Version of what is known of the screens that a visit shows.

    Reads nothing where no screen is known.

    Args:
        paths: the study's paths.
        patient_id: the visit.
        shown: signatures of its screens; None for those in its part of ``layouts``, which is read if it has
            changed.

    Raises:
        SnapshotLostError: what is stored cannot be read, so that nobody can tell.
    """
    if not had_known_screens(paths):
        return None
    if shown is None:
        shown = _signatures(paths.part(LAYOUTS.name, patient_id))
    return _share_at(paths, inventory_mark(paths, KNOWN_SCREENS), tuple(shown))


def shown_screens(layouts: pl.DataFrame) -> tuple[str, ...]:
    """Signatures of the screens in ``tables.LAYOUTS``, each once."""
    return tuple(layouts["signature"].drop_nulls().unique(maintain_order=True))


@lru_cache(maxsize=_KNOWN_PARTS)
def _share_at(paths: StudyPaths, mark: str, shown: tuple[str, ...]) -> str | None:
    """Each visit is compared in turn, and most show one of few screens."""
    return _known_at(paths, mark).share(shown)


@lru_cache(maxsize=4)
def _version_at(paths: StudyPaths, _mark: str) -> str | None:
    """Asked for of each of thousands of visits, and opened once as long as the observation is the same."""
    return Inventory(paths, KNOWN_SCREENS).versions.get(_ALL)


@lru_cache(maxsize=4)
def _known_at(paths: StudyPaths, _mark: str) -> KnownScreens:
    """Read once as long as the observation is the same."""
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
            return shown_screens(pl.read_parquet(part, columns=["signature"]))
    except OutputLostError:
        return ()  # it is made again, with all known screens
