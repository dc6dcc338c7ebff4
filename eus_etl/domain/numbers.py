"""Numbers that people write: digits with a decimal point, and finite."""

import math
import re

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
