"""A study's folder, on My Drive and on a shared drive."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.support.servers.drive_client import drive_at
from benchmarks.support.servers.drive_files import Drive
from benchmarks.support.servers.drive_server import serve
from eus_etl_tests.support.hospitals.drive_study import Study


@pytest.fixture(params=[None, "drive"], ids=["My Drive", "shared drive"])
def study(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Study]:
    drive = Drive()
    folder = drive.folder("study", drive_id=request.param)
    mirror = tmp_path / "mirror.sqlite"
    with serve(drive) as server, drive_at(server, folder, mirror) as source:
        yield Study(drive, server, folder, source, mirror)
