"""Which intervals are believed: the problems an interval may have, and what each does to it.

How items spell timers stays in ``item_keys``, tables in ``items``.

The rules follow from what the labelling apps do. Timers of one family exclude one another, number a label's
intervals in the order of time, stop no later than Stop Procedure, and write a stop as the last tick plus one.
Whatever breaks one of these by more than a tick comes from two labelling runs merged into one item: the newer
run has overwritten the lower numbers of each label, and the higher ones of the older run remain.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from types import MappingProxyType
from typing import Literal

Status = Literal["ok", "suspect", "rejected"]

TICK_S = 1.0
"""By how much a stop may exceed the truth: times are whole seconds, a stop is the last tick plus one."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What a word of the vocabulary means, and what a person can do about it."""

    meaning: str
    remedy: str


_LABEL_AGAIN = "correct the two times in the item, or label the visit again"
_OLD_RUN = "remove the earlier run's attributes from the item, or label the visit again"

PROBLEMS = MappingProxyType(
    {
        "stop_before_start": Problem("it stops at or before its start", _LABEL_AGAIN),
        "no_stop": Problem(
            "its start has no stop: the timer was still running when the procedure stopped", _LABEL_AGAIN
        ),
        "no_start": Problem("its stop has no start", _LABEL_AGAIN),
        "bad_time": Problem("a time is not written HH:MM:SS", _LABEL_AGAIN),
        "overlaps_same_family": Problem(
            "it overlaps an interval that excludes it by more than a tick", _OLD_RUN
        ),
        "past_procedure_end": Problem("it ends after Stop Procedure", _OLD_RUN),
        "stale_rerun": Problem(
            "it is, or may be, left over from an earlier labelling run of the visit", _OLD_RUN
        ),
        "unknown_label": Problem(
            "no family of the study has this label", "add the label or its spelling to the study's families"
        ),
    }
)
"""The fixed vocabulary, in the order in which several problems of one interval are named."""


@dataclass(frozen=True, slots=True)
class Interval:
    """One interval ``[start_s, stop_s)`` of procedure time, and its verdict.

    Attributes:
        family: None where no family has the label.
        occurrence: number within the label, as the app counted.
        spelling: how the item writes the label: an app wrote all of a run in one spelling.
    """

    family: str | None
    label: str
    occurrence: int
    spelling: str
    start_s: float | None
    stop_s: float | None
    status: Status = "ok"
    problems: frozenset[str] = frozenset()

    def marked(self, status: Status, *problems: str) -> "Interval":
        """This interval with a status and further problems."""
        return replace(self, status=status, problems=self.problems | frozenset(problems))

    @property
    def span(self) -> tuple[float, float]:
        """Start and stop of an interval that has both."""
        if self.start_s is None or self.stop_s is None:
            raise ValueError("an interval without both of its times is never used")
        return self.start_s, self.stop_s


def judge(found: Iterable[Interval], procedure_s: float | None) -> list[Interval]:
    """Give every interval its status and problems; used intervals of a family never overlap.

    An interval rejected before stays rejected and takes no part. Then, in this order:

    1. A stop up to one tick past Stop Procedure is cut to it; a later one rejects its interval.
    2. Within a label, an interval that overlaps one with a lower number is rejected; one that follows a
       stale number, or lies before a lower number, is suspect.
    3. Between what is left of a family, overlaps of more than a tick reject the suspect one, else the one
       with more of them (what it overlapped becomes suspect), else all of them: nothing says which is right.
    4. Overlaps of a tick are cut off the earlier interval.

    Args:
        found: intervals of one item.
        procedure_s: time of Stop Procedure; None leaves step 1 out.

    Returns:
        The same intervals, in any order.
    """
    judged = [_within_procedure(interval, procedure_s) for interval in found]
    judged = [x for group in _grouped(judged, "label", "spelling") for x in _mark_stale(group)]
    families = _grouped(judged, "family")
    return [x for group in families for x in _trim_ticks(_settle_overlaps(group))]


def _grouped(intervals: Iterable[Interval], *attributes: str) -> list[list[Interval]]:
    groups: dict[tuple[object, ...], list[Interval]] = {}
    for interval in intervals:
        groups.setdefault(tuple(getattr(interval, name) for name in attributes), []).append(interval)
    return list(groups.values())


def _within_procedure(interval: Interval, procedure_s: float | None) -> Interval:
    if interval.status == "rejected" or procedure_s is None:
        return interval
    start_s, stop_s = interval.span
    if stop_s > procedure_s + TICK_S:
        return interval.marked("rejected", "past_procedure_end", "stale_rerun")
    if start_s >= procedure_s:
        return interval.marked("rejected", "past_procedure_end")
    return replace(interval, stop_s=min(stop_s, procedure_s))


def _mark_stale(label: Sequence[Interval]) -> list[Interval]:
    """Step 2 for the intervals of one label in one spelling."""
    judged: list[Interval] = []
    newest: list[Interval] = []
    stale = False
    for interval in sorted(label, key=lambda x: x.occurrence):
        if interval.status == "rejected":
            stale |= "stale_rerun" in interval.problems
            judged.append(interval)
        elif any(_contradict(interval, lower) for lower in newest):
            stale = True
            judged.append(interval.marked("rejected", "overlaps_same_family", "stale_rerun"))
        elif stale or (newest and interval.span < newest[-1].span):
            stale = True
            judged.append(interval.marked("suspect", "stale_rerun"))
        else:
            newest.append(interval)
    return judged + newest


def _contradict(one: Interval, other: Interval) -> bool:
    """Whether two intervals overlap by more than cutting a tick off the earlier one can mend."""
    (start_s, stop_s), (later_start_s, _) = sorted((one.span, other.span))
    overlap_s = stop_s - later_start_s
    return overlap_s > TICK_S or (overlap_s > 0 and later_start_s == start_s)


def _settle_overlaps(family: Sequence[Interval]) -> list[Interval]:
    """Step 3 for the intervals of one family."""
    used = [x for x in family if x.status != "rejected"]
    rivals: dict[int, set[int]] = {number: set() for number in range(len(used))}
    for one, other in combinations(rivals, 2):
        if _contradict(used[one], used[other]):
            rivals[one].add(other)
            rivals[other].add(one)
    judged = [x for x in family if x.status == "rejected"]
    doubted: set[int] = set()
    while any(rivals.values()):
        weights = {n: (used[n].status == "suspect", len(found)) for n, found in rivals.items() if found}
        worst = max(weights.values())
        losers = {n: rivals[n] for n, weight in weights.items() if weight == worst}
        for loser, against in losers.items():
            same_label = any(used[n].label == used[loser].label for n in against)
            further = ("stale_rerun",) if same_label else ()
            judged.append(used[loser].marked("rejected", "overlaps_same_family", *further))
            if used[loser].status == "ok":
                doubted |= against
        rivals = {n: found - losers.keys() for n, found in rivals.items() if n not in losers}
    for number in rivals:
        doubt = number in doubted
        judged.append(used[number].marked("suspect", "overlaps_same_family") if doubt else used[number])
    return judged


def _trim_ticks(family: Sequence[Interval]) -> list[Interval]:
    """Step 4 for the intervals of one family, whose overlaps are a tick at most by now."""
    used = sorted((x for x in family if x.status != "rejected"), key=lambda x: x.span)
    trimmed = [
        replace(earlier, stop_s=min(earlier.span[1], later.span[0])) for earlier, later in pairwise(used)
    ]
    return [x for x in family if x.status == "rejected"] + trimmed + used[-1:]
