"""The services of a server, started as its systemd units start them, each in a process group of its own."""

import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import requests

from eus_etl.commands.install_service import UNITS, Server, rendered
from eus_etl.commands.watch.of_services import silent_services
from eus_etl.settings import AlertsConfig

CODE, DAEMON, PAGE = "code", "daemon", "webserver"
SERVICES = (CODE, DAEMON, PAGE)

_RUN = b"multiprocessing.spawn"
"""In the command of a process that works on a run, which is a child of the code server."""

_HURRY = '''"""The shipped definitions, whose planner waits for nothing."""

from eus_etl.defs.reconcile import retry, run_health

retry.FIRST_WAIT_S = retry.LONGEST_WAIT_S = {wait_s}
run_health.STARTUP_S = {startup_s}

from eus_etl.definitions import defs
'''


class Hospital(Protocol):
    """What the services need to know of a hospital."""

    @property
    def folder(self) -> Path:
        """Holds everything."""

    @property
    def home(self) -> Path:
        """The Dagster home."""

    @property
    def configs(self) -> Path:
        """Folder of the studies' files."""


class Services:
    """Code server, daemon and page on a hospital's study; they write to ``services.log``."""

    def __init__(
        self,
        hospital: Hospital,
        *,
        hurry_s: float | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Choose ports; starts nothing.

        Args:
            hospital: the hospital whose study is made.
            hurry_s: a process that worked on a run and died is noticed after so many seconds, and what
                failed is tried again after one; None for what is shipped.
            environment: more variables for all of them.
        """
        self.hospital = hospital
        self._ports = {name: _free_port() for name in (CODE, PAGE)}
        server = Server(
            root=hospital.folder,
            configs=hospital.configs,
            user="root",
            port=self._ports[PAGE],
            code_port=self._ports[CODE],
        )
        files = rendered(server)
        server.workspace.write_text(files[server.workspace])
        self._commands = {
            name: re.findall("^ExecStart=(.*)$", files[UNITS / f"eus-etl-{name}.service"], re.MULTILINE)[0]
            for name in SERVICES
        }
        if hurry_s is not None:
            (hospital.folder / "in_a_hurry.py").write_text(_HURRY.format(wait_s=1.0, startup_s=hurry_s))
            self._commands[CODE] = self._commands[CODE].replace("eus_etl.definitions", "in_a_hurry")
        self._environment = {
            **os.environ,
            "DAGSTER_HOME": str(hospital.home),
            "EUS_ETL_CONFIGS": str(hospital.configs),
            "PYTHONPATH": os.pathsep.join([str(hospital.folder), os.environ.get("PYTHONPATH", "")]),
            **(environment or {}),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._left_alone: list[int] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """All services, until the block ends; whatever they started ends with them."""
        try:
            for name in SERVICES:
                self.start(name)
            yield
        finally:
            for process in self._running.values():
                process.terminate()
            for name, process in self._running.items():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(30)
                self.kill(name)
            for group in self._left_alone:
                _kill_group(group)

    def start(self, name: str) -> None:
        """Start a service."""
        with (self.hospital.folder / "services.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                shlex.split(self._commands[name]),
                cwd=self.hospital.folder,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, name: str, *, alone: bool = False) -> None:
        """Kill a service with everything that it started, as systemd does; or ``alone``."""
        process = self._running[name]
        if alone:
            self._left_alone.append(process.pid)
            process.kill()
        else:
            _kill_group(process.pid)
        process.wait(30)

    def are_silent(self) -> list[str]:
        """Which of code server and page do not answer."""
        config = AlertsConfig(
            record=self.hospital.folder / "told.json",
            webserver=self.address,
            code_server=f"127.0.0.1:{self._ports[CODE]}",
        )
        return [problem.word for problem in silent_services(config)]

    @property
    def address(self) -> str:
        """Of the page."""
        return f"http://127.0.0.1:{self._ports[PAGE]}"

    def look_at_page(self) -> str:
        """What the page asks for again and again while a person looks at it; empty on failure."""
        query = (
            "{runsOrError(limit: 30) {... on Runs {results {runId status tags {key value}}}}"
            " assetNodes {assetKey {path} partitionStats {numMaterialized numFailed}"
            " assetMaterializations(limit: 1) {runId metadataEntries {label}}}}"
        )
        with suppress(requests.RequestException):
            return requests.post(f"{self.address}/graphql", json={"query": query}, timeout=30).text
        return ""

    def memory_mb(self) -> Mapping[str, float]:
        """Memory of each service with what it started, without processes that work on runs."""
        found = {}
        for name, process in self._running.items():
            members = [pid for pid in _processes() if _group(pid) == process.pid]
            found[name] = sum(_resident_mb(pid) for pid in members if _RUN not in _command(pid))
        return found

    def log(self) -> str:
        """The end of what the services wrote."""
        return (self.hospital.folder / "services.log").read_text(errors="replace")[-6000:]


def wait_until(what: str, condition: Callable[[], bool], patience_s: float, services: Services) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: it never does; with the end of the services' log.
    """
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain until {what}\n{services.log()}")
        time.sleep(0.5)


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _processes() -> Sequence[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _group(pid: int) -> int | None:
    with suppress(ProcessLookupError, PermissionError):
        return os.getpgid(pid)
    return None


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _resident_mb(pid: int) -> float:
    with suppress(OSError):
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return 0.0
