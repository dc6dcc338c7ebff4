"""SQLite files that stay open while a command makes many runs.

Dagster opens a file for each of the thousand reads and writes of a run, each time with an engine that has to
compile every statement, and makes the tables of each run's file by its migrations: most of what a run costs.
Here one engine serves all files, each file is opened once, and a run's empty file is a copy of the first.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Protocol, cast

import dagster as dg
import sqlalchemy as sql
from sqlalchemy.engine import Connection

from eus_etl.defs.event_store.database import EVENTS, NO_RUN, database_files, has_file_per_run

_PATIENCE_S = 30
"""How long a statement waits for another process, as Dagster's own."""

_Opening = Callable[[], AbstractContextManager[Connection]]


class _FileOfRun(Protocol):
    def path_for_shard(self, run_id: str) -> str: ...


@contextmanager
def kept_open(instance: dg.DagsterInstance) -> Iterator[None]:
    """Within the block this thread opens each SQLite file of the instance once; other databases are as ever.

    Each use is a transaction of its own, as it is otherwise: what other processes write in between is seen.
    """
    events, runs = instance.event_log_storage, instance.run_storage
    if not has_file_per_run(instance) or "index_connection" in vars(events):  # it is within such a block
        yield
        return
    replaced: dict[tuple[object, str], Callable[..., object]] = {
        (events, "index_connection"): _index_connection,
        (events, "run_connection"): _run_connection,
        (runs, "connect"): _runs_connection,
        (events, "has_table"): _has_table,
    }
    files = _Files(instance)
    try:
        for (storage, name), connection in replaced.items():
            setattr(storage, name, partial(connection, files, getattr(storage, name)))
        yield
    finally:
        for storage, name in replaced:
            vars(storage).pop(name, None)  # what its class defines is in force again
        files.close()


def _has_table(files: "_Files", otherwise: Callable[[str], bool], name: str) -> bool:
    """Whether there is a table: it is asked before most statements, and tables never go away."""
    if name not in files.tables and otherwise(name):
        files.tables.add(name)
    return name in files.tables


def _index_connection(files: "_Files", otherwise: _Opening) -> AbstractContextManager[Connection]:
    return files.opened(files.index, otherwise)


def _runs_connection(files: "_Files", otherwise: _Opening) -> AbstractContextManager[Connection]:
    return files.opened(files.runs, otherwise)


def _run_connection(
    files: "_Files",
    otherwise: Callable[[str | None], AbstractContextManager[Connection]],
    run_id: str | None = None,
) -> AbstractContextManager[Connection]:
    if run_id is None or not files.is_ours:
        return otherwise(run_id)
    return files.opened(files.of_run(run_id, partial(otherwise, run_id)), partial(otherwise, run_id))


class _Files:
    """The open files of one thread.

    Args:
        instance: whose databases are SQLite's.

    Attributes:
        index: the file of the events of all assets.
        runs: the file of all runs.
        tables: names of tables that were found in the index.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        named = database_files(instance)
        self.index, self.runs = named["index"], named["runs"]
        self._no_run = named["no run"]
        self._instance = instance
        self._thread = threading.get_ident()
        self._engine = sql.create_engine("sqlite://", creator=self._connect, poolclass=sql.NullPool)
        self._next = self.index
        self._open: dict[Path, Connection] = {}
        self._empty: bytes | None = None
        self.tables: set[str] = set()

    @property
    def is_ours(self) -> bool:
        """Whether the thread that asks is the one that keeps the files open."""
        return threading.get_ident() == self._thread

    @contextmanager
    def opened(self, file: Path, otherwise: _Opening) -> Iterator[Connection]:
        """A transaction on a file; by ``otherwise`` in another thread, or within a transaction."""
        kept = self._open.get(file)
        if not self.is_ours or (kept is not None and kept.in_transaction()):
            with otherwise() as connection:
                yield connection
            return
        if kept is None:
            self._next = file
            kept = self._open[file] = self._engine.connect()
        try:
            with kept.begin():
                yield kept
        except BaseException:
            self._close(file)  # the error may be the connection's own
            raise

    def of_run(self, run_id: str, otherwise: _Opening) -> Path:
        """The file of a run, which then has its tables; those of other runs are closed."""
        if run_id == NO_RUN:
            return self._no_run
        file = Path(cast(_FileOfRun, self._instance.event_log_storage).path_for_shard(run_id))
        if file not in self._open:
            for other in self._open.keys() - {self.index, self.runs, self._no_run}:
                self._close(other)
            self._make(file, otherwise)
        return file

    def close(self) -> None:
        """Close all files."""
        for file in list(self._open):
            self._close(file)

    def _make(self, file: Path, otherwise: _Opening) -> None:
        """Make the file of a run if there is none: as Dagster makes it, or as a copy of one that it made."""
        if self._empty is None or file.exists():
            is_new = not file.exists()
            with otherwise() as connection:
                if is_new and connection.scalar(sql.select(sql.func.count()).select_from(EVENTS)) == 0:
                    self._empty = cast(
                        sqlite3.Connection, connection.connection.driver_connection
                    ).serialize()
            return
        aside = file.with_suffix(f".{os.getpid()}")
        aside.write_bytes(self._empty)
        try:
            with suppress(FileExistsError):  # the page made it in this moment
                os.link(aside, file)
        finally:
            aside.unlink()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._next, timeout=_PATIENCE_S)

    def _close(self, file: Path) -> None:
        if connection := self._open.pop(file, None):
            connection.close()
