"""Daemons of a tiny hospital: new, settled, and on a drive."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.support.hospitals.real_hospital import drive_source
from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from benchmarks.support.servers.drive_client import HASTE
from benchmarks.support.servers.drive_files import Drive
from benchmarks.support.servers.drive_server import DriveServer, serve
from benchmarks.support.servers.drive_tokens import TokenOffice
from eus_etl.defs.instance import open_instance
from eus_etl_tests.support.daemon import EDITS, VIDEOS, Daemon, asked


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eus_etl.sources.videos.google_drive.source.Pace", lambda: HASTE)


@pytest.fixture(scope="module")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of an instance that knows nothing yet: making one takes longer than most of these tests."""
    home = tmp_path_factory.mktemp("new_home")
    with open_instance(home):
        return home


@pytest.fixture
def hospital(tmp_path: Path, new_home: Path) -> TinyHospital:
    """Two visits in a local folder, and a new instance."""
    made = TinyHospital(tmp_path)
    shutil.copytree(new_home, made.home)
    return made


@pytest.fixture
def daemon(hospital: TinyHospital) -> Iterator[Daemon]:
    """A daemon that has done nothing yet."""
    with open_instance(hospital.home) as instance:
        yield Daemon(hospital.study, instance)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str | None]]:
    """The folder of a hospital whose study is all made, and the cursors of sensors that have seen so."""
    hospital = TinyHospital(tmp_path_factory.mktemp("settled"))
    with open_instance(hospital.home) as instance:
        daemon = Daemon(hospital.study, instance)
        daemon.make_everything()
        for sensor in (VIDEOS, EDITS):
            assert asked(daemon.tick(sensor)) == {}
        return hospital.folder, daemon.cursors


@pytest.fixture
def busy_daemon(settled: tuple[Path, dict[str, str | None]], hospital: TinyHospital) -> Iterator[Daemon]:
    """A daemon whose study is all made and whose sensors have seen so."""
    folder, cursors = settled
    shutil.copytree(folder, hospital.folder, dirs_exist_ok=True)
    with open_instance(hospital.home) as instance:
        daemon = Daemon(hospital.study, instance, hospital.config)
        daemon.cursors.update(cursors)
        yield daemon


@pytest.fixture
def server() -> Iterator[DriveServer]:
    """A drive that the study's folder lies on."""
    with serve(Drive(), tokens=TokenOffice()) as running:
        running.drive.folder("study")
        yield running


@pytest.fixture
def drive_daemon(hospital: TinyHospital, server: DriveServer) -> Iterator[Daemon]:
    """A daemon of a study on a drive of some visits."""
    hospital.configure(sources={"videos": drive_source(server, hospital.folder)})
    for number, visit in enumerate((ONE, TWO)):
        folder = server.drive.folder(visit, "folder000001")
        server.drive.upload("a.mp4", folder, bytes([number]))
    with open_instance(hospital.home) as instance:
        yield Daemon(hospital.study, instance)
