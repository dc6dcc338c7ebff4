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
from eus_etl.commands import install_service as systemd
from eus_etl.commands.watch.of_services import silent_services
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.settings import AlertsConfig
from eus_etl_tests.support.commands import call

pytestmark = pytest.mark.slow

PATIENCE_S = 300


def blocks(kind: str) -> list[str]:
    """The page's blocks of a language, without their indent."""
    text = (DOCS / "server.md").read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{kind}\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def unit_command(server: "Server", name: str, key: str = "ExecStart") -> str:
    """What a service's unit starts, as a shell would write it."""
    installed = systemd.Server(
        root=server.hospital.folder,
        configs=server.hospital.configs,
        user="root",
        port=int(server.places["3000"]),
        code_port=int(server.places["4266"]),
    )
    text = systemd.rendered(installed)[systemd.UNITS / f"eus-etl-{name}.service"]
    (command,) = re.findall(f"^{key}=(.*)$", text, re.MULTILINE)
    return str(command)


class Server:
    """The page's commands, with this machine's places in place of those in the page.

    Args:
        hospital: the hospital whose study is made.
        by_units: start what the systemd units start instead of what the page says.
    """

    def __init__(self, hospital: TinyHospital, *, by_units: bool = False) -> None:
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
        if by_units:
            self.preparation = (
                f"export DAGSTER_HOME={hospital.home}\n{unit_command(self, 'code', 'ExecStartPre')}"
            )
            self.services = [unit_command(self, name) for name in ("code", "daemon", "webserver")]
        self.environment = {**os.environ, **dict(re.findall(r"(\w+)=(\S+)", self.preparation))}
        self.environment["EUS_ETL_CONFIGS"] = str(hospital.configs)

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


@pytest.mark.parametrize("by_units", [False, True], ids=["by hand", "systemd"])
def test_the_services_as_written_make_a_study(tmp_path: Path, by_units: bool) -> None:
    server = Server(TinyHospital(tmp_path), by_units=by_units)
    server.prepare()
    with server.running(), open_instance(server.hospital.home) as instance:
        deadline = time.monotonic() + PATIENCE_S
        while not finished(server, instance):
            log = (tmp_path / "services.log").read_text(errors="replace")
            assert time.monotonic() < deadline, log[-4000:]
            time.sleep(1)
        answering = AlertsConfig(
            record=tmp_path / "told.json",
            webserver=f"http://127.0.0.1:{server.places['3000']}",
            code_server=f"127.0.0.1:{server.places['4266']}",
        )
        assert list(silent_services(answering)) == []
        clean_up = shlex.split(unit_command(server, "clean-up"))
        done = subprocess.run(clean_up, env=server.environment, capture_output=True, text=True, check=True)
        assert " 0 runs and 0 other events deleted" in done.stdout  # all of it is of today
    assert [problem.word for problem in silent_services(answering)] == ["webserver", "code_server"]


def test_the_install_commands_are_right(tmp_path: Path) -> None:
    commands = [
        line for block in blocks("console") for line in block.splitlines() if "install-service" in line
    ]
    assert len(commands) == 2
    for command in commands:
        options = shlex.split(
            command.replace("/data", str(tmp_path / "data")).replace("/etc/eus-etl", str(tmp_path))
        )
        dry = [*options[1:], *["--dry-run"] * ("--dry-run" not in options)]
        assert call(*dry).exit_code == 0


def finished(server: Server, instance: object) -> bool:
    if '"name":"eus_etl","loadStatus":"LOADED"' not in server.locations().replace(" ", ""):
        return False
    session = StudySession(server.hospital.study, instance)  # type: ignore[arg-type]
    return bool(session.patients()) and not any(map(session.plan, [*session.patients(), None]))
