"""Python's collector of reference cycles, held back while a whole study is in memory."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_SELDOM = (200_000, 50, 100)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for cycles less often in the block.

    What is known of thousands of visits is hundreds of thousands of objects, none of them in a cycle. By
    default they are all searched again and again, which takes a quarter of the time of an edit.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
