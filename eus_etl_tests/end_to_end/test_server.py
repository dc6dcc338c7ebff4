"""The docs' page on servers, followed word by word: its services make a study."""

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from benchmarks.support.places import DOCS
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import StudySession

pytestmark = pytest.mark.slow

PATIENCE_S = 120


def blocks(kind: str) -> list[str]:
    """The page's blocks of a language, without their indent."""
    text = (DOCS / "server.md").read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{kind}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


class Server:
    """The page's commands, with this machine's places in place of those in the page."""

    def __init__(self, hospital: TinyHospital) -> None:
        self.hospital = hospital
        self.places = {
            "/data/dagster_home": str(hospital.home),
            "/data/configs": str(hospital.configs),
            ".venv/bin": str(Path(sys.executable).parent),
            "4266": free_port(),
            "3000": free_port(),
        }
        (workspace,) = blocks("yaml")
        (hospital.folder / "workspace.server.yaml").write_text(self.placed(workspace))
        preparation, services = blocks("sh")
        self.preparation, self.services = self.placed(preparation), self.placed(services).strip().splitlines()
        self.environment = {**os.environ, **dict(re.findall(r"(\w+)=(\S+)", self.preparation))}

    def placed(self, text: str) -> str:
        for place, here in self.places.items():
            text = text.replace(place, here)
        return text

    def prepare(self) -> None:
        subprocess.run(["sh", "-ec", self.preparation], cwd=self.hospital.folder, check=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        with ExitStack() as stack:
            log = stack.enter_context((self.hospital.folder / "services.log").open("wb"))
            for command in self.services:
                process = subprocess.Popen(
                    shlex.split(command),
                    cwd=self.hospital.folder,
                    env=self.environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
                stack.callback(process.wait, 60)
                stack.callback(process.terminate)
            yield

    def locations(self) -> str:
        """What the page's server says of code locations; empty while it does not answer."""
        query = {"query": "{workspaceOrError{... on Workspace{locationEntries{name loadStatus}}}}"}
        try:
            page = f"http://127.0.0.1:{self.places['3000']}/graphql"
            return requests.post(page, json=query, timeout=10).text
        except requests.RequestException:
            return ""


def test_the_services_as_written_make_a_study(tmp_path: Path) -> None:
    server = Server(TinyHospital(tmp_path))
    server.prepare()
    with server.running(), open_instance(server.hospital.home) as instance:
        deadline = time.monotonic() + PATIENCE_S
        while not finished(server, instance):
            log = (tmp_path / "services.log").read_text(errors="replace")
            assert time.monotonic() < deadline, log[-4000:]
            time.sleep(1)


def finished(server: Server, instance: object) -> bool:
    if '"name":"eus_etl","loadStatus":"LOADED"' not in server.locations().replace(" ", ""):
        return False
    session = StudySession(server.hospital.study, instance)  # type: ignore[arg-type]
    return bool(session.patients()) and not any(map(session.plan, [*session.patients(), None]))
