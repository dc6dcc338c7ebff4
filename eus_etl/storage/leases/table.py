"""The table of leases: one is taken, renewed, published under, released, or lapses and is taken over.

A lease has a name, a holder and a fencing number. Numbers are given once, each larger than all before. One
that was not renewed in time has lapsed: anybody may take it, but until somebody does, it stays its holder's.
Only the database's clock is asked. What somebody publishes under cannot be taken.
"""

import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import sqlalchemy as sql
from sqlalchemy import exc

from eus_etl.errors import LeaseLostError
from eus_etl.storage.leases import database
from eus_etl.storage.leases.process import is_gone

TABLE = sql.Table(
    "eus_etl_leases",
    sql.MetaData(),
    sql.Column("name", sql.String(255), primary_key=True),
    sql.Column("number", sql.BigInteger, nullable=False),
    sql.Column("holder", sql.String(36), nullable=False),
    sql.Column("process", sql.String(160), nullable=False),
    sql.Column("said", sql.String(255), nullable=False),
    sql.Column("lasts_s", sql.Double, nullable=False),
    sql.Column("lapses_at", sql.Double, nullable=False),
)
_NUMBERS = ""
"""The name of the row that holds the last number."""

_UNDEFINED_TABLE, _LOCK_NOT_AVAILABLE = "42P01", "55P03"
"""PostgreSQL's codes of errors."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as its holder knows it.

    Attributes:
        name: of what it is for.
        number: its fencing number.
        holder: names this taking of it.
    """

    name: str
    number: int
    holder: str


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a lease.

    Attributes:
        lease: the lease.
        process: the process, as ``process.this_process`` names it.
        said: who it is, for people.
        lapsed: whether it was not renewed in time.
    """

    lease: Lease
    process: str
    said: str
    lapsed: bool

    @property
    def is_dead(self) -> bool:
        """Whether the lease is up for anybody: it lapsed, or its process ended on this machine."""
        return self.lapsed or is_gone(self.process)


class LeaseTable:
    """The leases of one database; several threads may use it.

    All methods may raise SQLAlchemy's errors where the database does not answer.
    """

    def __init__(self, engine: sql.Engine) -> None:
        self._engine = engine
        self._now = database.now(engine)

    def take(self, name: str, *, process: str, said: str, lasts_s: float) -> Lease | None:
        """Take a lease that nobody holds, that lapsed, or whose holder is dead; None where somebody holds it.

        Args:
            name: of what it is for.
            process: who takes it, for this machine.
            said: who takes it, for people.
            lasts_s: lapses so many seconds after it was last renewed.
        """
        found = self.find([name]).get(name)
        if found is not None and not found.is_dead:
            return None
        lease = Lease(name, self._next_number(), str(uuid.uuid4()))
        values = {
            "number": lease.number,
            "holder": lease.holder,
            "process": process,
            "said": said[:255],
            "lasts_s": lasts_s,
            "lapses_at": self._now + lasts_s,
        }
        up = TABLE.c.name == name
        # its state may have changed since
        up &= self._has_lapsed() if found is None else sql.or_(self._has_lapsed(), _is(found.lease))
        try:
            with self._writing() as connection:
                if connection.execute(sql.update(TABLE).where(up).values(values)).rowcount == 1:
                    return lease
                connection.execute(sql.insert(TABLE).values(name=name, **values))
        except exc.IntegrityError:
            return None
        except exc.OperationalError as error:
            if _waited_for_row(error):  # somebody publishes under it
                return None
            raise
        return lease

    def renew(self, lease: Lease) -> bool:
        """Let a lease last from now; False where it is no longer this holder's."""
        with self._writing() as connection:
            return self._renewed(connection, lease)

    def release(self, lease: Lease) -> None:
        """Give a lease back; nothing happens where it is no longer this holder's."""
        with self._writing() as connection:
            connection.execute(sql.delete(TABLE).where(_is(lease)))

    @contextmanager
    def published_under(self, leases: Sequence[Lease]) -> Iterator[None]:
        """Nobody can take these leases in the block; they are renewed.

        Raises:
            LeaseLostError: one of them was taken over.
        """
        with self._writing() as connection:
            for lease in leases:
                if not self._renewed(connection, lease):
                    raise lease_lost(lease)
            yield

    def find(self, names: Collection[str]) -> dict[str, Holder]:
        """Those of these leases that somebody has, even if they lapsed."""
        if not names:
            return {}
        return self._found(TABLE.c.name.in_(names))

    def all(self, beginning: str = "") -> dict[str, Holder]:
        """All leases that somebody has whose names begin so, even if they lapsed."""
        return self._found(TABLE.c.name.startswith(beginning, autoescape=True))

    def remove(self, names: Collection[str]) -> None:
        """Take leases from whoever holds them: what they are for is gone."""
        self._delete(TABLE.c.name.in_(names))

    def remove_lapsed(self, since_s: float) -> None:
        """Remove the leases that lapsed so many seconds ago, or longer."""
        self._delete(sql.and_(TABLE.c.name != _NUMBERS, TABLE.c.lapses_at < self._now - since_s))

    def _delete(self, condition: sql.ColumnElement[bool]) -> None:
        def delete() -> None:
            with self._writing() as connection:
                connection.execute(sql.delete(TABLE).where(condition))

        self._with_table(delete)

    def _found(self, condition: sql.ColumnElement[bool]) -> dict[str, Holder]:
        query = sql.select(
            TABLE.c.name,
            TABLE.c.number,
            TABLE.c.holder,
            TABLE.c.process,
            TABLE.c.said,
            sql.case((self._has_lapsed(), 1), else_=0),
        ).where(condition, TABLE.c.name != _NUMBERS)

        def read() -> dict[str, Holder]:
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
            return {
                name: Holder(Lease(name, number, holder), process, said, bool(lapsed))
                for name, number, holder, process, said, lapsed in rows
            }

        return self._with_table(read)

    def _next_number(self) -> int:
        """A number larger than all that were given; in a short transaction of its own."""
        of_numbers = TABLE.c.name == _NUMBERS
        update = sql.update(TABLE).where(of_numbers).values(number=TABLE.c.number + 1)

        def draw() -> int:
            with self._writing() as connection:
                return int(connection.execute(update.returning(TABLE.c.number)).scalar_one())

        return self._with_table(draw)

    def _renewed(self, connection: sql.Connection, lease: Lease) -> bool:
        renewed = sql.update(TABLE).where(_is(lease)).values(lapses_at=self._now + TABLE.c.lasts_s)
        return connection.execute(renewed).rowcount == 1

    def _has_lapsed(self) -> sql.ColumnElement[bool]:
        """That a lease was not renewed in time; one that lasts impossibly long is of another clock."""
        at, lasts_s = TABLE.c.lapses_at, TABLE.c.lasts_s
        return sql.or_(at <= self._now, at > self._now + 2 * lasts_s)

    @contextmanager
    def _writing(self) -> Iterator[sql.Connection]:
        """A transaction; no other writes to a file meanwhile, or to the same rows of a server."""
        with self._engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def _with_table(self, do: Callable[[], _T]) -> _T:
        try:
            return do()
        except (exc.ProgrammingError, exc.OperationalError, exc.NoResultFound) as error:
            if not _is_missing(error):
                raise
        self._create()
        return do()

    def _create(self) -> None:
        """Create the table; several processes may do so at once."""
        nobody = {"holder": "", "process": "", "said": "", "lasts_s": 0.0, "lapses_at": 0.0}
        for statement in (
            sql.schema.CreateTable(TABLE, if_not_exists=True),
            sql.insert(TABLE).values(name=_NUMBERS, number=0, **nobody),
        ):
            try:
                with self._writing() as connection:
                    connection.execute(statement)
            except (exc.IntegrityError, exc.ProgrammingError):
                continue  # another did it


@lru_cache(maxsize=8)
def table_at(url: sql.URL) -> LeaseTable:
    """The leases in a database; it and its table are created with the first lease."""
    return LeaseTable(database.opened(url))


def lease_lost(lease: Lease) -> LeaseLostError:
    """The error of a holder whose lease another has."""
    return LeaseLostError(
        lease.name.partition(":")[2].rpartition("/")[2],
        "this process stood still or had no database for too long, and another one took its work over;"
        " nothing that it still wanted to publish was published",
        "nothing, if `eus-etl status` shows that it was made; else run again",
    )


def _is(lease: Lease) -> sql.ColumnElement[bool]:
    """That a lease is still this holder's."""
    return sql.and_(
        TABLE.c.name == lease.name, TABLE.c.number == lease.number, TABLE.c.holder == lease.holder
    )


def _is_missing(error: exc.SQLAlchemyError) -> bool:
    """Whether an error says that the table, or the row that holds the last number, was not there yet."""
    if isinstance(error, exc.DBAPIError):
        said = getattr(error.orig, "pgcode", None) or str(error.orig)
        return said == _UNDEFINED_TABLE or said.startswith("no such table")
    return isinstance(error, exc.NoResultFound)


def _waited_for_row(error: exc.OperationalError) -> bool:
    """Whether PostgreSQL gave up waiting for a row."""
    return getattr(error.orig, "pgcode", None) == _LOCK_NOT_AVAILABLE
