"""What a check found, in one line."""

from dataclasses import dataclass
from typing import Literal

from eus_etl.errors import EusEtlError

Outcome = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check. Holds ids, counts and paths only: no secret, no name, no cell.

    Attributes:
        check: what was checked.
        outcome: ``problem`` keeps the study from running, ``warning`` may one day.
        found: what was found.
        remedy: what to do; empty where there is nothing to do.
    """

    check: str
    outcome: Outcome
    found: str
    remedy: str = ""

    @property
    def line(self) -> str:
        """Outcome, check, what was found and what to do."""
        what_to_do = f". What to do: {self.remedy}" if self.remedy else ""
        return f"{self.outcome}: {self.check}: {self.found}{what_to_do}"


def ok(check: str, found: str) -> Finding:
    """A check that found everything in order."""
    return Finding(check, "ok", found)


def warning(check: str, found: str, remedy: str) -> Finding:
    """A check that found what may become a problem."""
    return Finding(check, "warning", found, remedy)


def problem(check: str, found: str, remedy: str) -> Finding:
    """A check that found what keeps the study from running."""
    return Finding(check, "problem", found, remedy)


def of_error(check: str, error: EusEtlError) -> Finding:
    """A check that ended with one of our errors."""
    found = error.cause if error.subject == check else f"{error.subject}: {error.cause}"
    return problem(check, found, error.remedy)
