"""From one label item to rows of ``labels.csv``.

How items spell timers stays in ``item_keys``, which intervals are believed in ``problems``, which frames they
cover in ``on_frames``.
"""

from collections.abc import Iterable, Mapping

import polars as pl

from eus_etl.domain.labels.item_keys import Edge, TimerKey, is_missing, procedure_end_s, seconds_of, timer_key
from eus_etl.domain.labels.problems import PROBLEMS, Interval, judge
from eus_etl.domain.tables.catalog import LABELS
from eus_etl.settings import LabelConfig, label_key

_LABEL_LENGTH = 40


def intervals_from_item(
    patient_id: str, attributes: Mapping[str, object], families: Mapping[str, tuple[LabelConfig, ...]]
) -> pl.DataFrame:
    """Every interval of one label item, good and bad.

    Pairs ``Start <label> <n>`` with ``Stop <label> <n>``, in every spelling that ``families`` lists;
    other attributes are ignored. ``problems.judge`` says what each problem does.

    Args:
        patient_id: the item's pk.
        attributes: plain values by attribute name.
        families: the study's labels.

    Returns:
        Rows of ``tables.LABELS``, by family as configured, then by time; times in s of procedure time.
        Used intervals (``ok`` and ``suspect``) of a family do not overlap. Labels of no family
        come last, with an empty family.
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


def _pairs(
    attributes: Mapping[str, object], families: Mapping[str, tuple[LabelConfig, ...]]
) -> Iterable[Interval]:
    """The two presses of each timer paired, with the problems that a pair shows by itself."""
    known = _known(families)
    presses: dict[tuple[str | None, str, int, str], dict[Edge, list[object]]] = {}
    # today's spelling sorts before older ones: read last, it is the one that stays of two alike
    for name in sorted(attributes, reverse=True):
        key, value = timer_key(name), attributes[name]
        if key is None or key.is_procedure or is_missing(value):
            continue
        timer = _timer_of(key, known)
        presses.setdefault(timer, {"start": [], "stop": []})[key.edge].append(value)
    # an item moved to a newer spelling may hold each of its intervals in both: one of two alike is kept
    distinct: dict[tuple[object, ...], Interval] = {}
    for timer, found in presses.items():
        interval = _interval(timer, found["start"], found["stop"])
        distinct[_but_for_spelling(interval)] = interval
    return distinct.values()


def presses_of(
    attributes: Mapping[str, object],
    families: Mapping[str, tuple[LabelConfig, ...]],
    label: str,
    occurrence: int,
) -> dict[str, str | None]:
    """The attributes of an item that an interval of a configured label was read from, as they are written.

    A value that is not a time is None: it may be any text.
    """
    known, found = _known(families), {}
    for name in sorted(attributes):
        key = timer_key(name)
        if key is None or key.is_procedure or is_missing(attributes[name]):
            continue
        family, of_label, number, _ = _timer_of(key, known)
        if family is not None and (of_label, number) == (label, occurrence):
            value = attributes[name]
            found[name] = str(value) if seconds_of(value) is not None else None
    return found


def _known(families: Mapping[str, tuple[LabelConfig, ...]]) -> Mapping[str, tuple[str, str]]:
    """Keys of all spellings to family and label."""
    return {
        label_key(spelling): (family, label.name)
        for family, labels in families.items()
        for label in labels
        for spelling in (label.name, *label.spellings)
    }


def _but_for_spelling(interval: Interval) -> tuple[object, ...]:
    return (
        interval.family,
        interval.label,
        interval.occurrence,
        interval.start_s,
        interval.stop_s,
        interval.problems,
    )


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
    """The one time that ``values`` state; None if they state none or several."""
    times = {seconds_of(value) for value in values}
    return times.pop() if len(times) == 1 else None
