import itertools
import os
import shutil
import socket
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eus_etl.errors import SourceUnavailableError
from eus_etl.sources.videos.base import Listing
from eus_etl.sources.videos.folder_walk import open_ordinary
from eus_etl.sources.videos.local_folder import LocalFolder, forget_sums
from eus_etl.storage.files import stable_read
from eus_etl.storage.files.checksums import md5_of

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
    names = ["a.mp4", "x/y/z/b c.mp4", "ü/ñ.mp4", "x/a.mp4"]
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


def reasons(listing: Listing) -> dict[str, str]:
    """What is not taken: path to reason."""
    return {"/".join(file.parts): file.reason for file in (*listing.waiting, *listing.left_out)}


def test_unfinished_and_hidden_files_are_listed_as_such_and_never_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {
        "x/.p2.mp4.Xy12Zz": "temporary_name",
        "x/p3.mp4.part": "temporary_name",
        "x/p4.mp4": "temporary_name",
        "x/p4.mp4.aria2": "temporary_name",
        "p5.mp4.download/p5.mp4": "temporary_name",
        "x/.hidden.mp4": "hidden_name",
        ".stversions/x/p6.mp4": "hidden_name",
        "$RECYCLE.BIN/S-1-5/p7.mp4": "trashed",
    }
    for name in names:
        upload(tmp_path / "drive", name, name.encode())
    whole = upload(tmp_path / "drive", "x/p1.mp4", b"whole")
    opened: list[Path] = []
    monkeypatch.setattr(
        "eus_etl.sources.videos.local_folder.open_ordinary",
        lambda path: opened.append(path) or open_ordinary(path),  # type: ignore[func-returns-value]
    )
    listing = source(tmp_path).list_files()
    assert [file.name for file in listing.files] == ["p1.mp4"]
    assert reasons(listing) == names
    assert {file.reason for file in listing.waiting} == {"temporary_name"}
    assert opened == [whole]


def test_links_and_special_files_are_left_out_with_a_reason(tmp_path: Path) -> None:
    drive = tmp_path / "drive"
    upload(drive, "x/a.mp4", b"a")
    upload(tmp_path / "elsewhere", "secret.mp4", b"secret")
    (drive / "passwd").symlink_to("/etc/passwd")
    (drive / "out").symlink_to(tmp_path / "elsewhere")
    (drive / "self").symlink_to(".")
    (drive / "again").symlink_to(".")
    (drive / "b.mp4").symlink_to("x/a.mp4")
    (drive / "gone.mp4").symlink_to("nowhere.mp4")
    os.mkfifo(drive / "pipe.mp4")
    (drive / "null.mp4").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(drive / "socket.mp4"))
        listing = source(tmp_path).list_files()
    assert ["/".join(file.parts) for file in listing.files] == ["x/a.mp4"]
    assert reasons(listing) == {
        "passwd": "link_outside",
        "out": "link_outside",
        "null.mp4": "link_outside",
        "self": "listed_elsewhere",
        "again": "listed_elsewhere",
        "b.mp4": "listed_elsewhere",
        "gone.mp4": "cannot_be_read",
        "pipe.mp4": "special_file",
        "socket.mp4": "special_file",
    }


@pytest.mark.parametrize("what", ["link", "pipe"])
def test_a_file_that_becomes_a_link_or_a_pipe_is_not_copied(tmp_path: Path, what: str) -> None:
    path = upload(tmp_path / "drive", "x/a.mp4", b"a")
    file = source(tmp_path).list_files().files[0]
    path.unlink()
    if what == "pipe":
        os.mkfifo(path)
    else:
        upload(tmp_path, "other.mp4", b"a")
        path.symlink_to(tmp_path / "other.mp4")
    with pytest.raises(SourceUnavailableError, match="no longer"):
        source(tmp_path).fetch(file, tmp_path / "copy.mp4")
    shutil.rmtree(path.parent)
    path.parent.symlink_to(upload(tmp_path / "aside", "a.mp4", b"a").parent)
    with pytest.raises(SourceUnavailableError, match="no longer"):
        source(tmp_path).fetch(file, tmp_path / "copy.mp4")


def test_names_of_any_bytes_are_listed_as_text_and_fetched(tmp_path: Path) -> None:
    drive = os.fsencode(tmp_path / "drive")
    names = {
        b"M\xfcller.mp4": "Müller.mp4",
        "Müller.mp4".encode(): "Müller.mp4",
        b"S\xe9ance/\x81\x8d.mp4": "Séance/\x81\x8d.mp4",
        b"\xff\xfe\x80": "ÿþ€",
    }
    for raw in names:
        path = Path(os.fsdecode(drive + b"/" + raw))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
        os.utime(path, (LONG_AGO, LONG_AGO))
    folder = source(tmp_path)
    listing = folder.list_files()
    assert sorted("/".join(file.parts) for file in listing.files) == sorted(names.values())
    assert len({file.source_id for file in listing.files}) == len(names)
    for number, file in enumerate(listing.files):
        copy = tmp_path / f"copy{number}"
        folder.fetch(file, copy)
        assert names[copy.read_bytes()] == "/".join(file.parts)
        assert md5_of(copy) == file.md5


def test_a_folder_that_may_not_be_read_waits_and_keeps_no_other_from_being_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(tmp_path / "drive", "a/a.mp4", b"a")
    closed = upload(tmp_path / "drive", "b/b.mp4", b"b").parent
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path) == closed:
            raise PermissionError(13, "no", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # permissions say nothing to root
    listing = source(tmp_path).list_files()
    assert [file.name for file in listing.files] == ["a.mp4"]
    assert reasons(listing) == {"b": "cannot_be_read"}


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


def test_what_is_passed_over_is_neither_listed_nor_hashed(tmp_path: Path) -> None:
    for name in ("a/1.mp4", "b/2.mp4"):
        upload(tmp_path / "drive", name, name.encode())
    upload(tmp_path / "drive", "b/3.mp4.part", b"half")
    memory = tmp_path / "memory.json"
    listed = source(tmp_path).list_files()
    (own,) = (file.source_id for file in listed.files if file.parts[0] == "b")
    assert own in memory.read_text()
    passing = LocalFolder(
        tmp_path / "drive", settle_s=5, memory=memory, leaves_out=lambda _, parts: parts[0] == "b"
    )
    listing = passing.list_files()
    assert [file.parts for file in listing.files] == [("a", "1.mp4")]
    assert (listing.waiting, listing.left_out) == ((), ())
    assert own not in memory.read_text()


def test_sums_are_dropped_without_hashing_the_rest_again(tmp_path: Path) -> None:
    upload(tmp_path / "drive", "a.mp4", b"a")
    upload(tmp_path / "drive", "b.mp4", b"b")
    first = source(tmp_path).list_files()
    memory, own = tmp_path / "memory.json", first.files[0]
    forget_sums(memory, {own.source_id})
    assert own.md5 not in memory.read_text()
    assert first.files[1].md5 in memory.read_text()
    memory.write_bytes(b"rubbish")
    forget_sums(memory, {own.source_id})
    assert not memory.exists()
    forget_sums(memory, {own.source_id})


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_the_revision_changes_whenever_the_listing_does(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """And only then or with what a listing leaves out."""
    folder = tmp_path_factory.mktemp("study")
    top = folder / "drive"
    top.mkdir()
    for name in ("a.mp4", "x/b.mp4", "x/y/c.mp4"):
        upload(top, name, name.encode())
    drive = source(folder)
    names = st.sampled_from(["a.mp4", "x/b.mp4", "x/y/c.mp4", "x/d.mp4", "e.mp4.part", ".hidden.mp4"])
    for _ in range(data.draw(st.integers(1, 5))):
        before, known = drive.list_files(), settled_revision(drive)
        assert settled_revision(drive) == known
        one, other = data.draw(names), data.draw(names)
        match data.draw(st.sampled_from(["write", "remove", "rename", "link", "touch", "remove folder"])):
            case "write":
                if (top / one).is_symlink():  # it may lead to itself
                    (top / one).unlink()
                upload(top, one, data.draw(st.binary(max_size=2)), LONG_AGO + data.draw(st.integers(0, 2)))
            case "remove":
                (top / one).unlink(missing_ok=True)
            case "rename" if (top / one).exists() and (top / other).parent.is_dir():
                (top / one).rename(top / other)
            case "link" if not os.path.lexists(top / other) and (top / other).parent.is_dir():
                (top / other).symlink_to(top / one)
            case "touch" if (top / one).exists():
                os.utime(top / one, (LONG_AGO, LONG_AGO + data.draw(st.integers(0, 2))))
            case "remove folder":
                shutil.rmtree(top / "x" / "y", ignore_errors=True)
        if drive.list_files() != before:
            assert settled_revision(drive) != known


def settled_revision(drive: LocalFolder) -> str:
    """The revision, without the second for which the memory of checksums is not trusted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stable_read, "QUIET_S", 0.0)
        found = drive.revision()
    assert found is not None
    return found


def test_while_a_file_is_being_written_only_a_listing_can_tell(tmp_path: Path) -> None:
    fresh = upload(tmp_path / "drive", "fresh.mp4", b"x", at=time.time())
    assert source(tmp_path).revision() is None
    os.utime(fresh, (LONG_AGO, LONG_AGO))
    assert source(tmp_path).revision() is not None


def test_the_revision_changes_until_all_files_are_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        upload(tmp_path / "drive", f"{number}.mp4", bytes([number]))
    hasty = source(tmp_path, limit=1.0)
    monkeypatch.setattr(time, "monotonic", map(float, itertools.count()).__next__)  # a second for each file
    seen = [settled_revision(hasty)]
    while hasty.list_files().waiting:
        seen.append(settled_revision(hasty))
    assert len(set(seen)) == len(seen) == 3


def test_the_revision_of_a_folder_that_is_away_is_none_of_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match="is not there"):
        source(tmp_path).revision()
