"""When a source holds so much less than before that it is not believed: unknown is not empty.

An unmounted disk leaves an empty folder, an export that broke off leaves half of the items, and a sheet that
somebody filtered may show only its headers. What was known stays until a person says that the loss is meant.
"""

from collections.abc import Collection, Iterable

from eus_etl.errors import SourceUnavailableError
from eus_etl.sources.videos.base import Listing
from eus_etl.steps.observation.snapshot import ObservedFile

FEW = 10
"""A person may well replace all of this many or fewer: then only an empty source is not believed."""


def refuse_loss(role: str, things: str, *, present: int, known: int, lost: int, max_share: float) -> None:
    """Refuse an observation in which too much is missing.

    Args:
        role: the source's key in the configuration.
        things: what it holds, in the plural.
        present: how many there are now, known or not.
        known: how many were known.
        lost: how many of the known ones are missing now.
        max_share: a loss of more than this share of the known ones is not believed; 1 believes any.

    Raises:
        SourceUnavailableError: too much is missing.
    """
    too_many = present == 0 or (known > FEW and lost > max_share * known)
    if max_share >= 1 or not lost or not too_many:
        return
    raise SourceUnavailableError(
        role,
        f"{lost} of {known} {things} are missing at once; what was known stays",
        "check that the disk is mounted and that the configuration names the right place; if they were "
        "removed on purpose, set `sources.max_loss_share` to 1 for the next run",
    )


def lost_files(known: Iterable[ObservedFile], listing: Listing) -> int:
    """How many known files a listing does not show, neither their place nor their content."""
    shown = {file.source_id for file in listing.files}
    shown |= {file.source_id for file in (*listing.waiting, *listing.left_out)}
    contents = {file.md5 for file in listing.files}
    folders = {file.parts for file in listing.waiting}
    return sum(
        file.source_id not in shown and file.md5 not in contents and not is_below(file, folders)
        for file in known
    )


def is_below(file: ObservedFile, folders: Collection[tuple[str, ...]]) -> bool:
    """Whether a file lies in one of these folders, at any depth."""
    return any(file.parts[:depth] in folders for depth in range(1, len(file.parts)))
