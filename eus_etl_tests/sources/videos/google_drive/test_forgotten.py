"""Uploads of forgotten visits never reach the mirror, whatever the feed says of them."""

import pytest

from benchmarks.support.servers.drive_client import drive_at
from eus_etl.sources.videos.google_drive.source import GoogleDrive
from eus_etl_tests.support.hospitals.drive_study import Study


@pytest.fixture
def passing(study: Study) -> GoogleDrive:
    """Passes over what has a name with ``otter``."""
    return drive_at(
        study.server,
        study.folder,
        study.mirror,
        leaves_out=lambda _, parts: any("otter" in part for part in parts),
    )


def test_they_are_neither_listed_nor_kept(study: Study, passing: GoogleDrive) -> None:
    study.visit("heron", "a.mp4")
    gone = study.visit("otter", "secret.mp4", "more.mp4")
    with passing as source:
        assert [file.parts for file in source.list_files().files] == [("heron", "a.mp4")]
        assert b"otter" not in study.mirror.read_bytes()
        assert b"secret" not in study.mirror.read_bytes()
        # new, renamed and moved ones come through the feed
        study.drive.upload("third.mp4", gone, b"third")
        study.drive.change(gone, name="otter again")
        study.drive.upload("otter.mp4", study.folder, b"fourth")
        assert len(source.list_files().files) == 1
        assert not source.relist(), "what is passed over does not count as missed"
        stored = study.mirror.read_bytes()
    assert b"otter" not in stored
    assert b"third" not in stored


def test_a_file_that_moves_out_is_listed_again(study: Study, passing: GoogleDrive) -> None:
    heron = study.visit("heron", "a.mp4")
    gone = study.visit("otter")
    upload = study.drive.upload("b.mp4", gone, b"b")
    with passing as source:
        assert len(source.list_files().files) == 1
        study.drive.change(upload, parent=heron)
        assert {file.parts for file in source.list_files().files} == {("heron", "a.mp4"), ("heron", "b.mp4")}
