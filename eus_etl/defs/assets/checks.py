"""What an asset's check means, and how bad it is if it fails."""

from dataclasses import dataclass

import dagster as dg


@dataclass(frozen=True, slots=True)
class DeclaredCheck:
    """One check.

    Attributes:
        meaning: what holds where it passes, and what it is otherwise, for the page.
        severity: ``ERROR`` where data are broken if it does not, ``WARN`` where a person should look.
    """

    meaning: str
    severity: dg.AssetCheckSeverity


def or_broken(meaning: str) -> DeclaredCheck:
    """If this does not hold, data are broken."""
    return DeclaredCheck(f"{meaning}; otherwise data are broken", dg.AssetCheckSeverity.ERROR)


def or_look(meaning: str) -> DeclaredCheck:
    """If this does not hold, a person should look."""
    return DeclaredCheck(f"{meaning}; otherwise a person should look", dg.AssetCheckSeverity.WARN)
