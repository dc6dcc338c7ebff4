"""One message about all that is told together, in ids, aliases and links.

Problems of one kind, study and visit share a line; however many there are, the message stays short.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from eus_etl.domain.alerts.problem import Problem
from eus_etl.settings.alerts import KINDS, AlertsConfig, Kind

LINES = 10
"""Of one kind and study; the rest is counted."""

TITLES: Mapping[Kind, str] = {
    "failed_run": "failed runs",
    "source_unreachable": "sources that cannot be reached",
    "disk": "little disk space",
    "daemon": "the daemon is silent",
    "sensor": "sensors that fail",
    "service": "services that do not answer",
    "mail_server": "the mail server takes no messages",
    "unreadable": "what cannot be looked at",
    "rejected_file": "files that cannot be used",
    "rejected_row": "rows, items or pictures that cannot be used",
    "unassigned": "unassigned files, items and rows",
    "label_problem": "label problems",
    "text_check": "preprocessed frames in which text was found",
    "clock_drift": "clocks that differ",
    "damaged_data": "stored data that is damaged or missing",
    "upkeep": "clean-ups and verifications that do not come to their end",
    "nothing_new": "nothing new",
    "sensor_off": "sensors that are switched off",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A message, for any channel."""

    subject: str
    body: str


def compose(problems: Sequence[Problem], config: AlertsConfig) -> Message:
    """A message about these problems, at least one."""
    ordered = sorted(problems, key=lambda p: (KINDS.index(p.kind), p.study, p.visit, p.word))
    said: list[str] = []
    for (kind, study), found in groupby(ordered, key=lambda p: (p.kind, p.study)):
        together = list(found)
        said += ["", f"{study + ': ' if study else ''}{TITLES[kind]} ({len(together)})"]
        by_visit = [list(of_visit) for _, of_visit in groupby(together, key=lambda p: p.visit)]
        lines = [line for of_visit in by_visit for line in _lines(of_visit, config)]
        said += lines[:LINES]
        if len(lines) > LINES:
            said.append(f"- and {len(lines) - LINES} more lines")
        said += [f"  What to do: {look}." for look in dict.fromkeys(p.look for p in together if p.look)]
    kinds = list(dict.fromkeys(TITLES[problem.kind] for problem in ordered))
    shown = ", ".join(kinds[:3]) + (", ..." if len(kinds) > 3 else "")
    return Message(f"[{config.server}] {shown} ({len(ordered)})", "\n".join([*said[1:], ""]))


def _lines(of_visit: Sequence[Problem], config: AlertsConfig) -> list[str]:
    """Those with a detail one by one, the others counted by word."""
    lines = [
        f"- {_subject(problem, config)}{problem.word}{_detail(problem, config)}"
        for problem in of_visit
        if problem.detail
    ]
    plain = [problem for problem in of_visit if not problem.detail]
    if plain:
        words = ", ".join(f"{count} {word}" for word, count in Counter(p.word for p in plain).items())
        lines.append(f"- {_subject(plain[0], config)}{words}{_link(plain[0], config)}")
    return lines


def _subject(problem: Problem, config: AlertsConfig) -> str:
    if not problem.visit:
        return ""
    alias = f" ({problem.alias})" if problem.alias and config.aliases else ""
    return f"visit {problem.visit}{alias}: "


def _detail(problem: Problem, config: AlertsConfig) -> str:
    since = ""
    if problem.since is not None:
        here = datetime.fromtimestamp(problem.since, ZoneInfo(config.time_zone))
        since = f", since {here:%Y-%m-%d %H:%M %Z}"
    return f": {problem.detail}{since}{_link(problem, config)}"


def _link(problem: Problem, config: AlertsConfig) -> str:
    return f" {config.page.rstrip('/')}/{problem.link}" if config.page and problem.link else ""
