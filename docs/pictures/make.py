"""The README's picture of the asset graph: a screenshot of Dagster's page over the demo.

``make pictures`` runs it, with Chromium installed and after ``make demo``. Beside the picture it leaves a
hash of the graph that the picture shows: a test fails once the graph is another one.
"""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from eus_etl.definitions import load_definitions

STUDY = "eusml"
PICTURE = Path(__file__).with_name("asset_graph.png")
SHOWN = PICTURE.with_suffix(".sha256")
WIDTH_PX, HEIGHT_PX = 1900, 2000


def graph_hash() -> str:
    """Hash of what the page shows of the study's assets: names, dependencies, kinds, descriptions."""
    assets = [
        {
            "key": spec.key.path,
            "deps": sorted(dep.asset_key.path for dep in spec.deps),
            "kinds": sorted(spec.kinds),
            "description": spec.description,
        }
        for spec in load_definitions().resolve_all_asset_specs()
        if spec.key.path[0] == STUDY
    ]
    text = json.dumps(sorted(assets, key=lambda asset: asset["key"]), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def main(demo: Path) -> None:
    """Serve the demo's page, take the picture, end the server."""
    if not (demo / "dagster_home").is_dir():
        sys.exit(f"{demo} holds no demo. What to do: `make demo` first.")
    chromium = shutil.which("chromium") or sys.exit("Chromium is not installed: apt-get install chromium")
    # a group holds the stage of every study: the picture shows one
    configs = demo / "configs_of_the_picture"
    configs.mkdir(exist_ok=True)
    for name in ("eus_config.yaml", "preprocess_config.yaml"):
        shutil.copy2(demo / "configs" / name, configs)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    workspace = Path(__file__).resolve().parents[2] / "workspace.yaml"
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(demo / "dagster_home"),
        "EUS_ETL_CONFIGS": str(configs),
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
                    "--disable-quic",
                    "--disable-component-update",
                    "--disable-sync",
                    "--hide-scrollbars",
                    "--no-first-run",
                    "--disable-background-networking",
                    f"--user-data-dir={profile}",
                    f"--window-size={WIDTH_PX},{HEIGHT_PX}",
                    "--virtual-time-budget=20000",
                    f"--screenshot={PICTURE}",
                    f"{page}/locations/eus_etl/asset-groups/visit/lineage",
                ],
                check=True,
                timeout=300,
            )
        SHOWN.write_text(graph_hash() + "\n")
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(configs)


def _wait_for(address: str) -> None:
    for _ in range(120):
        try:
            urllib.request.urlopen(address).close()  # noqa: S310 (our own server on loopback)
        except OSError:
            time.sleep(0.5)
        else:
            return
    sys.exit("the page did not come up within a minute")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
