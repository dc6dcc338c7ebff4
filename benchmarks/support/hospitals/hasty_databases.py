"""Dagster's databases without what only a power cut would show, and without the same work twice."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest
import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Engine

_OPEN_ENGINES = [
    f"dagster._core.storage.{kind}.sqlite.sqlite_{name}.create_engine"
    for kind, name in (
        ("event_log", "event_log"),
        ("runs", "run_storage"),
        ("schedules", "schedule_storage"),
    )
]


@contextmanager
def databases_in_a_hurry() -> Iterator[None]:
    """Within the block this process's databases do not wait for the disk: half of the time of many tests.

    One engine serves all connections to a database, and so compiles each statement once. Dagster makes an
    engine a connection; neither keeps one open, so that files can be moved away in between.
    """

    def hurry(connection: object, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):  # a test may use PostgreSQL
            connection.execute("PRAGMA synchronous = OFF")

    @cache
    def engine_of(url: str) -> Engine:
        return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, connect_args={"timeout": 60})

    event.listen(Engine, "connect", hurry)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name in _OPEN_ENGINES:
                patch.setattr(name, lambda url, **_: engine_of(url))
            yield
    finally:
        event.remove(Engine, "connect", hurry)
