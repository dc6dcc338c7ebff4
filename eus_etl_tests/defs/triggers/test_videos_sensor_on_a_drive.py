"""The sensor that observes videos, on Google Drive."""

import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from benchmarks.support.servers.drive_client import HASTE
from benchmarks.support.servers.drive_server import DriveServer
from eus_etl_tests.support.daemon import EDITS, VIDEOS, Daemon, asked, reported


def test_a_tick_on_an_unchanged_drive_is_one_request(drive_daemon: Daemon, server: DriveServer) -> None:
    assert reported(drive_daemon.tick(VIDEOS)) == {ONE, TWO}
    drive_daemon.tick(VIDEOS)  # sees that what it looks at is kept now
    for _ in range(4):
        before = server.counts.copy()
        assert drive_daemon.tick(VIDEOS).skip_message == "nothing new"
        assert server.counts - before == {"changes": 1}


def test_a_change_on_the_drive_starts_its_visit_alone(drive_daemon: Daemon, server: DriveServer) -> None:
    drive_daemon.tick(VIDEOS)
    drive_daemon.tick(EDITS)
    drive_daemon.finish()
    drive_daemon.tick(EDITS)
    drive_daemon.finish()
    drive_daemon.tick(VIDEOS)
    (folder,) = [item.item_id for item in server.drive.items.values() if item.name == TWO]
    server.drive.upload("b.mp4", folder, b"another")
    before = server.requests
    assert reported(drive_daemon.tick(VIDEOS)) == {TWO}
    assert server.requests == before + 2  # the mark and the listing each read the feed
    assert reported(drive_daemon.tick(VIDEOS)) == set()
    assert set(asked(drive_daemon.tick(EDITS))) == {TWO}


def test_a_drive_that_stalls_skips_and_its_answer_counts_when_it_comes(
    hospital: TinyHospital, server: DriveServer, drive_daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eus_etl.defs.triggers.sensors.LISTING_PATIENCE_S", 0.05)
    hasty = Daemon(hospital.study, drive_daemon.instance)
    server.faults.stall_s = 1.0
    server.faults.other.append("stall")
    tick = hasty.tick(VIDEOS)
    assert "drive_videos: reading it takes longer" in str(tick.skip_message)
    assert (tick.cursor, list(tick.asset_events)) == (None, [])
    while "takes longer" in str(tick.skip_message):
        tick = hasty.tick(VIDEOS)
    assert reported(tick) == {ONE, TWO}
    assert server.faults.happened == {"stall": 1}
    (folder,) = [item.item_id for item in server.drive.items.values() if item.name == TWO]
    server.drive.upload("b.mp4", folder, b"another")
    tick = hasty.tick(VIDEOS)
    while "takes longer" in str(tick.skip_message):
        tick = hasty.tick(VIDEOS)
    assert reported(tick) == {TWO}


def test_a_drive_that_fails_skips_with_its_reason_and_keeps_the_cursor(
    drive_daemon: Daemon, server: DriveServer
) -> None:
    drive_daemon.tick(VIDEOS)
    cursor = drive_daemon.tick(VIDEOS).cursor
    server.faults.other.extend(["503"] * HASTE.attempts)
    tick = drive_daemon.tick(VIDEOS)
    assert "503" in str(tick.skip_message)
    assert tick.cursor == cursor
    assert list(tick.asset_events) == []
    assert drive_daemon.tick(VIDEOS).skip_message == "nothing new"


def test_a_rejected_page_token_lists_anew_and_starts_nothing(
    drive_daemon: Daemon, server: DriveServer
) -> None:
    drive_daemon.tick(VIDEOS)
    drive_daemon.tick(VIDEOS)
    server.drive.forget_old_changes()
    listed = server.counts["list"]
    assert reported(drive_daemon.tick(VIDEOS)) == set()
    assert server.counts["list"] > listed


def test_a_new_alias_matches_what_lay_unassigned_although_the_drive_did_not_change(
    hospital: TinyHospital, drive_daemon: Daemon, server: DriveServer
) -> None:
    folder = server.drive.folder("Amber-Crane-4 of May", "folder000001")
    server.drive.upload("a.mp4", folder, b"early")
    assert reported(drive_daemon.tick(VIDEOS)) == {ONE, TWO}
    assert reported(drive_daemon.tick(VIDEOS)) == set()
    late = "44444444-aaaa-4aaa-8aaa-000000000004"
    hospital.items[late] = {"pseudo_name": "Amber-Crane-4"}
    hospital.write_items()
    drive_daemon.tick(EDITS)
    assert reported(drive_daemon.tick(VIDEOS)) == {late}
