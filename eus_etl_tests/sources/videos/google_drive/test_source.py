"""Listing a study's folder: what is found, what waits, what is left out, and what it costs."""

from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.support.servers.drive_client import drive_at
from benchmarks.support.servers.drive_files import DOCUMENT, Drive
from benchmarks.support.servers.drive_server import serve
from eus_etl.errors import SourceAccessError, SourceUnavailableError
from eus_etl_tests.support.hospitals.drive_study import Study, paths, reasons


def test_files_at_any_depth_are_listed(study: Study) -> None:
    visit = study.visit("visit", "a.mp4", "b/with slash.mp4")
    deep = study.drive.folder("deep", study.drive.folder("nested", visit))
    file = study.drive.upload("ü 'quoted'.mp4", deep, b"deep")
    study.drive.upload("elsewhere.mp4", study.drive.folder("elsewhere"), b"x")
    listing = study.source.list_files()
    assert {file.parts for file in listing.files} == {
        ("visit", "a.mp4"),
        ("visit", "b/with slash.mp4"),
        ("visit", "nested", "deep", "ü 'quoted'.mp4"),
    }
    found = next(one for one in listing.files if one.source_id == file)
    assert (found.size, found.md5) == (4, study.drive.items[file].md5)
    assert listing.waiting == listing.left_out == ()


def test_what_is_not_taken_has_a_reason(study: Study) -> None:
    visit = study.visit("visit", "good.mp4")
    empty = study.drive.upload("empty.mp4", visit, b"")
    uploading = study.drive.upload("uploading.mp4", visit, b"half")
    study.drive.change(uploading, uploading=True)
    document = study.drive.upload("notes", visit, b"", DOCUMENT)
    trashed = study.drive.upload("trashed.mp4", visit, b"x")
    study.drive.change(trashed, trashed=True)
    folder = study.visit("trashed folder", "inside.mp4")
    study.drive.change(folder, trashed=True)
    listing = study.source.list_files()
    assert paths(listing) == {"visit/good.mp4"}
    assert {file.source_id for file in listing.waiting} == {empty, uploading}
    assert reasons(listing) == {
        empty: "empty_file",
        uploading: "still_uploading",
        document: "google_native_file",
        trashed: "trashed",
        folder: "trashed",
    }


def test_shortcuts_are_followed_and_may_run_in_circles(study: Study) -> None:
    outside = study.drive.folder("outside")
    far = study.drive.upload("far.mp4", outside, b"far")
    visit = study.visit("visit", "own.mp4")
    study.drive.shortcut("linked folder", visit, outside)
    circle = study.drive.shortcut("back", outside, study.folder)
    single = study.drive.upload("single.mp4", study.drive.folder("other"), b"single")
    study.drive.shortcut("linked.mp4", visit, single)
    own = next(key for key, item in study.drive.items.items() if item.name == "own.mp4")
    twice = study.drive.shortcut("twice.mp4", study.folder, own)
    broken = study.drive.shortcut("broken", study.folder, "file999999")
    listing = study.source.list_files()
    assert {"/".join(file.parts): file.source_id for file in listing.files} == {
        "visit/own.mp4": own,
        "visit/linked folder/far.mp4": far,
        "visit/linked.mp4": single,
    }
    assert reasons(listing) == {
        circle: "listed_elsewhere",
        twice: "listed_elsewhere",
        broken: "broken_shortcut",
    }


def test_pages_with_repeated_entries(study: Study) -> None:
    for number in range(7):
        study.visit(f"visit{number}", "a.mp4", "b.mp4")
    study.server.page_limit, study.server.repeat_entries = 3, True
    listing = study.source.list_files()
    assert len(listing.files) == len(paths(listing)) == 14


def test_a_query_that_drops_the_children_of_some_folders_is_not_believed(study: Study) -> None:
    for number in range(60):
        study.visit(f"visit{number:02}", "a.mp4")
    study.server.silent_groups = True
    assert len(study.paths()) == 60


def test_a_search_that_was_not_complete_is_a_failure(study: Study) -> None:
    study.visit("visit", "a.mp4")
    study.server.incomplete_searches = 1
    assert study.paths() == {"visit/a.mp4"}
    study.visit("later", "b.mp4")
    study.server.incomplete_searches = 10**6
    with pytest.raises(SourceUnavailableError, match="did not search everything"):
        study.source.list_files()
    study.server.incomplete_searches = 0
    assert study.paths() == {"visit/a.mp4", "later/b.mp4"}


@pytest.mark.parametrize("loss", [{"shared": False}, {"trashed": True}])
def test_a_study_folder_that_is_gone_is_not_an_empty_one(study: Study, loss: dict[str, bool]) -> None:
    study.visit("visit", "a.mp4")
    first = study.source.list_files()
    study.drive.change(study.folder, **loss)
    for _ in range(2):
        with pytest.raises(SourceAccessError, match=study.folder):
            study.source.list_files()
    study.drive.change(study.folder, shared=True, trashed=False)
    assert study.source.list_files() == first


def test_a_folder_that_never_was_there(study: Study, tmp_path: Path) -> None:
    with (
        drive_at(study.server, "folder999999", tmp_path / "other.sqlite") as source,
        pytest.raises(SourceAccessError, match="folder999999: the account sees no such folder"),
    ):
        source.list_files()


def test_a_listing_without_time_goes_on_at_the_next_look(study: Study, tmp_path: Path) -> None:
    for number in range(3):
        inner = study.drive.folder("inner", study.visit(f"visit{number}", "a.mp4"))
        study.drive.upload("b.mp4", inner, str(number).encode())
    study.server.delay_s = 0.01
    mirror = tmp_path / "bounded.sqlite"
    with drive_at(study.server, study.folder, mirror, listing_limit_s=0.005) as source:
        for _ in range(2):  # the study's folder, then its folders
            with pytest.raises(SourceUnavailableError, match="goes on at the next observation"):
                source.list_files()
        for _ in range(10):  # each look lists at least one more folder
            with suppress(SourceUnavailableError):
                source.list_files()
        assert len(source.list_files().files) == 6


def test_a_mirror_of_another_folder_is_not_used(study: Study) -> None:
    study.visit("visit", "a.mp4")
    study.source.list_files()
    other = study.drive.folder("other study", drive_id=study.drive.items[study.folder].drive_id)
    study.drive.upload("c.mp4", other, b"c")
    with drive_at(study.server, other, study.mirror) as source:
        assert paths(source.list_files()) == {"c.mp4"}


def test_two_processes_may_share_a_mirror(study: Study) -> None:
    study.visit("visit", "a.mp4")
    with drive_at(study.server, study.folder, study.mirror) as other:
        assert other.list_files() == study.source.list_files()
        study.visit("later", "b.mp4")
        assert study.paths() == {"visit/a.mp4", "later/b.mp4"}
        before = study.requests_of()
        other.revision()
        assert study.requests_of() == before + 1


def test_what_computers_leave_behind_is_no_upload(study: Study) -> None:
    study.visit("visit", "a.mp4", ".DS_Store", "Thumbs.db")
    listing = study.source.list_files()
    assert paths(listing) == {"visit/a.mp4"}
    assert not reasons(listing)


@pytest.mark.parametrize("damage", [b"no database at all" * 500, None], ids=["overwritten", "torn"])
def test_a_damaged_mirror_is_said_once_and_made_anew(study: Study, damage: bytes | None) -> None:
    for number in range(120):
        study.visit(f"visit{number}", "a.mp4")
    before = study.source.list_files()
    content = study.mirror.read_bytes()
    study.mirror.write_bytes(damage or content[:4096] + bytes(len(content) - 4096))
    with pytest.raises(SourceUnavailableError, match="was damaged and has been removed"):
        study.source.list_files()
    assert study.source.list_files().files == before.files


def test_a_folder_of_a_shared_drive_is_listed_for_who_is_no_member(tmp_path: Path) -> None:
    drive = Drive()
    folder = drive.folder("study", drive.folder("top", drive_id="drive"))
    drive.upload("a.mp4", drive.folder("visit", folder), b"a")
    drive.folder("empty", folder)
    drive.closed_drives.add("drive")
    with serve(drive) as server, drive_at(server, folder, tmp_path / "mirror") as source:
        assert paths(source.list_files()) == {"visit/a.mp4"}
        before = server.requests
        source.revision()
        assert server.requests == before + 1
        late = drive.upload("b.mp4", drive.folder("late", folder), b"b")
        (file,) = (file for file in source.list_files().files if file.source_id == late)
        source.fetch(file, tmp_path / "b.mp4")
        assert (tmp_path / "b.mp4").read_bytes() == b"b"
        drive.closed_drives.clear()  # the account becomes a member, then is one no more
        source.relist()
        drive.closed_drives.add("drive")
        drive.upload("c.mp4", folder, b"c")
        assert paths(source.list_files()) == {"visit/a.mp4", "late/b.mp4", "c.mp4"}


def test_a_folder_that_is_gone_is_gone_for_who_is_no_member_too(tmp_path: Path) -> None:
    drive = Drive()
    folder = drive.folder("study", drive_id="drive")
    drive.closed_drives.add("drive")
    drive.change(folder, shared=False)
    with (
        serve(drive) as server,
        drive_at(server, folder, tmp_path / "mirror") as source,
        pytest.raises(SourceAccessError, match="sees no such folder"),
    ):
        source.list_files()


def test_files_shared_by_a_link_are_reached_with_their_keys(study: Study, tmp_path: Path) -> None:
    far = study.drive.folder("far")
    study.drive.change(far, key="0-far")
    single = study.drive.upload("single.mp4", study.drive.folder("other"), b"single")
    study.drive.change(single, key="0-single")
    study.drive.upload("inside.mp4", far, b"inside")
    study.drive.shortcut("linked folder", study.folder, far)
    study.drive.shortcut("linked.mp4", study.folder, single)
    study.drive.change(study.folder, key="0-study")
    with pytest.raises(SourceAccessError, match="sees no such folder"):
        study.source.list_files()
    with drive_at(study.server, study.folder, tmp_path / "keyed", folder_key="0-study") as keyed:
        listing = keyed.list_files()
        assert paths(listing) == {"linked folder/inside.mp4", "linked.mp4"}
        (file,) = (file for file in listing.files if file.source_id == single)
        keyed.fetch(file, tmp_path / "single.mp4")
    assert (tmp_path / "single.mp4").read_bytes() == b"single"


def test_what_the_owner_does_not_let_download_waits(study: Study) -> None:
    visit = study.visit("visit", "a.mp4", "b.mp4")
    (closed,) = (key for key, item in study.drive.items.items() if item.name == "a.mp4")
    study.drive.change(closed, can_download=False)
    listing = study.source.list_files()
    assert paths(listing) == {"visit/b.mp4"}
    assert {file.source_id: file.reason for file in listing.waiting} == {closed: "download_switched_off"}
    study.drive.change(closed, can_download=True)
    assert paths(study.source.list_files()) == {"visit/a.mp4", "visit/b.mp4"}
    assert visit
