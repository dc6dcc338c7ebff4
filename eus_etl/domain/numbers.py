"""Numbers as people write and read them."""

import math
import re

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def finite_number(text: str) -> float:
    """The number that ``text`` is, outer spaces aside.

    Raises:
        ValueError: it is none, infinite, or too large for a number; the message does not repeat it.
    """
    stripped = text.strip()
    if not _NUMBER.fullmatch(stripped):
        raise ValueError("it is no finite number written with a decimal point")
    value = float(stripped)
    if not math.isfinite(value):
        raise ValueError("it is larger than any number that can be used")
    return value


def bytes_in_units(size: int) -> str:
    """``1.5 GB``; units of 1000, as disks are sold."""
    power = min((len(str(size)) - 1) // 3, len(_UNITS) - 1)
    return f"{size / 1000**power:.{1 if power else 0}f} {_UNITS[power]}"
