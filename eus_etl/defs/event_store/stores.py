"""The databases of a Dagster instance as wholes: all their tables, and no page left of what was removed."""

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import sqlalchemy as sql
from sqlalchemy.pool import NullPool

from eus_etl.defs.event_store.database import index_outside_transactions, runs_of, ticks_of
from eus_etl.defs.leases import leases_url
from eus_etl.errors import DatabaseError

BUSY_S = 60.0
"""So long another process may hold a database."""


@dataclass(frozen=True, slots=True)
class Database:
    """One database.

    Attributes:
        engine: connects to it; holds no connection open.
    """

    engine: sql.Engine

    @property
    def file(self) -> Path | None:
        """Its file; None where a server has it."""
        url = self.engine.url
        return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None

    def tables(self) -> list[sql.Table]:
        """Its tables as they are, whichever version of Dagster made them."""
        metadata = sql.MetaData()
        metadata.reflect(self.engine)
        return list(metadata.tables.values())

    @contextmanager
    def connected(self) -> Iterator[sql.Connection]:
        """A connection in a transaction, which is committed at the end of the block."""
        with self.engine.begin() as connection:
            yield connection

    def vacuum(self) -> None:
        """Give back what removed rows took, so that no page of a file holds them any more.

        Tables are locked meanwhile. PostgreSQL's write-ahead log holds the rows until the server recycles it.

        Raises:
            DatabaseError: another process goes on reading what was removed.
        """
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if self.file is None:
                for table in self.tables():
                    name = self.engine.dialect.identifier_preparer.quote(table.name)
                    connection.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {name}")
                return
            connection.exec_driver_sql("VACUUM")
            until = time.monotonic() + BUSY_S
            while connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]:
                if time.monotonic() > until:
                    raise DatabaseError(
                        self.file.name,
                        "another process goes on reading what was removed from it",
                        "stop daemon and page, then call again",
                    )
                time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Stores:
    """Those of an instance; with PostgreSQL one and the same.

    Attributes:
        runs: runs, their tags, backfills.
        events: asset events, partitions, checks; with PostgreSQL all events.
        schedules: sensors, schedules and their ticks.
        leases: who works on what.
    """

    runs: Database
    events: Database
    schedules: Database
    leases: Database

    @property
    def shared(self) -> Sequence[Database]:
        """Each once, without those of single runs."""
        found = {str(each.engine.url): each for each in (self.runs, self.events, self.schedules, self.leases)}
        return list(found.values())

    def of_runs(self, text: str) -> list[Database]:
        """With SQLite, those of single runs whose file holds a text; that of no run is always among them."""
        if self.events.file is None:
            return []
        files = sorted(self.events.file.parent.glob("*.db"))
        found = [file for file in files if file.name == ".db" or _holds(file, text)]
        return [_database(sql.URL.create("sqlite", database=str(f))) for f in found if f != self.events.file]


def stores_of(instance: dg.DagsterInstance) -> Stores:
    """The databases that an instance keeps its records in."""
    return Stores(
        runs=_of(runs_of(instance)),
        events=_of(index_outside_transactions(instance)),
        schedules=_of(ticks_of(instance)),
        leases=_database(leases_url(instance)),
    )


def _of(opening: AbstractContextManager[sql.Connection]) -> Database:
    with opening as connection:
        return _database(connection.engine.url)


def _database(url: sql.URL) -> Database:
    is_file = url.get_backend_name() == "sqlite"
    return Database(
        sql.create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_S} if is_file else {})
    )


def _holds(file: Path, text: str) -> bool:
    """Whether a database's file, or what is not yet written back to it, holds a text."""
    parts = (file, file.with_name(f"{file.name}-wal"))
    return any(part.is_file() and text.encode() in part.read_bytes() for part in parts)
