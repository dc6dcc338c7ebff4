"""How old tables differ from today's: ids, numbers and configured names, never a cell's text.

Reading old tables belongs to ``tables``.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from eus_etl.domain.legacy.tables import UNKNOWN_LABEL, OldInterval
from eus_etl.domain.tables import catalog
from eus_etl.domain.tables.schema import INTEGER, NUMBER, TEXT, Column, Table

TOLERANCE_S = 0.5
"""Times that differ by at most this are the same: half of a second, to which the apps' clock is floored."""

COMPARED = Table(
    "compared",
    "a visit in one old table",
    (
        Column("patient_id", TEXT, "the visit"),
        Column("table", TEXT, "labels or patients"),
        Column("agree", INTEGER, "intervals or values that are the same in both"),
        Column("differ", INTEGER, "intervals or values that are not"),
    ),
)

DIFFERENCES = Table(
    "differences",
    "an interval or a value in which an old table and today's differ",
    (
        Column("patient_id", TEXT, "the visit"),
        Column("table", TEXT, "labels or patients"),
        Column("item", TEXT, "label or column as configured; unknown label for any other"),
        Column("what", TEXT, "times, value, unreadable, only_old, only_new or rejected_now"),
        Column("old_start_s", NUMBER, "start in the old table", "s of procedure time"),
        Column("old_stop_s", NUMBER, "stop in the old table", "s of procedure time"),
        Column("new_start_s", NUMBER, "start today", "s of procedure time"),
        Column("new_stop_s", NUMBER, "stop today", "s of procedure time"),
    ),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One visit in one table: how much is equal, and rows of ``DIFFERENCES`` for the rest."""

    agree: int
    differences: Sequence[Mapping[str, object]]


def compare_intervals(
    patient_id: str, old: Sequence[OldInterval], new: Sequence[Mapping[str, object]]
) -> Comparison:
    """Pair a visit's intervals label by label: equal ones first, the rest in time order.

    Args:
        patient_id: the visit.
        old: its intervals in the old table.
        new: its rows of ``LABELS`` as made today. One that is not used any more though its times agree
            is a difference, ``rejected_now``.
    """
    agree = 0
    differences: list[dict[str, object]] = []
    today = [(_interval(row), row["status"] == "rejected") for row in new]
    for label in sorted({interval.label for interval in (*old, *(interval for interval, _ in today))}):
        before = [interval for interval in old if interval.label == label]
        now = [pair for pair in today if pair[0].label == label]
        for interval in list(before):
            same = next((pair for pair in now if _are_same(interval, pair[0])), None)
            if same is None:
                continue
            before.remove(interval)
            now.remove(same)
            if same[1]:
                differences.append(_times_row(patient_id, "rejected_now", interval, same[0]))
            else:
                agree += 1
        rest = sorted((pair[0] for pair in now), key=_by_time)
        for was, becomes in zip_longest(sorted(before, key=_by_time), rest):
            what = "only_new" if was is None else "only_old" if becomes is None else "times"
            differences.append(_times_row(patient_id, what, was, becomes))
    return Comparison(agree, differences)


def compare_facts(
    patient_id: str, old: Mapping[str, object], unreadable: Collection[str], new: Mapping[str, object]
) -> Comparison:
    """Compare one row of an old ``patients.csv`` with today's, column by column that both have.

    Args:
        patient_id: the visit.
        old: the old row's values by today's columns, as ``tables.old_facts`` reads them.
        unreadable: those of its columns whose cell cannot be read.
        new: the row of ``patients.csv`` as made today.
    """
    found = {name: _compare_values(old[name], new.get(name), name in unreadable) for name in old}
    return Comparison(
        sum(what is None for what in found.values()),
        [
            {"patient_id": patient_id, "table": catalog.PATIENTS.name, "item": name, "what": what}
            for name, what in found.items()
            if what is not None
        ],
    )


def _compare_values(old: object, new: object, unreadable: bool) -> str | None:
    if unreadable:
        return "unreadable"
    if isinstance(old, float) and isinstance(new, float):
        return None if abs(old - new) <= 1e-6 * max(1.0, abs(new)) else "value"
    if old == new:
        return None
    return "only_new" if old is None else "only_old" if new is None else "value"


def _interval(row: Mapping[str, object]) -> OldInterval:
    label = UNKNOWN_LABEL if row["family"] is None else str(row["label"])
    start_s, stop_s = row["start_s"], row["stop_s"]
    return OldInterval(
        label,
        start_s if isinstance(start_s, float) else None,
        stop_s if isinstance(stop_s, float) else None,
    )


def _are_same(one: OldInterval, other: OldInterval) -> bool:
    return _is_near(one.start_s, other.start_s) and _is_near(one.stop_s, other.stop_s)


def _is_near(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= TOLERANCE_S


def _by_time(interval: OldInterval) -> tuple[float, float]:
    unknown = float("inf")
    return (
        unknown if interval.start_s is None else interval.start_s,
        unknown if interval.stop_s is None else interval.stop_s,
    )


def _times_row(
    patient_id: str, what: str, old: OldInterval | None, new: OldInterval | None
) -> dict[str, object]:
    known = old or new
    return {
        "patient_id": patient_id,
        "table": catalog.LABELS.name,
        "item": known.label if known else None,
        "what": what,
        "old_start_s": old.start_s if old else None,
        "old_stop_s": old.stop_s if old else None,
        "new_start_s": new.start_s if new else None,
        "new_stop_s": new.stop_s if new else None,
    }
