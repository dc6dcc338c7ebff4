"""How many threads OpenCV may use on one picture."""

from collections.abc import Iterator
from contextlib import contextmanager

import cv2


@contextmanager
def one_thread_a_picture() -> Iterator[None]:
    """Within the block OpenCV works on each picture in the calling thread alone.

    For work that spreads whole pictures over threads: more within a picture would only wait for one another.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
