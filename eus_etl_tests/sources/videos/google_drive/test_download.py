"""Fetching from a drive that drops, stalls, damages, refuses, and changes its mind."""

import random
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.support.servers.drive_client import drive_at
from benchmarks.support.servers.drive_files import Drive
from benchmarks.support.servers.drive_server import DriveServer, serve
from eus_etl.errors import (
    DiskFullError,
    DownloadQuotaError,
    DownloadRefusedError,
    EusEtlError,
    SourceAccessError,
    SourceFileChangedError,
    SourceFileGoneError,
    SourceUnavailableError,
)
from eus_etl.sources.videos.base import SourceFile
from eus_etl.sources.videos.google_drive.download import part_path
from eus_etl.sources.videos.google_drive.source import GoogleDrive
from eus_etl.storage.files.checksums import md5_of

CONTENT = random.Random(3).randbytes(3_000_000)
NAME = "Planted Patient Name.mp4"


@dataclass
class Upload:
    drive: Drive
    server: DriveServer
    source: GoogleDrive
    visit: str
    file: SourceFile
    target: Path

    def plan(self, *faults: str | None) -> None:
        self.server.faults.media.extend(faults)

    def fetch(self) -> None:
        self.source.fetch(self.file, self.target)

    @property
    def part(self) -> Path:
        return part_path(self.target, self.file.md5)

    def is_whole(self) -> bool:
        return md5_of(self.target) == self.file.md5 and list(self.target.parent.iterdir()) == [self.target]


@pytest.fixture
def upload(tmp_path: Path) -> Iterator[Upload]:
    drive = Drive()
    folder = drive.folder("study")
    visit = drive.folder("visit", folder)
    drive.upload(NAME, visit, CONTENT)
    with serve(drive) as server, drive_at(server, folder, tmp_path / "mirror") as source:
        (file,) = source.list_files().files
        yield Upload(drive, server, source, visit, file, tmp_path / "copies" / "video.mp4")


def test_a_file_comes_with_one_request(upload: Upload) -> None:
    before = upload.server.requests
    upload.fetch()
    assert upload.is_whole()
    assert upload.server.requests == before + 1


@pytest.mark.parametrize(
    "faults",
    [
        ["429", "500", "503", "403 userRateLimitExceeded", "403 rateLimitExceeded"],
        ["drop", "stall"],
        ["drop at byte", "drop at byte", "stall at byte"],
        ["corrupt"],
        ["drop at byte", "corrupt"],
        ["drop at byte", "wrong range"],
        ["drop at byte", "ignore range"],
    ],
    ids=" then ".join,
)
def test_what_passes_is_tried_again(upload: Upload, faults: list[str]) -> None:
    upload.plan(*faults)
    upload.fetch()
    assert upload.is_whole()
    assert sum(upload.server.faults.happened.values()) == len(faults)


def test_what_does_not_pass_is_given_up_and_kept_for_the_next_time(upload: Upload) -> None:
    upload.plan("drop at byte", *["500"] * 6)
    with pytest.raises(SourceUnavailableError, match=r"Drive answers 500 backendError, \d times in a row"):
        upload.fetch()
    assert not upload.target.exists()
    held = upload.part.stat().st_size
    assert 0 < held < len(CONTENT)
    upload.fetch()
    assert upload.is_whole()


def test_another_process_goes_on_where_one_was_killed(upload: Upload) -> None:
    upload.target.parent.mkdir()
    upload.part.write_bytes(CONTENT[:1_000_000])
    upload.fetch()
    assert upload.is_whole()
    assert upload.server.media_bytes == 2_000_000


@pytest.mark.parametrize(
    "left",
    [CONTENT[:-1] + b"?", CONTENT + b"more", b"other" + CONTENT[5:-3], CONTENT],
    ids=["damaged", "too long", "damaged and short", "whole"],
)
def test_a_part_of_any_content_leads_to_the_right_file(upload: Upload, left: bytes) -> None:
    upload.target.parent.mkdir()
    upload.part.write_bytes(left)
    upload.fetch()
    assert upload.is_whole()


@pytest.mark.parametrize("content", [b"x" * len(CONTENT), b"shorter", CONTENT + b"longer"])
def test_a_file_replaced_since_it_was_listed(upload: Upload, content: bytes) -> None:
    upload.drive.replace(upload.file.source_id, content)
    with pytest.raises(SourceFileChangedError, match=f"{upload.file.source_id}: the file was replaced"):
        upload.fetch()
    assert list(upload.target.parent.iterdir()) == []


@pytest.mark.parametrize(("held", "requests"), [(1000, 1), (len(CONTENT) - 1000, 2)])
def test_a_file_replaced_between_two_ranges(upload: Upload, held: int, requests: int) -> None:
    """Of a long rest it is asked for first; after a short one the sums tell."""
    upload.plan("drop at byte")
    upload.server.faults.at_byte = held
    upload.server.after_drop = lambda: upload.drive.replace(upload.file.source_id, CONTENT[::-1])
    before = upload.server.counts["media"]
    with pytest.raises(SourceFileChangedError):
        upload.fetch()
    assert upload.server.counts["media"] == before + requests
    assert list(upload.target.parent.iterdir()) == []


def test_a_file_known_to_be_replaced_costs_no_request(upload: Upload) -> None:
    upload.drive.replace(upload.file.source_id, b"new")
    upload.source.revision()
    before = upload.server.requests
    with pytest.raises(SourceFileChangedError):
        upload.fetch()
    upload.drive.delete(upload.file.source_id)
    upload.source.revision()
    with pytest.raises(SourceFileGoneError):
        upload.fetch()
    assert upload.server.requests == before + 1


@pytest.mark.parametrize(
    ("reason", "kind", "remedy"),
    [
        ("downloadQuotaExceeded", DownloadQuotaError, "growing pauses"),
        ("cannotDownloadAbusiveFile", DownloadRefusedError, "upload it again"),
        ("cannotDownloadFile", DownloadRefusedError, "sharing settings"),
        ("insufficientFilePermissions", DownloadRefusedError, "share"),
        ("accessNotConfigured", SourceAccessError, "enable the Google Drive API"),
        ("somethingNew", DownloadRefusedError, "share"),
    ],
)
def test_what_will_not_pass_is_not_tried_again(
    upload: Upload, reason: str, kind: type[EusEtlError], remedy: str
) -> None:
    upload.drive.items[upload.file.source_id].refusal = reason
    before = upload.server.requests
    with pytest.raises(kind, match=remedy) as caught:
        upload.fetch()
    assert upload.server.requests == before + 1
    assert upload.file.source_id in str(caught.value)
    assert "Planted" not in str(caught.value)
    assert not upload.target.exists()


def test_a_file_that_is_gone(upload: Upload) -> None:
    upload.drive.delete(upload.file.source_id)
    with pytest.raises(SourceFileGoneError, match="no longer in Drive"):
        upload.fetch()
    assert list(upload.target.parent.iterdir()) == []


def test_a_full_disk_is_noticed_before_the_download(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1_000_000}))
    before = upload.server.requests
    with pytest.raises(DiskFullError, match=upload.file.source_id):
        upload.fetch()
    assert upload.server.requests == before


def test_what_the_disk_takes_in_part_is_not_taken_for_whole(upload: Upload) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(CONTENT) - 10_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            upload.fetch()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not upload.target.exists()
    upload.fetch()
    assert upload.is_whole()


def test_without_a_sha256_the_md5_is_enough(upload: Upload) -> None:
    other = upload.drive.upload("other.mp4", upload.visit, b"other")
    upload.drive.change(other, with_sha256=False)
    file = next(file for file in upload.source.list_files().files if file.source_id == other)
    upload.source.fetch(file, upload.target)
    assert upload.target.read_bytes() == b"other"


def test_without_a_sha256_the_md5_tells_damage(upload: Upload) -> None:
    upload.drive.change(upload.file.source_id, with_sha256=False)
    upload.source.list_files()
    upload.plan("corrupt")
    upload.fetch()
    assert upload.is_whole()
    assert upload.server.faults.happened["corrupt"] == 1


def test_several_at_once_and_one_bad_file_spoils_none(upload: Upload) -> None:
    for number in range(9):
        upload.drive.upload(f"{number}.mp4", upload.visit, random.Random(number).randbytes(50_000))
    files = upload.source.list_files().files
    bad = files[4].source_id
    upload.drive.items[bad].refusal = "cannotDownloadAbusiveFile"
    folder = upload.target.parent
    came: list[str] = []
    failures = upload.source.fetch_many(
        [(file, folder / file.source_id) for file in files], lambda file: came.append(file.source_id)
    )
    assert {key: type(error) for key, error in failures.items()} == {bad: DownloadRefusedError}
    assert set(came) == {file.source_id for file in files} - {bad}
    assert {path.name: md5_of(path) for path in folder.iterdir()} == {
        file.source_id: file.md5 for file in files if file.source_id != bad
    }
