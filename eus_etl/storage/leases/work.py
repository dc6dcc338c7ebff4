"""Who works on a visit, on a study's tables or on what was observed: one process on all machines together."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sql

from eus_etl.domain.paths import StudyPaths
from eus_etl.storage.files.fence import fenced_by
from eus_etl.storage.files.folders import make_folder
from eus_etl.storage.files.locks import file_lock
from eus_etl.storage.leases.holding import Held, give_back, published_under, wait_for
from eus_etl.storage.leases.process import said_of_process
from eus_etl.storage.leases.table import Holder, table_at

_PREFIX = "work:"


class _Local(threading.local):
    def __init__(self) -> None:
        self.held: list[Held] = []


_LOCAL = _Local()
_ROOTS: dict[Path, tuple[sql.URL, str]] = {}
"""Roots to the database of their leases and to their study."""


def lease_at(paths: StudyPaths, leases: sql.URL, study: str) -> None:
    """From now on, whoever works below this root in this process takes leases in a database for it."""
    _ROOTS[paths.root] = leases, study


def work_name(study: str, name: str) -> str:
    """The name of the lease of a visit, or of the study's tables."""
    return f"{_PREFIX}{study}/{name}"


@contextmanager
def work_lease(paths: StudyPaths, name: str, tell: Callable[[Holder], None] | None = None) -> Iterator[None]:
    """Have the lease of a visit (or of the study's tables) for the block; waits while another has it.

    What is published in the block is published under the lease; see ``fence``. Below a root that no instance
    has taken, which is of one machine alone, a lock of the root serves instead.

    Args:
        paths: the study's.
        name: the visit, or what else it is for.
        tell: called once with the holder, where this has to wait.

    Raises:
        LeaseLostError: this thread has the lease already, and it was taken over.
        DatabaseError: the database was away for too long.
    """
    if paths.root not in _ROOTS:
        file = paths.state / "locks" / name
        make_folder(file.parent)
        with file_lock(file):
            yield
        return
    url, study = _ROOTS[paths.root]
    with work_lease_at(url, work_name(study, name), said_of_process(), tell):
        yield


@contextmanager
def work_lease_at(
    leases: sql.URL, name: str, said: str, tell: Callable[[Holder], None] | None = None
) -> Iterator[None]:
    """As ``work_lease``, by the database and the name of the lease.

    Args:
        leases: their database.
        name: the lease's.
        said: who works, for people.
        tell: as ``work_lease``.
    """
    of_thread = _LOCAL.held  # a block may be closed late, by another thread
    mine = next((held for held in of_thread if held.lease.name == name), None)
    if mine is not None:
        mine.require()
        yield
        return
    held = wait_for(table_at(leases), name, said, tell)
    of_thread.append(held)
    all_held = list(of_thread)
    try:
        with fenced_by(lambda: published_under(all_held)):
            yield
    finally:
        of_thread.remove(held)
        give_back(held)
