"""Polls sources in the background, since a tick that takes a minute is ended and has no effect."""

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from eus_etl.errors import SourceUnavailableError

_T = TypeVar("_T")


class Looks(Generic[_T]):
    """Polls in progress, each in its own thread; the next tick waits again for a slow one.

    Args:
        patience_s: how long a tick waits for one poll.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._under_way: dict[str, Future[_T]] = {}

    def result(self, source: str, look: Callable[[], _T], left_s: float = math.inf) -> _T:
        """What ``look`` finds, or what one started by an earlier tick found.

        Args:
            source: what is looked at.
            look: looks at it.
            left_s: how much time the tick has left; if that is less, it waits only so long.

        Raises:
            SourceUnavailableError: it takes longer; it continues.
        """
        if source not in self._under_way:
            self._under_way[source] = _in_a_thread(look)
        patience_s = min(self._patience_s, left_s)
        if not wait([self._under_way[source]], patience_s).done:
            raise SourceUnavailableError(
                source,
                f"reading it takes longer than {patience_s:.0f} s; it continues in the background",
                "if this persists, check the network",
            )
        return self._under_way.pop(source).result()


def _in_a_thread(look: Callable[[], _T]) -> "Future[_T]":
    """Start ``look`` in a thread that does not keep its process alive, as an executor's would."""
    future: Future[_T] = Future()

    def work() -> None:
        try:
            future.set_result(look())
        except BaseException as error:  # whatever it is, it is raised to whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return future
