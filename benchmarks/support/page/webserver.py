"""Dagster's page, served on loopback."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eus_etl.settings import shipped

_PATIENCE_S = 180.0


@contextmanager
def webserver(home: Path, configs: Path, log: Path) -> Iterator[str]:
    """The address of a ``dagster-webserver`` on a Dagster home and its studies, until the block ends.

    Args:
        home: the Dagster home.
        configs: folder of the studies' files.
        log: receives what the server says.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("dagster-webserver")
    with log.open("wb") as said:
        server = subprocess.Popen(
            [program, "-w", shipped("workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)],
            env={**os.environ, "DAGSTER_HOME": str(home), "EUS_ETL_CONFIGS": str(configs)},
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(f"{address}/server_info", server, log)
            yield address
        finally:
            server.terminate()
            server.wait(timeout=60)


def _wait_for(address: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(address).close()  # noqa: S310 - our own server
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"the page did not come up:\n{log.read_text()[-3000:]}")
