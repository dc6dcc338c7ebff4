"""Make the README's picture of the asset graph: a screenshot of Dagster's page over the demo.

``python docs/pictures/make.py DEMO``, with Chromium installed and ``make demo DEMO=DEMO`` run before.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

PICTURE = Path(__file__).with_name("asset_graph.png")
WIDTH_PX, HEIGHT_PX = 1900, 2000


def main(demo: Path) -> None:
    """Serve the demo's page, take the picture, end the server."""
    chromium = shutil.which("chromium") or sys.exit("Chromium is not installed: apt-get install chromium")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    workspace = Path(__file__).resolve().parents[2] / "workspace.yaml"
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(demo / "dagster_home"),
        "EUS_ETL_CONFIGS": str(demo / "configs"),
    }
    webserver = Path(sys.executable).with_name("dagster-webserver")
    server = subprocess.Popen(
        [webserver, "-w", workspace, "-h", "127.0.0.1", "-p", str(port)], env=environment
    )
    try:
        page = f"http://127.0.0.1:{port}"
        _wait_for(f"{page}/server_info")
        with tempfile.TemporaryDirectory() as profile:
            subprocess.run(
                [
                    chromium,
                    "--headless",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--hide-scrollbars",
                    "--no-first-run",
                    "--disable-background-networking",
                    f"--user-data-dir={profile}",
                    f"--window-size={WIDTH_PX},{HEIGHT_PX}",
                    "--virtual-time-budget=20000",
                    f"--screenshot={PICTURE}",
                    f"{page}/locations/eus_etl/asset-groups/eusml/lineage",
                ],
                check=True,
                timeout=120,
            )
    finally:
        server.terminate()
        server.wait()


def _wait_for(address: str) -> None:
    for _ in range(120):
        try:
            urllib.request.urlopen(address).close()  # noqa: S310 - our own server on loopback
        except OSError:
            time.sleep(0.5)
        else:
            return
    sys.exit("the page did not come up within a minute")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
