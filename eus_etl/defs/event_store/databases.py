"""The databases of a Dagster instance: one with PostgreSQL, several files with SQLite, one for each run."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from eus_etl.errors import DatabaseError

BUSY_S = 60.0
"""So long another process may hold a database."""


@dataclass(frozen=True, slots=True)
class Database:
    """One database.

    Attributes:
        engine: connects to it; holds no connection open.
    """

    engine: sa.Engine

    @property
    def file(self) -> Path | None:
        """Its file; None where a server has it."""
        url = self.engine.url
        return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None

    def tables(self) -> list[sa.Table]:
        """Its tables as they are, whichever version of Dagster made them."""
        metadata = sa.MetaData()
        metadata.reflect(self.engine)
        return list(metadata.tables.values())

    @contextmanager
    def connected(self) -> Iterator[sa.Connection]:
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
class Databases:
    """Those of an instance; with PostgreSQL one and the same.

    Attributes:
        runs: runs, their tags, backfills.
        events: asset events, partitions, checks; with PostgreSQL all events.
        schedules: sensors, schedules and their ticks.
    """

    runs: Database
    events: Database
    schedules: Database

    @property
    def shared(self) -> Sequence[Database]:
        """Each once, without those of single runs."""
        found = {str(each.engine.url): each for each in (self.runs, self.events, self.schedules)}
        return list(found.values())

    def shard(self, run_id: str) -> Path | None:
        """The file of one run's events; None where they are in ``events``."""
        return self.events.file.with_name(f"{run_id}.db") if self.events.file else None

    def shards(self) -> list[Database]:
        """The databases of single runs."""
        if self.events.file is None:
            return []
        files = sorted(self.events.file.parent.glob("*.db"))
        return [_database(sa.URL.create("sqlite", database=str(f))) for f in files if f != self.events.file]


def databases(instance: dg.DagsterInstance) -> Databases:
    """The databases that an instance keeps its records in."""
    # all of Dagster's SQL storages have these, which its types do not say
    events, runs, schedules = instance.event_log_storage, instance.run_storage, instance.schedule_storage
    return Databases(
        runs=_of(runs.connect),  # type: ignore[attr-defined]
        events=_of(events.index_connection),  # type: ignore[attr-defined]
        schedules=_of(schedules.connect),  # type: ignore[union-attr]
    )


def _of(connect: object) -> Database:
    with connect() as connection:  # type: ignore[operator]
        return _database(connection.engine.url)


def _database(url: sa.URL) -> Database:
    is_file = url.get_backend_name() == "sqlite"
    return Database(
        sa.create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_S} if is_file else {})
    )
