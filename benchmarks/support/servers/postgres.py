"""Debian's PostgreSQL on loopback, in a folder of its own."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sql

from eus_etl.defs.instance import open_instance
from eus_etl.settings import shipped

PASSWORD_VARIABLE = "EUS_ETL_POSTGRES_PASSWORD"  # noqa: S105 - its name
PASSWORD = "a password of the tests"  # noqa: S105
USER = DATABASE = "eus_etl"
SETTINGS = "deploy/dagster.postgres.yaml"


def _program(name: str) -> str:
    found = shutil.which(name) or next(
        map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None
    )
    if found is None:
        pytest.skip(f"needs PostgreSQL's {name}: apt-get install postgresql")
    return found


class Postgres:
    """A server that can be stopped and started again.

    Attributes:
        port: where it listens, on loopback.
    """

    def __init__(self, folder: Path, hosts: Sequence[str] = ("127.0.0.1",)) -> None:
        self.port = 0
        self._hosts = hosts
        self._folder = folder
        # it refuses to run as root
        self._user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            shutil.chown(folder, self._user)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "-D", folder / "data", "-U", USER, f"--pwfile={secret}", "-A", "scram-sha-256", "-N"
        )

        with (self.data / "pg_hba.conf").open("a") as allowed:
            for host in set(hosts) - {"127.0.0.1"}:  # machines of the same subnet
                allowed.write(f"host all all {host}/24 scram-sha-256\n")

    @property
    def data(self) -> Path:
        """The folder of its files; those below `pg_wal` are its write-ahead log."""
        return self._folder / "data"

    @property
    def url(self) -> sql.URL:
        """Of the database that the settings name."""
        return sql.URL.create(
            "postgresql+psycopg2",
            username=USER,
            password=PASSWORD,
            host="127.0.0.1",
            port=self.port,
            database=DATABASE,
        )

    def start(self) -> None:
        """Start it, at the same port as before."""
        if not self.port:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.port = free.getsockname()[1]
        options = f"-p {self.port} -h {','.join(self._hosts)} -k '' -F"
        self._run(
            "pg_ctl", "-D", self._folder / "data", "-l", self._folder / "log", "-o", options, "-w", "start"
        )

    def stop(self) -> None:
        """Stop it at once."""
        self._run("pg_ctl", "-D", self._folder / "data", "-m", "immediate", "-w", "stop")

    def make_database(self) -> None:
        """Make the database that the settings name."""
        arguments = ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER, DATABASE]
        self._run("createdb", *arguments, PGPASSWORD=PASSWORD)

    def _run(self, program: str, *arguments: str | Path, **environment: str) -> None:
        # output to a file: the server would keep a pipe open
        with (self._folder / "commands.log").open("ab") as log:
            done = subprocess.run(
                [_program(program), *arguments],
                user=self._user if os.geteuid() == 0 else None,
                cwd=self._folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment},
                stdout=log,
                stderr=log,
                check=False,
            )
        assert done.returncode == 0, (self._folder / "commands.log").read_text()


@contextmanager
def postgres(hosts: Sequence[str] = ("127.0.0.1",)) -> Iterator[Postgres]:
    """A running server with an empty database, until the block ends.

    Args:
        hosts: the addresses of this machine that it listens at.
    """
    _program("initdb")
    with tempfile.TemporaryDirectory(prefix="eus_etl_postgres") as folder:
        server = Postgres(Path(folder), hosts)
        server.start()
        try:
            server.make_database()
            yield server
        finally:
            if (Path(folder) / "data" / "postmaster.pid").exists():
                server.stop()


def on_postgres(home: Path, server: Postgres) -> dg.DagsterInstance:
    """An instance in this home with the shipped settings, whose records the server holds."""
    write_settings(home, server)
    return open_instance(home)


def write_settings(home: Path, server: Postgres) -> None:
    """Write the shipped settings into a home, for this server."""
    home.mkdir(exist_ok=True)
    text = shipped(SETTINGS).read_text(encoding="utf-8").replace("port: 5432", f"port: {server.port}")
    (home / "dagster.yaml").write_text(text)
