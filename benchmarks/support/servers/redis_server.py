"""Debian's Redis on loopback, in a folder of its own, with the settings that the broker needs."""

import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis

from eus_etl.settings import shipped

SETTINGS = "deploy/celery/redis.eus-etl.conf"


class RedisServer:
    """A server that can be killed and started again; what it was given is on the disk.

    Attributes:
        port: where it listens.
    """

    def __init__(self, folder: Path, hosts: Sequence[str] = ("127.0.0.1",)) -> None:
        """Choose a port; starts nothing.

        Args:
            folder: of its files.
            hosts: the addresses of this machine that it listens at.
        """
        program = shutil.which("redis-server")
        if program is None:
            pytest.skip("needs redis-server: apt-get install redis-server")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = int(free.getsockname()[1])
        self._password = secrets.token_hex(8)
        self._log = folder / "redis.log"
        self._command = [
            program,
            str(shipped(SETTINGS)),
            *("--bind", *hosts),
            *("--port", str(self.port)),
            *("--dir", str(folder)),
            *("--requirepass", self._password),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, host: str = "127.0.0.1") -> str:
        """Where a machine that knows this one as ``host`` finds it."""
        return f"redis://:{self._password}@{host}:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            TimeoutError: it does not.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 30
        with redis.Redis.from_url(self.url()) as client:
            while time.monotonic() < deadline:
                with suppress(redis.RedisError):
                    if client.ping():
                        return
                time.sleep(0.05)
        raise TimeoutError(self._log.read_text(errors="replace")[-2000:])

    def kill(self) -> None:
        """Kill it with -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None


@contextmanager
def redis_server(folder: Path, hosts: Sequence[str] = ("127.0.0.1",)) -> Iterator[RedisServer]:
    """A running server, until the block ends."""
    server = RedisServer(folder, hosts)
    server.start()
    try:
        yield server
    finally:
        server.kill()
