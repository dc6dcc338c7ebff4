"""Which names in a drive are no finished uploads."""

import pytest

from eus_etl.sources.videos.google_drive.tree import FOLDER, Entry, Tree
from eus_etl.sources.videos.upload_names import is_clutter, readable_name, why_not_taken

UNFINISHED = [
    ".p2.mp4.Xy12Zz",  # rsync
    ".p2.mp4.~1a2b",  # Nextcloud
    "p2.mp4.part",
    "p2.mp4.PART",
    "p2.mp4.partial",
    "p2.mp4.1a2b3c4d.partial",  # rclone
    ".1a2b3c4d.partial",
    "Unconfirmed 123456.crdownload",
    "p2.mp4.download",
    "p2.mp4.opdownload",
    "p2.mp4.tmp",
    "p2.mp4.filepart",
    "p2.mp4~",
    "~$p2.docx",
    "p2.mp4.!ut",
    "p2.mp4.!qB",
    "p9.mp4.aria2",
    "p2.mp4.part-Frag12",
    ".goutputstream-AB12CD",
    ".giosaveAB12CD",
    ".fuse_hidden0000000200000001",
    ".nfs000000000a1b2c3d00000001",
    ".syncthing.p2.mp4.tmp",
    "~syncthing~p2.mp4.tmp",
    ".pureftpd-upload.5f3a.15.1f2e",
    ".in.p2.mp4.",  # ProFTPD
    "p2.mp4.sb-1a2b3c4d-Ab12Cd",  # macOS
    "#p2.mp4#",
]
HIDDEN = ["._p2.mp4", "._p2.mp4.part", ".p2.mp4", ".Recording of Monday"]
FINISHED = [
    "p2.mp4",
    "partial nephrectomy.mp4",
    "part 2.mp4",
    "tmp.mp4",
    "downloads.mp4",
    "visit ~ 2.mp4",
    "$5.mp4",
    "a.b.c123",
    "Quiet-Otter-2",
    "IMG_0001",
]


@pytest.mark.parametrize("name", UNFINISHED)
def test_what_a_program_still_writes_is_known_by_its_name(name: str) -> None:
    assert why_not_taken(("visit", name)) == "temporary_name"
    assert why_not_taken((name, "p2.mp4")) == "temporary_name"


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_names_are_left_out(name: str) -> None:
    assert why_not_taken(("visit", name)) == "hidden_name"


@pytest.mark.parametrize("name", FINISHED)
def test_ordinary_names_are_taken(name: str) -> None:
    assert why_not_taken(("visit", name)) is None
    assert not is_clutter(name)


def test_a_file_that_a_program_keeps_a_note_beside_is_unfinished() -> None:
    assert why_not_taken(("visit", "p2.mp4"), {"p2.mp4", "p2.mp4.aria2"}) == "temporary_name"
    assert why_not_taken(("visit", "p2.mp4"), {"p2.mp4", "p1.mp4.aria2"}) is None


@pytest.mark.parametrize("folder", [".Trash-1000", ".Trashes", "$RECYCLE.BIN", "#recycle", "@Recycle"])
def test_what_lies_in_a_trash_is_trashed(folder: str) -> None:
    assert why_not_taken((folder, "p2.mp4")) == "trashed"


def test_drive_follows_the_same_rules() -> None:
    names = [*UNFINISHED, *HIDDEN, *FINISHED, ".DS_Store", "Thumbs.db"]
    folder = Entry("root", "", FOLDER, listed=True)
    entries = [
        Entry(str(number), name, "video/mp4", parent="root", size=1, md5="0" * 32)
        for number, name in enumerate(names)
    ]
    tree = Tree("root", [folder, *entries])
    contents = tree.contents(tree.walk())
    assert {file.name for file in contents.files} == set(FINISHED)
    assert {file.parts[-1]: file.reason for file in contents.waiting} == dict.fromkeys(
        UNFINISHED, "temporary_name"
    )
    assert {file.parts[-1]: file.reason for file in contents.left_out} == dict.fromkeys(HIDDEN, "hidden_name")


def test_names_that_are_no_utf8_are_read_as_windows_wrote_them() -> None:
    assert readable_name("M\udcfcller.mp4") == "Müller.mp4"
    assert readable_name("\udc81") == "\x81"
    assert readable_name("Müller.mp4") == "Müller.mp4"
