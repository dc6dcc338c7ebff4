"""Dagster's page over the demo, in a real browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from eus_etl.settings import shipped
from eus_etl_tests.support.hospitals.demo_run import Demo


@pytest.fixture(scope="module")
def page(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a webserver over the demo's Dagster home."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("page")
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(demo.root / "dagster_home"),
        "EUS_ETL_CONFIGS": str(demo.root / "configs"),
    }
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [
                Path(sys.executable).with_name("dagster-webserver"),
                "-w",
                shipped("workspace.yaml"),
                "-h",
                "127.0.0.1",
                "-p",
                str(port),
            ],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(address, server, folder / "log")
            yield address
        finally:
            server.terminate()
            server.wait(timeout=60)


def wait_for(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(240):
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(f"{address}/server_info").close()  # noqa: S310 - our own server
        except OSError:
            time.sleep(0.5)
        else:
            return
    pytest.fail(f"the page did not come up:\n{log.read_text()[-3000:]}")


@pytest.mark.slow
def test_the_page_shows_the_lineage_and_one_check_per_visit(page: str, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    # the page draws what is in sight alone: all that one table is made from fits into the window
    upstream = "view=lineage&lineageScope=upstream&lineageDepth=5"
    lineage = rendered(chromium, f"{page}/assets/eusml/frame_table?{upstream}", tmp_path / "a")
    for asset in ("drive_videos", "raw_videos", "frames", "regions", "label_items", "labels", "frame_table"):
        assert f">{asset}<" in lineage
    checks = rendered(chromium, f"{page}/assets/eusml/frame_table?view=checks", tmp_path / "b")
    assert "frames_equal_rows" in checks
    assert "extracted frames" in checks


def rendered(chromium: str, address: str, profile: Path) -> str:
    """The page's elements once its scripts have run."""
    done = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={profile}",
            "--window-size=2000,2000",
            "--virtual-time-budget=20000",
            "--dump-dom",
            address,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout
