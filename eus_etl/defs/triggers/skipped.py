"""Why a tick was skipped: because nothing has happened, or because the sensor could not do its work.

Dagster calls both SKIPPED and tells nobody. The text is all that a tick keeps, so it says which.
"""

import dagster as dg

from eus_etl.errors import EusEtlError

_IN_TROUBLE = "could not look: "


def in_trouble(error: EusEtlError) -> dg.SkipReason:
    """The reason of a tick in which the sensor could not do its work."""
    return dg.SkipReason(f"{_IN_TROUBLE}{error}")


def is_in_trouble(reason: str | None) -> bool:
    """Whether a skipped tick could not do its work."""
    return (reason or "").startswith(_IN_TROUBLE)
