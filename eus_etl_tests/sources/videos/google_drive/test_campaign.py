"""Forty visits, faults in a third of all requests, five times killed: at the end everything is there."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.support.servers.drive_client import HASTE, drive_at
from benchmarks.support.servers.drive_faults import Faults
from benchmarks.support.servers.drive_files import Drive
from benchmarks.support.servers.drive_server import DriveServer, serve
from benchmarks.support.servers.drive_tokens import TokenOffice
from eus_etl.sources.videos.google_drive.source import GoogleDrive
from eus_etl.storage.files.checksums import md5_of

VISITS, FILES_A_VISIT, KILLS, SEED = 40, 3, 5, 20_261
PLANTED = "Planted Patient"

DOWNLOAD_ALL = """
import logging, sys
from pathlib import Path
from eus_etl.errors import EusEtlError
from eus_etl.sources.videos.google_drive.connection import read_credentials
from eus_etl.sources.videos.google_drive.retry import Pace
from eus_etl.sources.videos.google_drive.source import GoogleDrive

logging.basicConfig(level=logging.DEBUG)
folder, root, api_root, attempts = sys.argv[1:]
pace = Pace(requests_per_s=10_000, attempts=int(attempts), first_wait_s=0.001, longest_wait_s=0.01)
drive = GoogleDrive(
    folder, Path(root) / "mirror", read_credentials(Path(root) / "key.json", "sources.videos"),
    workers=4, pace=pace, timeout_s=0.3, api_root=api_root,
)
with drive:
    copies = Path(root) / "copies"
    missing = [
        (file, copies / file.source_id)
        for file in drive.list_files().files
        if not (copies / file.source_id).exists()
    ]
    failures = drive.fetch_many(missing)
    for error in failures.values():
        print(error)
    sys.exit(bool(failures))
"""


def filled_drive() -> tuple[Drive, str]:
    drive, contents = Drive(), random.Random(SEED)
    folder = drive.folder("study")
    for visit in range(VISITS):
        held = drive.folder(f"{PLANTED} {visit}", folder)
        for number in range(FILES_A_VISIT):
            content = contents.randbytes(contents.randrange(10_000, 400_000))
            drive.upload(f"{PLANTED} {number}.mp4", held, content)
    return drive, folder


def ideal_requests(drive: Drive, folder: str, tmp_path: Path) -> int:
    """What a listing and a download of everything cost on a drive without faults."""
    with serve(drive) as server, drive_at(server, folder, tmp_path / "ideal", pace=HASTE) as source:
        copies = tmp_path / "ideal copies"
        failures = fetch_all(source, copies)
        assert not failures
        return server.requests


def fetch_all(source: GoogleDrive, copies: Path) -> int:
    return len(source.fetch_many((file, copies / file.source_id) for file in source.list_files().files))


def wait_for_media(server: DriveServer, wanted: int, process: subprocess.Popen[bytes]) -> None:
    while server.counts["media"] < wanted and process.poll() is None:
        time.sleep(0.001)


@pytest.mark.slow
def test_a_campaign_of_faults_and_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drive, folder = filled_drive()
    ideal = ideal_requests(drive, folder, tmp_path)
    office, faults = TokenOffice(), Faults(seed=SEED, share=1 / 3, stall_s=0.5)
    kills = 0
    with serve(drive, faults, office) as server, (tmp_path / "log").open("wb") as log:
        office.write_key_file(tmp_path / "key.json", server.address)
        command = [sys.executable, "-c", DOWNLOAD_ALL, folder, str(tmp_path), server.api_root, "16"]
        for kill in range(1, KILLS + 2):
            process = subprocess.Popen(command, stdout=log, stderr=log)
            if kill <= KILLS:
                wait_for_media(server, kill * VISITS * FILES_A_VISIT // (KILLS + 1), process)
                kills += process.poll() is None
                process.send_signal(signal.SIGKILL)
            process.wait(timeout=120)
        assert process.returncode == 0
        spent = server.requests
    copies = tmp_path / "copies"
    truth = {item.item_id: item.md5 for item in drive.items.values() if item.content}
    happened = ", ".join(f"{name} {number}" for name, number in sorted(faults.happened.items()))
    with capsys.disabled():
        print(
            f"\n{len(truth)} files of {VISITS} visits, {kills} kills, {sum(faults.happened.values())} faults "
            f"({happened}); {spent} requests, {ideal} without faults: {spent / ideal:.2f} times as many"
        )
    assert kills == KILLS
    assert {path.name: md5_of(path) for path in copies.iterdir()} == truth
    assert sum(faults.happened.values()) > spent / 4
    assert spent <= 2 * ideal
    logged = (tmp_path / "log").read_text()
    assert "http" in logged  # the libraries' own lines are there too
    for planted in (PLANTED, *office.secrets):
        assert planted not in logged
