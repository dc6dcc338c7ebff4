"""The one place through which whatever is published or removed passes: only while its lease is held.

A process may stand still for longer than its lease lasts, and come back after another made the same again.
So its thread carries a fence, which is asked before each rename and removal, and holds the lease meanwhile.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Fence = Callable[[], AbstractContextManager[None]]
"""Opens a block in which nobody can take over; raises LeaseLostError where somebody has."""


class _Local(threading.local):
    fence: Fence | None = None
    is_open: bool = False


_LOCAL = _Local()


@contextmanager
def publishing() -> Iterator[None]:
    """What the block shows or removes under a final name cannot be another's newer work.

    The block is short: others wait for it. Without a lease in this thread, nothing is asked.

    Raises:
        LeaseLostError: another process has taken over; the block was not entered.
    """
    if _LOCAL.fence is None or _LOCAL.is_open:
        yield
        return
    with _LOCAL.fence():
        _LOCAL.is_open = True
        try:
            yield
        finally:
            _LOCAL.is_open = False


@contextmanager
def fenced_by(fence: Fence) -> Iterator[None]:
    """Have this thread ask a fence, until the block ends."""
    before = _LOCAL.fence
    _LOCAL.fence = fence
    try:
        yield
    finally:
        _LOCAL.fence = before


def carry_fence() -> Callable[[], None]:
    """Gives this thread's fence to the threads of a pool: for its ``initializer``."""
    fence = _LOCAL.fence

    def carry() -> None:
        _LOCAL.fence = fence

    return carry
