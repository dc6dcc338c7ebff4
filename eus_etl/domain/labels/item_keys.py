"""How label items write timers: attribute names to label texts and numbers, values to seconds.

Which labels a study has stays in ``items``, whether an interval can be believed in ``problems``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from eus_etl.settings import label_key

Edge = Literal["start", "stop"]

# `Start D 1 2`, `startStation1`; not `Stopwatch`
_EDGE_FIRST = re.compile(r"(?P<edge>(?i:start|stop))(?=[\s_-]|[A-Z0-9])(?P<rest>.+)", re.DOTALL)
# `station1Start`, `station_1_stop`, `station1Start2`; not `restart`
_EDGE_LAST = re.compile(
    r"(?P<rest>.+?)(?:(?<=[\s_-])(?P<spaced>(?i:start|stop))|(?P<camel>Start|Stop))[\s_-]*(?P<number>[0-9]{0,4})",
    re.DOTALL,
)
_NUMBERED = re.compile(r"(?P<text>.*[^0-9])(?P<number>[0-9]{1,4})", re.DOTALL)
_TIME = re.compile(r"(?P<hours>[0-9]{1,4}):(?P<minutes>[0-5][0-9]):(?P<seconds>[0-5][0-9](?:\.[0-9]{1,9})?)")


@dataclass(frozen=True, slots=True)
class TimerKey:
    """The name of an attribute that holds a press of a timer.

    Attributes:
        edge: which press.
        readings: texts of the label, as written, and occurrences that the name can mean, the likelier first.
    """

    edge: Edge
    readings: tuple[tuple[str, int], ...]

    @property
    def is_procedure(self) -> bool:
        """Whether this is the timer of the whole procedure."""
        return label_key(self.readings[-1][0]) == "procedure"


@lru_cache(maxsize=1 << 12)
def timer_key(name: str) -> TimerKey | None:
    """Read an attribute's name; None if it is not a timer's.

    The apps have always numbered intervals apart from the oldest items, so a number at the end is read as
    the occurrence first (``D 1 2`` is the second ``D 1``) and as part of the label second (``D 1``).
    """
    if match := _EDGE_FIRST.fullmatch(name):
        edge, number = match["edge"], ""
    elif match := _EDGE_LAST.fullmatch(name):
        edge, number = match["spaced"] or match["camel"], match["number"]
    else:
        return None
    text = match["rest"].strip()
    if number:
        readings: tuple[tuple[str, int], ...] = ((text, int(number)),)
    elif numbered := _NUMBERED.fullmatch(text):
        # with its last space: an unnumbered `D 1` of an old item is not written like the `D 1 ` of `D 1 1`
        readings = ((numbered["text"], int(numbered["number"])), (text, 1))
    else:
        readings = ((text, 1),)
    return TimerKey("start" if edge.casefold() == "start" else "stop", readings)


def seconds_of(value: object) -> float | None:
    """Seconds of a time written ``HH:MM:SS``, hours open-ended; None for anything else.

    A bare number has no unit, and ``MM:SS`` could be ``HH:MM``: neither is guessed.
    """
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    return int(match["hours"]) * 3600.0 + int(match["minutes"]) * 60.0 + float(match["seconds"])


def is_missing(value: object) -> bool:
    """Whether an attribute's value is missing: null, or only spaces."""
    return value is None or (isinstance(value, str) and not value.strip())


def procedure_stop(attributes: Mapping[str, object]) -> object:
    """The value of Stop Procedure as written, in whatever spelling; None if there is none."""
    # sorted: today's spelling comes before camel case
    for name in sorted(attributes):
        key = timer_key(name)
        if key is not None and key.is_procedure and key.edge == "stop":
            return attributes[name]
    return None


def procedure_end_s(attributes: Mapping[str, object]) -> float | None:
    """Seconds of procedure time at Stop Procedure; None where it is missing or no time."""
    return seconds_of(procedure_stop(attributes))
