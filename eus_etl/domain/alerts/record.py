"""What was told, and what is to be told now. Pure: the clock and the record are given.

A problem is told once. When it has been gone for an hour it is forgotten, and told if it comes back; one that
comes and goes within the hour stays one problem.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from eus_etl.domain.alerts.problem import Problem
from eus_etl.settings.alerts import AlertsConfig, Kind

FORGOTTEN_S = 3600.0
"""A problem that was gone for so long is a new one when it comes back."""

MESSAGES_AN_HOUR = 3
"""Of one kind and study: further problems are collected until the hour is over."""

_PATIENT_KINDS = ("daemon", "sensor", "service", "mail_server", "unreadable")


class Known(BaseModel):
    """What is remembered of one problem.

    Attributes:
        kind: its kind.
        group: its study and kind.
        since: since when it is there, in seconds since 1970.
        told_at: when it was told; None if it was not.
        gone_at: since when it is gone; None while it is there.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    group: str
    since: float
    told_at: float | None = None
    gone_at: float | None = None


class Record(BaseModel):
    """What was told.

    Attributes:
        known: keys of problems to what is remembered of them.
        morning_on: day of the last morning that was looked at in full.
    """

    model_config = ConfigDict(frozen=True)

    known: Mapping[str, Known] = {}
    morning_on: date | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be told now.

    Attributes:
        record: what is remembered before anything is told.
        at_once: problems for a message of their own.
        morning: problems for the morning's message.
    """

    record: Record
    at_once: Sequence[Problem]
    morning: Sequence[Problem]


def morning_due(record: Record, config: AlertsConfig, now: float) -> date | None:
    """The day whose morning's message is due; None where it is not."""
    here = datetime.fromtimestamp(now, ZoneInfo(config.time_zone))
    if here.time() < config.morning_at or record.morning_on == here.date():
        return None
    return here.date()


def decide(
    record: Record,
    problems: Sequence[Problem],
    looked: Collection[Kind],
    config: AlertsConfig,
    now: float,
) -> Decision:
    """What of these problems is to be told.

    Args:
        record: what was told.
        problems: what is wrong now.
        looked: kinds that were looked for; of others nothing is known, so none of theirs is gone.
        config: the configuration.
        now: seconds since 1970.
    """
    present = {problem.key: problem for problem in problems}
    known = {
        key: _aged(before, now, is_gone=before.kind in looked)
        for key, before in record.known.items()
        if key not in present
    }
    known = {key: entry for key, entry in known.items() if not _is_forgotten(entry, now)}
    for key, problem in present.items():
        known[key] = _seen(record.known.get(key), problem, now)
    due = [problem for key, problem in present.items() if _is_due(known[key], problem, config, now)]
    return Decision(
        record=record.model_copy(update={"known": known}),
        at_once=[
            problem
            for problem in due
            if problem.kind in config.at_once and not _is_too_much(known.values(), problem.group, now)
        ],
        morning=[problem for problem in due if problem.kind not in config.at_once],
    )


def after_telling(record: Record, problems: Sequence[Problem], now: float) -> Record:
    """The record once these problems were told."""
    known = dict(record.known)
    for problem in problems:
        known[problem.key] = known[problem.key].model_copy(update={"told_at": now})
    return record.model_copy(update={"known": known})


def _seen(before: Known | None, problem: Problem, now: float) -> Known:
    if before is None or _is_forgotten(before, now):
        since = min(now, problem.since) if problem.since is not None else now
        return Known(kind=problem.kind, group=problem.group, since=since)
    return before.model_copy(update={"gone_at": None})


def _aged(before: Known, now: float, *, is_gone: bool) -> Known:
    if not is_gone or before.gone_at is not None:
        return before
    return before.model_copy(update={"gone_at": now})


def _is_forgotten(entry: Known, now: float) -> bool:
    # one that was never told has nothing to be remembered for
    return entry.gone_at is not None and (entry.told_at is None or now - entry.gone_at >= FORGOTTEN_S)


def _is_due(entry: Known, problem: Problem, config: AlertsConfig, now: float) -> bool:
    if entry.told_at is not None:
        return False
    patience_min = 0.0
    if problem.kind == "source_unreachable":
        patience_min = config.source_patience_min
    elif problem.kind in _PATIENT_KINDS:
        patience_min = config.patience_min
    return now - entry.since >= 60 * patience_min


def _is_too_much(known: Collection[Known], group: str, now: float) -> bool:
    """Whether so many messages held this group within the hour that further problems are collected."""
    told = {entry.told_at for entry in known if entry.group == group and entry.told_at is not None}
    return sum(0 <= now - moment < FORGOTTEN_S for moment in told) >= MESSAGES_AN_HOUR
