import os
import time
from pathlib import Path

import pytest

from eus_etl.errors import SourceUnavailableError
from eus_etl.sources.videos.local_folder import LocalFolder
from eus_etl.storage.checksums import md5_of

LONG_AGO = 1_700_000_000


def upload(folder: Path, name: str, content: bytes, at: float = LONG_AGO) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (at, at))
    return path


def source(tmp_path: Path, **changes: float) -> LocalFolder:
    return LocalFolder(
        tmp_path / "drive", settle_s=5, memory=tmp_path / "memory.json", hashing_limit_s=changes.get("limit")
    )


def test_files_at_any_depth_and_of_any_name_are_listed(tmp_path: Path) -> None:
    names = ["a.mp4", "x/y/z/b c.mp4", "ü/.ñ.mp4", "x/a.mp4"]
    for name in names:
        upload(tmp_path / "drive", name, name.encode())
    upload(tmp_path / "drive", "x/.DS_Store", b"clutter")
    listing = source(tmp_path).list_files()
    assert {"/".join(file.parts) for file in listing.files} == set(names)
    assert listing.waiting == ()
    assert len({file.source_id for file in listing.files}) == len(names)
    for file in listing.files:
        assert file.md5 == md5_of((tmp_path / "drive").joinpath(*file.parts))


def test_empty_and_fresh_files_wait(tmp_path: Path) -> None:
    upload(tmp_path / "drive", "empty.mp4", b"")
    upload(tmp_path / "drive", "fresh.mp4", b"x", at=time.time())
    listing = source(tmp_path).list_files()
    assert listing.files == ()
    assert {file.reason for file in listing.waiting} == {"empty_file", "still_being_written"}


def test_a_file_is_hashed_once(tmp_path: Path) -> None:
    path = upload(tmp_path / "drive", "a.mp4", b"one")
    first = source(tmp_path).list_files().files[0].md5
    with path.open("r+b") as file:  # same size and time: not read again
        file.write(b"two")
    os.utime(path, (LONG_AGO, LONG_AGO))
    assert source(tmp_path).list_files().files[0].md5 == first
    os.utime(path, (LONG_AGO + 1, LONG_AGO + 1))
    assert source(tmp_path).list_files().files[0].md5 != first


def test_files_beyond_the_hashing_limit_wait_for_the_next_listing(tmp_path: Path) -> None:
    for number in range(3):
        upload(tmp_path / "drive", f"{number}.mp4", bytes([number]))
    listing = source(tmp_path, limit=-1.0).list_files()
    assert [file.reason for file in listing.waiting] == ["not_hashed_yet"] * 3
    assert len(source(tmp_path).list_files().files) == 3


def test_a_missing_folder_is_not_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match="mounted"):
        source(tmp_path).list_files()


def test_a_file_that_changed_since_it_was_listed_is_not_taken(tmp_path: Path) -> None:
    path = upload(tmp_path / "drive", "Private Name.mp4", b"one")
    folder = source(tmp_path)
    file = folder.list_files().files[0]
    path.write_bytes(b"two")
    with pytest.raises(SourceUnavailableError) as caught:
        folder.fetch(file, tmp_path / "copy.mp4")
    assert "Private" not in str(caught.value)
    assert not (tmp_path / "copy.mp4").exists()
    path.unlink()
    with pytest.raises(SourceUnavailableError, match="no longer"):
        folder.fetch(file, tmp_path / "copy.mp4")
    assert [entry.name for entry in tmp_path.iterdir() if "copy" in entry.name] == []


def test_fetch_copies(tmp_path: Path) -> None:
    upload(tmp_path / "drive", "a.mp4", b"content")
    folder = source(tmp_path)
    folder.fetch(folder.list_files().files[0], tmp_path / "copy.mp4")
    assert (tmp_path / "copy.mp4").read_bytes() == b"content"


def test_one_bad_entry_keeps_no_other_from_being_listed(tmp_path: Path) -> None:
    upload(tmp_path / "drive", "a.mp4", b"a")
    (tmp_path / "drive" / "circle.mp4").symlink_to("circle.mp4")
    listing = source(tmp_path).list_files()
    assert [file.name for file in listing.files] == ["a.mp4"]
    assert [file.reason for file in listing.waiting] == ["cannot_be_read"]


def test_a_date_far_ahead_is_that_of_a_recorder_and_no_reason_to_wait(tmp_path: Path) -> None:
    upload(tmp_path / "drive", "a.mp4", b"a", at=time.time() + 86_400)
    upload(tmp_path / "drive", "b.mp4", b"b", at=time.time() + 5)
    listing = source(tmp_path, settle_s=5.0).list_files()
    assert [file.name for file in listing.files] == ["a.mp4"]
    assert [file.reason for file in listing.waiting] == ["still_being_written"]
