"""Copies in ``raw_data``: unfinished ones are dropped, cut ones are named."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from benchmarks.support.hospitals.visits import PATIENT, make_study
from benchmarks.support.videos.small_videos import evenly, write_video
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import VIDEOS
from eus_etl.settings import StudyConfig
from eus_etl.sources.videos.local_folder import LocalFolder
from eus_etl.steps.observation.snapshot import ObservedFile
from eus_etl.steps.raw_videos.step import STAGE, fetch_videos
from eus_etl.steps.result import StepResult
from eus_etl.storage.tables.parts import load_part, rejected_part


@dataclass
class Uploads:
    """A folder of uploads and a study that takes them."""

    folder: Path
    study: StudyConfig

    def fetch(self, *gone: ObservedFile) -> StepResult:
        """Take what lies in the folder; ``gone`` lay there once."""
        return fetch_videos(self.study, PATIENT, self.source, [*self.listed(), *gone])

    @property
    def source(self) -> LocalFolder:
        return LocalFolder(self.folder, settle_s=0, memory=self.folder.parent / "memory.json")

    def listed(self) -> list[ObservedFile]:
        """What lies in the folder now."""
        return [
            ObservedFile(source_id=file.source_id, parts=file.parts, size=file.size, md5=file.md5)
            for file in self.source.list_files().files
        ]

    def copies(self) -> list[str]:
        """Names in ``raw_data``."""
        return sorted(path.name for path in StudyPaths(self.study.root).raw_folder(PATIENT).iterdir())

    def used(self) -> list[str]:
        """Names in ``videos.csv``, in order."""
        return load_part(StudyPaths(self.study.root), VIDEOS, PATIENT)["file_name"].to_list()

    def rejected(self) -> list[tuple[str, str]]:
        """Uploaded names and reasons."""
        part = rejected_part(StudyPaths(self.study.root), STAGE, PATIENT)
        return pl.read_parquet(part).select("file_name", "reason").rows() if part.exists() else []


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return Uploads(folder, make_study(tmp_path / "root"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A video whose index comes first, so that a part of it opens as well."""
    path = tmp_path_factory.mktemp("video") / "whole.mp4"
    return write_video(path, evenly(40, 60), container_options={"movflags": "faststart"}).read_bytes()


def gone(files: list[ObservedFile]) -> list[ObservedFile]:
    return [file.model_copy(update={"gone": True}) for file in files]


def test_an_unfinished_copy_is_dropped_once_the_whole_file_is_there(uploads: Uploads, whole: bytes) -> None:
    unfinished = uploads.folder / "XQ17 upload"  # a name that no rule knows
    unfinished.write_bytes(whole[: len(whole) // 2])
    uploads.fetch()
    assert uploads.copies() == ["XQ17 upload"]
    assert uploads.rejected() == [("XQ17 upload", "truncated")]
    before = gone(uploads.listed())
    unfinished.write_bytes(whole)
    unfinished.rename(uploads.folder / "p2.mp4")
    first = uploads.fetch(*before)
    assert uploads.copies() == uploads.used() == ["p2.mp4"]
    assert uploads.rejected() == []
    assert first.metadata["unfinished_copies"] == 1
    again = uploads.fetch(*before)  # nothing is fetched only to be dropped
    assert again.metadata["files_fetched"] == 0
    assert again.version == first.version
    clean = Uploads(
        uploads.folder, uploads.study.model_copy(update={"root": uploads.folder.parent / "clean"})
    )
    assert clean.fetch().version == first.version


def test_a_lost_note_of_what_was_dropped_brings_nothing_back(uploads: Uploads, whole: bytes) -> None:
    path = uploads.folder / "first try.mp4"
    path.write_bytes(whole[:-1000])
    uploads.fetch()
    before = gone(uploads.listed())
    path.unlink()
    (uploads.folder / "p2.mp4").write_bytes(whole)
    version = uploads.fetch(*before).version
    shutil.rmtree(StudyPaths(uploads.study.root).state / "raw")
    assert uploads.fetch(*before).version == version
    assert uploads.used() == ["p2.mp4"]


def test_an_unfinished_copy_that_is_still_there_is_named(uploads: Uploads, whole: bytes) -> None:
    (uploads.folder / "p2 (1).mp4").write_bytes(whole[: len(whole) // 2])
    (uploads.folder / "p2.mp4").write_bytes(whole)
    assert uploads.fetch().metadata["files_fetched"] == 2
    assert uploads.used() == uploads.copies() == ["p2.mp4"]
    assert uploads.rejected() == [("p2 (1).mp4", "unfinished_upload")]
    assert uploads.fetch().metadata["files_fetched"] == 0


def test_the_whole_file_gets_the_name_that_its_unfinished_copy_had(uploads: Uploads, whole: bytes) -> None:
    for folder, content in (("a", whole[: len(whole) // 2]), ("b", whole)):
        (uploads.folder / folder).mkdir()
        (uploads.folder / folder / "p2.mp4").write_bytes(content)
    uploads.fetch()
    assert uploads.copies() == ["p2.mp4"]


def test_a_vanished_file_that_begins_otherwise_is_kept(uploads: Uploads, whole: bytes) -> None:
    other = bytearray(whole[: len(whole) * 4 // 5])
    other[-1] ^= 1  # the last byte alone
    (uploads.folder / "p1.mp4").write_bytes(other)
    uploads.fetch()
    before = gone(uploads.listed())
    (uploads.folder / "p1.mp4").unlink()
    (uploads.folder / "p2.mp4").write_bytes(whole)
    uploads.fetch(*before)
    assert uploads.used() == uploads.copies() == ["p1.mp4", "p2.mp4"]
    assert sorted(uploads.rejected()) == [("p1.mp4", "gone_from_source"), ("p1.mp4", "truncated")]


def test_a_cut_file_is_named_whether_or_not_it_opens(uploads: Uploads, whole: bytes) -> None:
    (uploads.folder / "index first.mp4").write_bytes(whole[: len(whole) * 4 // 5])
    index_last = write_video(uploads.folder / "index last.mp4", evenly(40, 60), first=100)
    index_last.write_bytes(index_last.read_bytes()[:-1500])
    (uploads.folder / "whole.mp4").write_bytes(
        write_video(uploads.folder / "x.mp4", evenly(40, 9)).read_bytes()
    )
    (uploads.folder / "x.mp4").unlink()
    result = uploads.fetch()
    assert uploads.used() == ["index first.mp4", "whole.mp4"]
    assert uploads.rejected() == [("index first.mp4", "truncated"), ("index last.mp4", "truncated")]
    opens = next(check for check in result.checks if check.name == "videos_open")
    assert not opens.passed
