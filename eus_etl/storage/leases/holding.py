"""Leases that this process holds: a thread renews them, also while a step is busy for minutes."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from eus_etl.errors import DatabaseError
from eus_etl.storage.leases.database import FILE_NAME, is_damaged
from eus_etl.storage.leases.process import said_of_process, this_process
from eus_etl.storage.leases.table import Holder, Lease, LeaseTable, lease_lost

LASTS_S = 60.0
"""A lease lapses so long after it was last renewed: the longest that a database may be away."""

RENEW_S, AGAIN_S = 10.0, 2.0
"""How often leases are renewed, and how soon again where the database did not answer."""

PATIENCE_S = 30.0
"""So long a database may be away while something is taken or published."""

_LOOK_S, _LONGEST_LOOK_S = 0.05, 1.0

_T = TypeVar("_T")


@dataclass(eq=False, slots=True)
class Held:
    """A lease that this process has.

    Attributes:
        table: where it is.
        lease: the lease.
        said: who holds it, for people.
        insists: whether it is taken again, as soon as it can be, where another took it: it only says that
            somebody lives.
        lost: whether another has it.
    """

    table: LeaseTable
    lease: Lease
    said: str
    insists: bool = False
    lost: bool = False

    def require(self) -> None:
        """Check that it was not taken over, as far as is known.

        Raises:
            LeaseLostError: it was.
        """
        if self.lost:
            raise lease_lost(self.lease)


def take(table: LeaseTable, name: str, said: str, *, insists: bool = False) -> Held | None:
    """Take a lease and renew it until ``give_back``; None where somebody else holds it.

    Args:
        table: where leases are.
        name: of what it is for.
        said: what this process does, for people.
        insists: as ``Held``.

    Raises:
        DatabaseError: the database was away for too long.
    """
    said = f"{said} ({said_of_process()})"
    lease = patiently(lambda: table.take(name, process=this_process(), said=said, lasts_s=LASTS_S))
    if lease is None:
        return None
    held = Held(table, lease, said, insists)
    _KEEPER.keep(held)
    return held


def give_back(held: Held) -> None:
    """Release a lease. Where the database is away, it lapses by itself."""
    _KEEPER.leave(held)
    with suppress(SQLAlchemyError):
        held.table.release(held.lease)


def wait_for(table: LeaseTable, name: str, said: str, tell: Callable[[Holder], None] | None = None) -> Held:
    """Take a lease as soon as nobody holds it.

    Args:
        table: where leases are.
        name: of what it is for.
        said: what this process does, for people.
        tell: called once with the holder, where there is one.

    Raises:
        DatabaseError: the database was away for too long.
    """
    pause_s = _LOOK_S
    while True:
        held = take(table, name, said)
        if held is not None:
            return held
        if tell is not None and (found := patiently(lambda: table.find([name])).get(name)):
            tell(found)
            tell = None
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_LOOK_S)


@contextmanager
def published_under(held: list[Held]) -> Iterator[None]:
    """Nobody takes these leases in the block; all are in one table.

    Raises:
        LeaseLostError: one was taken over.
        DatabaseError: the database was away for too long.
    """
    for one in held:
        one.require()
    table = held[0].table
    with ExitStack() as block:
        leases = [one.lease for one in held]
        patiently(lambda: block.enter_context(table.published_under(leases)))
        yield


def patiently(ask: Callable[[], _T]) -> _T:
    """Ask a database, again and again while it is away for a moment.

    Raises:
        DatabaseError: it was away for too long, or its file is damaged.
    """
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask()
        except SQLAlchemyError as error:
            if is_damaged(error):
                raise DatabaseError(
                    "leases",
                    f"the file that says who works on what is damaged: `{FILE_NAME}` in the Dagster home",
                    "stop the services, remove it with the files beside it that begin so, and start them:"
                    " no data and no history is lost",
                ) from None
            if time.monotonic() > until:
                raise DatabaseError(
                    "leases",
                    "the database that says who works on what does not answer",
                    "see that the database of the Dagster home answers, then run again",
                ) from None
            time.sleep(AGAIN_S / 4)


class _Keeper:
    """Renews what this process holds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[Held] = set()
        self._thread: threading.Thread | None = None

    def keep(self, held: Held) -> None:
        with self._lock:
            self._held.add(held)
            if self._thread is None:
                self._thread = threading.Thread(target=self._renew, name="leases", daemon=True)
                self._thread.start()

    def leave(self, held: Held) -> None:
        with self._lock:
            self._held.discard(held)

    def _renew(self) -> None:
        while True:
            answers = [_renewed(held) for held in self._now()]
            time.sleep(RENEW_S if all(answers) else AGAIN_S)

    def _now(self) -> list[Held]:
        with self._lock:
            return list(self._held)


def _renewed(held: Held) -> bool:
    """Renew a lease, or find that it is lost; False where the database did not answer."""
    try:
        if not held.table.renew(held.lease):
            held.lost = not held.insists
            if held.insists:
                again = held.table.take(
                    held.lease.name, process=this_process(), said=held.said, lasts_s=LASTS_S
                )
                held.lease = again or held.lease
    except SQLAlchemyError:
        return False
    return True


_KEEPER = _Keeper()


def _begin_anew() -> None:
    """A forked process holds nothing of its parent's."""
    global _KEEPER
    _KEEPER = _Keeper()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
