"""Label intervals: from one label item to rows of ``labels.csv``, and from those to frames.

How items spell timers stays in ``label_keys``, which intervals can be believed in ``label_problems``.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from eus_etl.domain.labels.item_keys import Edge, TimerKey, is_missing, procedure_end_s, seconds_of, timer_key
from eus_etl.domain.labels.problems import PROBLEMS, Interval, judge
from eus_etl.domain.tables.catalog import LABELS
from eus_etl.errors import OverlapError
from eus_etl.settings import LabelConfig, label_key

_LABEL_LENGTH = 40
_BORDER_DECIMALS = 9


def intervals_from_item(
    patient_id: str, attributes: Mapping[str, object], families: Mapping[str, tuple[LabelConfig, ...]]
) -> pl.DataFrame:
    """Every interval of one label item, good and bad.

    Pairs ``Start <label> <n>`` with ``Stop <label> <n>``, in every spelling that ``families`` lists;
    attributes that are no timer are ignored. ``label_problems.judge`` says what each problem does.

    Args:
        patient_id: the item's pk.
        attributes: plain values by attribute name.
        families: the study's labels.

    Returns:
        Rows of ``tables.LABELS``, by family as configured, then by time; times in s of procedure time.
        Used intervals (``ok`` and ``suspect``) of a family do not overlap. A label that no family has comes
        last, with an empty family.
    """
    judged = judge(_pairs(attributes, families), procedure_end_s(attributes))
    order = {family: number for number, family in enumerate(families)}

    def place(interval: Interval) -> tuple[object, ...]:
        start_s = float("inf") if interval.start_s is None else interval.start_s
        family = len(order) if interval.family is None else order[interval.family]
        return family, start_s, interval.label, interval.occurrence, interval.spelling

    return LABELS.frame(
        {
            "patient_id": patient_id,
            "family": interval.family,
            "label": interval.label,
            "occurrence": interval.occurrence,
            "start_s": interval.start_s,
            "stop_s": interval.stop_s,
            "status": interval.status,
            "problem": "|".join(name for name in PROBLEMS if name in interval.problems) or None,
        }
        for interval in sorted(judged, key=place)
    )


def used_intervals(intervals: pl.DataFrame) -> pl.DataFrame:
    """The rows of ``tables.LABELS`` that label frames: status ``ok`` or ``suspect``."""
    return intervals.filter(pl.col("status").is_in(["ok", "suspect"]))


def attach_intervals(frames: pl.DataFrame, intervals: pl.DataFrame, family: str) -> pl.DataFrame:
    """Name in column ``family`` the interval ``[start_s, stop_s)`` that holds ``procedure_s``, else null.

    Times are compared as whole nanoseconds, so that the rounding of a frame's time does not move it over
    a border.

    Args:
        frames: one visit's frames, column ``procedure_s`` (s, null where unknown) among others, any order.
        intervals: rows of ``tables.LABELS`` of the same visit; only used ones count.
        family: the label family.

    Returns:
        ``frames`` in its order, with the column ``family`` (the label, null where none holds).

    Raises:
        OverlapError: two used intervals of the family overlap.
    """
    used = used_intervals(intervals).filter(pl.col("family") == family).sort("start_s", "stop_s")
    starts, stops = _rounded(used["start_s"]), _rounded(used["stop_s"])
    overlapping = np.flatnonzero(stops[:-1] > starts[1:])
    if overlapping.size:
        row = used.row(int(overlapping[0]), named=True)
        raise OverlapError(
            row["patient_id"],
            f"interval {row['occurrence']} of {row['label']} overlaps the next one of the family {family}",
            "make the labels of this visit anew",
        )
    times = _rounded(frames["procedure_s"])
    last_started = np.searchsorted(starts, times, side="right") - 1
    # where nothing has started -1 picks the appended stop, which lies before every time
    inside = times < np.append(stops, -np.inf)[last_started]
    index = pl.Series(last_started).set(pl.Series(~inside), None)
    return frames.with_columns(used["label"].gather(index).alias(family))


def border_distance(frames: pl.DataFrame, intervals: pl.DataFrame) -> pl.Series:
    """Distance in s of each frame to the nearest start or stop of any used interval of any family.

    Args:
        frames: one visit's frames with the column ``procedure_s``.
        intervals: rows of ``tables.LABELS`` of the same visit.

    Returns:
        ``border_s``, as long as ``frames``; null where ``procedure_s`` is or where no interval is used.
    """
    used = used_intervals(intervals)
    borders = np.unique(np.concatenate([_rounded(used["start_s"]), _rounded(used["stop_s"])]))
    if borders.size == 0:
        return pl.Series("border_s", [None] * frames.height, dtype=pl.Float64)
    times = _rounded(frames["procedure_s"])
    after = np.searchsorted(borders, times).clip(0, borders.size - 1)
    before = (after - 1).clip(0)
    distance = np.minimum(np.abs(borders[after] - times), np.abs(times - borders[before]))
    return pl.Series("border_s", distance).round(_BORDER_DECIMALS).fill_nan(None)


def _rounded(seconds: pl.Series) -> npt.NDArray[np.float64]:
    """Seconds rounded to nanoseconds, NaN for null."""
    return seconds.cast(pl.Float64).fill_null(float("nan")).round(_BORDER_DECIMALS).to_numpy()


def _pairs(
    attributes: Mapping[str, object], families: Mapping[str, tuple[LabelConfig, ...]]
) -> Iterable[Interval]:
    """The two presses of each timer side by side, with the problems that they show by themselves."""
    known = {
        label_key(spelling): (family, label.name)
        for family, labels in families.items()
        for label in labels
        for spelling in (label.name, *label.spellings)
    }
    presses: dict[tuple[str | None, str, int, str], dict[Edge, list[object]]] = {}
    # today's spelling sorts before older ones: read last, it is the one kept of two alike
    for name in sorted(attributes, reverse=True):
        key, value = timer_key(name), attributes[name]
        if key is None or key.is_procedure or is_missing(value):
            continue
        timer = _timer_of(key, known)
        presses.setdefault(timer, {"start": [], "stop": []})[key.edge].append(value)
    pairs = {timer: _interval(timer, found["start"], found["stop"]) for timer, found in presses.items()}
    # an item moved to a newer spelling may hold each of its intervals in both
    return {
        (x.family, x.label, x.occurrence, x.start_s, x.stop_s, x.problems): x for x in pairs.values()
    }.values()


def _timer_of(key: TimerKey, known: Mapping[str, tuple[str, str]]) -> tuple[str | None, str, int, str]:
    """Family, label, occurrence and spelling; for a label that no family has, None and its text made safe."""
    for text, occurrence in key.readings:
        if found := known.get(label_key(text)):
            return *found, occurrence, text
    text, occurrence = key.readings[0]
    printable = "".join(c if c.isprintable() else " " for c in text)
    return None, " ".join(printable.split())[:_LABEL_LENGTH], occurrence, text


def _interval(timer: tuple[str | None, str, int, str], starts: list[object], stops: list[object]) -> Interval:
    family, label, occurrence, spelling = timer
    problems = []
    if family is None:
        problems.append("unknown_label")
    if not starts:
        problems.append("no_start")
    if not stops:
        problems.append("no_stop")
    start_s, stop_s = _the_time(starts), _the_time(stops)
    if (starts and start_s is None) or (stops and stop_s is None):
        problems.append("bad_time")
    if start_s is not None and stop_s is not None and stop_s <= start_s:
        problems.append("stop_before_start")
    interval = Interval(family, label, occurrence, spelling, start_s, stop_s)
    return interval.marked("rejected", *problems) if problems else interval


def _the_time(values: list[object]) -> float | None:
    """The one time that ``values`` state; None where they state none, or names alike state several."""
    times = {seconds_of(value) for value in values}
    return times.pop() if len(times) == 1 else None
