"""What the C library does with the memory of pictures, which come and go by megabytes."""

import ctypes
from contextlib import suppress
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_KEPT_BYTES = 1 << 26


@cache
def keep_freed_memory() -> None:
    """Let freed memory serve the next picture.

    By itself the C library gives each back to the kernel, which clears it for the next: a third of the time
    of small pictures. Kept memory stays below what is needed at once.
    """
    with suppress(AttributeError):  # glibc only
        libc = ctypes.CDLL(None)
        for option in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            libc.mallopt(option, _KEPT_BYTES)


def give_back_freed_memory() -> None:
    """Return freed memory to the system: what held many pictures is followed by what holds others."""
    with suppress(AttributeError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)
