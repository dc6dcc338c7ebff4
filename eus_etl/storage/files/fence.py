"""The one place through which whatever is published or removed passes: only while its lease is held.

A process may stand still for longer than its lease lasts, and come back after another made the same again.
So its thread carries a fence, which is asked before each rename and removal, and holds the lease meanwhile.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

Fence = Callable[[], AbstractContextManager[None]]
"""Opens a block in which nobody can take over; raises LeaseLostError where somebody has."""


@dataclass(slots=True)
class _State:
    """Of one thread. A block that is closed late, by another thread, changes the state it was opened with."""

    fence: Fence | None = None
    is_open: bool = False


class _Local(threading.local):
    def __init__(self) -> None:
        self.state = _State()


_LOCAL = _Local()


@contextmanager
def publishing() -> Iterator[None]:
    """What the block shows or removes under a final name cannot be another's newer work.

    The block is short: others wait for it. Without a lease in this thread, nothing is asked.

    Raises:
        LeaseLostError: another process has taken over; the block was not entered.
    """
    state = _LOCAL.state
    if state.fence is None or state.is_open:
        yield
        return
    with state.fence():
        state.is_open = True
        try:
            yield
        finally:
            state.is_open = False


@contextmanager
def fenced_by(fence: Fence) -> Iterator[None]:
    """Have this thread ask a fence, until the block ends."""
    state = _LOCAL.state
    before = state.fence
    state.fence = fence
    try:
        yield
    finally:
        state.fence = before


def carry_fence() -> Callable[[], None]:
    """Gives this thread's fence to the threads of a pool: for its ``initializer``."""
    fence = _LOCAL.state.fence

    def carry() -> None:
        _LOCAL.state.fence = fence

    return carry
