"""How the database of the leases is opened: a server's, or a file whose clock is that of the machine."""

import os
import time
from pathlib import Path
from typing import Any
from weakref import WeakSet

import sqlalchemy as sql
from sqlalchemy import event, exc
from sqlalchemy.pool import ConnectionPoolEntry

from eus_etl.storage.trouble import DAMAGED

FILE_NAME = "eus_etl_leases.db"
"""The file where leases are in a Dagster home without a database server."""

BUSY_S = 30
"""So long one operation waits for others that write."""

_SERVER_WAITS_MS = 5000
"""So long PostgreSQL waits for a row that somebody publishes under."""

_ALIVE_S = "10"
"""A connection over which nothing came for so long is asked whether its other end is still there."""


def opened(url: sql.URL) -> sql.Engine:
    """An engine on a database, a file or a PostgreSQL."""
    engine = _opened(url)
    _ENGINES.add(engine)
    return engine


def _opened(url: sql.URL) -> sql.Engine:
    if url.get_backend_name() == "sqlite":
        engine = sql.create_engine(url, connect_args={"timeout": BUSY_S})
        event.listen(engine, "connect", _prepare_file)
        event.listen(engine, "checkout", _require_same_file)
        return engine
    return sql.create_engine(
        url,
        pool_size=2,
        pool_pre_ping=True,
        connect_args={} if "options" in url.query else _SERVER,
    )


def now(engine: sql.Engine) -> sql.ColumnElement[float]:
    """The database's clock in seconds, as part of a statement; of a file, the time since the machine started.

    Nobody can set the latter. It begins again after a restart: a lease of before lapses some seconds
    too late, or is seen to be impossible.
    """
    if engine.dialect.name == "sqlite":
        return sql.func.eus_etl_clock(type_=sql.Double)
    return sql.cast(sql.func.extract("epoch", sql.func.clock_timestamp()), sql.Double)


def is_damaged(error: exc.SQLAlchemyError) -> bool:
    """Whether an error says that the file is no database any more: asking again is in vain."""
    return isinstance(error, exc.DBAPIError) and str(error.orig) in DAMAGED


_SERVER: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": _ALIVE_S,
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
    # the server notices, too, when a machine is gone that was publishing; a process that only stands still
    # goes on holding what it publishes under
    "options": f"-c lock_timeout={_SERVER_WAITS_MS} -c idle_in_transaction_session_timeout=0"
    f" -c tcp_keepalives_idle={_ALIVE_S} -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4",
}


def _prepare_file(connection: Any, entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # the table begins its transactions itself
    connection.create_function("eus_etl_clock", 0, time.monotonic)
    for setting in ("journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON"):
        connection.execute(f"PRAGMA {setting}")
    entry.info["file"] = _mark(connection)


def _require_same_file(connection: Any, entry: ConnectionPoolEntry, _: object) -> None:
    """A home may have been moved or wiped: an open connection would write to a file that nobody else sees."""
    if entry.info.get("file") != _mark(connection):
        raise exc.DisconnectionError


def _mark(connection: Any) -> tuple[int, int] | None:
    file = Path(connection.execute("PRAGMA database_list").fetchone()[2])
    try:
        found = os.stat(file)  # noqa: PTH116 - asked before each statement
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


_ENGINES: WeakSet[sql.Engine] = WeakSet()


def _let_go() -> None:
    """A forked process opens connections of its own; those of its parent stay open."""
    for engine in _ENGINES:
        engine.dispose(close=False)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
