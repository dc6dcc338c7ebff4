"""A study whose sources hold what a test puts into them, observed again and again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import REJECTED
from eus_etl.errors import EusEtlError, SourceUnavailableError
from eus_etl.settings import StudyConfig
from eus_etl.sources.label_items.base import ItemScan, LabelItem
from eus_etl.sources.patient_rows.base import PatientRow, RowScan
from eus_etl.sources.videos.base import Listing, Missed, SourceFile, WaitingFile
from eus_etl.steps.observation.connect import Sources
from eus_etl.steps.observation.observe import observe
from eus_etl.steps.observation.snapshot import (
    DRIVE_VIDEOS,
    LABEL_ITEMS,
    PATIENT_ROWS,
    observed_files,
)
from eus_etl.storage.tables.parts import NOBODY, rejected_part

ONE, TWO = "11111111-aaaa-4aaa-8aaa-000000000001", "22222222-aaaa-4aaa-8aaa-000000000002"
ALIAS_TWO = "Quiet-Otter-2"


@dataclass
class Outside:
    """Sources that hold what a test puts into them; ``down`` ones do not answer."""

    listing: Listing = field(default_factory=lambda: Listing((), ()))
    items: tuple[LabelItem, ...] = field(default_factory=lambda: (LabelItem(TWO, ALIAS_TWO, {}),))
    rows: tuple[PatientRow, ...] = ()
    surplus: tuple[int, ...] = ()
    persons: Mapping[str, str] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)

    def sources(self) -> Sources:
        return Sources(lambda: self, lambda: self, lambda: self, self.read_persons)

    def read_persons(self) -> Mapping[str, str]:
        self._answer("subjects")
        return self.persons

    def list_files(self) -> Listing:
        self._answer(DRIVE_VIDEOS)
        return self.listing

    def revision(self) -> str | None:
        """Of all sources at once; where one is down, each has to be asked."""
        return None if self.down else str(hash(self.listing))

    def relist(self) -> Missed:
        self._answer(DRIVE_VIDEOS)
        return Missed(appeared=("a",), vanished=("b", "c"), changed=("d",))

    def fetch_many(self, wanted: object, progress: object = None) -> Mapping[str, EusEtlError]:
        raise AssertionError("looking fetches nothing", wanted, progress)

    def scan(self) -> ItemScan:
        self._answer(LABEL_ITEMS)
        return ItemScan(self.items, ())

    def read(self) -> RowScan:
        self._answer(PATIENT_ROWS)
        return RowScan(self.rows, (), self.surplus)

    def _answer(self, source: str) -> None:
        if source in self.down:
            raise SourceUnavailableError(source, "it is down", "wait")


class Copying(Outside):
    """Gives out whatever is asked of it."""

    def fetch_many(self, wanted: object, progress: object = None) -> Mapping[str, EusEtlError]:
        assert isinstance(wanted, list)
        assert callable(progress)
        for fetched, target in wanted:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(fetched.md5)
        return {}


@dataclass
class Looking:
    """A study that is looked at again and again."""

    study: StudyConfig
    outside: Outside

    @property
    def paths(self) -> StudyPaths:
        return StudyPaths(self.study.root)

    def look(self, source: str = DRIVE_VIDEOS) -> Mapping[str, str]:
        """Look once; versions of patients."""
        return observe(self.study, self.outside.sources(), source).versions

    def list(self, *files: SourceFile, waiting: Sequence[SourceFile] = ()) -> Mapping[str, str]:
        """Look at videos of which ``waiting`` are not to be had now."""
        unfinished = tuple(WaitingFile(file.source_id, file.parts, "still_uploading") for file in waiting)
        self.outside.listing = Listing(files, unfinished)
        return self.look()

    def held(self, patient: str) -> set[tuple[str, str, bool]]:
        """Files of a visit: source id, MD5, whether it is gone."""
        return {(file.source_id, file.md5, file.gone) for file in observed_files(self.paths, patient)}

    def rejected(self, source: str = DRIVE_VIDEOS) -> dict[str, str]:
        """What belongs to nobody: item to reason."""
        path = rejected_part(self.paths, source, NOBODY)
        rows = pl.read_parquet(path) if path.exists() else REJECTED.empty()
        return dict(rows.select("item", "reason").iter_rows())


def file(source_id: str, folder: str, content: str) -> SourceFile:
    return SourceFile(source_id, (folder, "a.mp4"), 1, content.ljust(32, "0"))


def of(source_id: str, content: str, gone: bool = False) -> tuple[str, str, bool]:
    return source_id, content.ljust(32, "0"), gone
