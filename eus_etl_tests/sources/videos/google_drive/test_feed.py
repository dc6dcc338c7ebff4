"""Whatever happens on a drive, the change feed and a listing from nothing show the same."""

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.support.servers.drive_client import drive_at
from benchmarks.support.servers.drive_files import FOLDER, Drive
from benchmarks.support.servers.drive_server import serve
from eus_etl.errors import SourceAccessError
from eus_etl.sources.videos.google_drive.source import DriveListing, GoogleDrive

MAKE = ("folder", "upload", "shortcut")
ALTER = ("move", "rename", "replace", "trash", "restore", "unshare", "share", "delete")
KINDS = (*MAKE, *ALTER, "look")
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 30), st.integers(0, 30)), max_size=25)


def happen(drive: Drive, root: str, kind: str, one: int, two: int) -> None:
    """Let one thing happen, unless it makes no sense.

    Folders outside the study are neither trashed nor unshared: Drive reports that of the folder alone, and
    only a full listing shows what it means for a shortcut's target somewhere below.
    """
    items = list(drive.items)
    item = items[one % len(items)]
    folders = [key for key, found in drive.items.items() if found.mime_type == FOLDER]
    folder = folders[two % len(folders)]
    match kind:
        case "folder":
            drive.folder(f"folder {one}", folder)
        case "upload":
            drive.upload(f"file {one}", folder, bytes([one]))
        case "shortcut":
            drive.shortcut(f"shortcut {one}", folder, item)
        case "move" if item != root and item not in above(drive, folder):
            drive.change(item, parent=folder)
        case "rename":
            drive.change(item, name=f"renamed {two}")
        case "replace" if drive.items[item].content:
            drive.replace(item, bytes([two, one]))
        case "trash" | "restore" if is_own(drive, root, item):
            drive.change(item, trashed=kind == "trash")
        case "unshare" | "share" if is_own(drive, root, item):
            drive.change(item, shared=kind == "share")
        case "delete" if item != root and drive.items[item].mime_type != FOLDER:
            drive.delete(item)


def is_own(drive: Drive, root: str, item: str) -> bool:
    return item != root and (root in above(drive, item) or drive.items[item].mime_type != FOLDER)


def above(drive: Drive, item: str | None) -> set[str]:
    found: set[str] = set()
    while item is not None and item in drive.items:
        found.add(item)
        item = drive.items[item].parent
    return found


def listing_of(source: GoogleDrive) -> DriveListing | None:
    try:
        return source.list_files()
    except SourceAccessError:
        return None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_the_feed_and_a_fresh_listing_agree(steps: list[tuple[str, int, int]]) -> None:
    drive = Drive()
    root = drive.folder("study", drive.folder("above"))
    with tempfile.TemporaryDirectory() as folder, serve(drive) as server:
        with drive_at(server, root, Path(folder) / "mirror") as source:
            listing_of(source)
            for kind, one, two in steps:
                listing_of(source) if kind == "look" else happen(drive, root, kind, one, two)
            by_feed = listing_of(source)
        with drive_at(server, root, Path(folder) / "fresh") as source:
            assert by_feed == listing_of(source)
