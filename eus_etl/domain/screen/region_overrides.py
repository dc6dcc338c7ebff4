"""Which hand-written rows of ``regions.csv`` hold for a display layout, and in what order.

A row may name a visit, a video of it, and a screen by its signature; one that names a screen alone makes it
a known screen, on any visit. One that signs a screen off on one visit confirms its outline for others. What a
row's polygon means belongs to ``region``, how alike two signatures are to ``appearance``.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from eus_etl.domain.screen.appearance import (
    SAME_SCREEN_BITS,
    is_signature,
    picture_size,
    same_screen,
    signature_distance,
)
from eus_etl.domain.screen.field.shapes import Mask, filled, overlap
from eus_etl.domain.screen.region import parse_polygon

Row = Mapping[str, object]

SAMPLE_INITIALS = "XX"
"""Stands for a reviewer's initials in sample lines, and signs nothing off."""

_SAYS_NO = frozenset(
    {
        SAMPLE_INITIALS.casefold(),
        "no",
        "n",
        "not",
        "never",
        "false",
        "f",
        "none",
        "null",
        "nan",
        "nil",
        "todo",
    }
    | {"tbd", "pending", "open", "unknown"}
)
_SAME_OUTLINE, _COMPARED_PX = 0.98, 256
"""Outlines that overlap so far (IoU) say the same; they are compared on a copy of so many px squared."""

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Shown:
    """A layout as rows may speak of it.

    Attributes:
        video_id: its video.
        signature: its screen.
        unnamed: whether rows without a signature mean it: ultrasound, or all that the video shows. A report
            or two pictures side by side between ordinary frames have to be named.
    """

    video_id: str
    signature: str
    unnamed: bool


@dataclass(frozen=True, slots=True)
class ConfirmedOutline:
    """What somebody has signed off for a screen on one visit: evidence for the same screen on another.

    Attributes:
        signature: the screen.
        polygon: as tables hold it.
    """

    signature: str
    polygon: str


def rows_that_hold(rows: pl.DataFrame, shown: Shown) -> list[dict[str, object]]:
    """The rows that hold for a layout: those of the video, of the visit, of the screen anywhere.

    In each of the three, a row that names the screen comes before one that does not, and of several
    known screens the most alike first. Every signature can be read.

    Args:
        rows: ``tables.REGIONS`` of the visit, and those of known screens (without a patient).
        shown: the layout.
    """
    ranked = [(rank, row) for row in rows.to_dicts() if (rank := _rank(row, shown)) is not None]
    return [row for _, row in sorted(ranked, key=lambda pair: pair[0])]


def has_good_signature(row: Row) -> bool:
    """Whether a row names no screen, or one by a signature that can be read."""
    return not row["signature"] or is_signature(str(row["signature"]))


def confirms(cell: str) -> bool:
    """Whether a cell of ``signed_off`` says who has looked, or when: not the sample's XX, and not a no.

    A cell whose first word says no (``not yet``) is one, and so is a cell of zeros or without any word.
    """
    words = _WORD.findall(cell.casefold())
    return bool(words) and words[0] not in _SAYS_NO and bool("".join(words).strip("0"))


def signs_off(row: Row) -> bool:
    """Whether a row signs off what a person has looked at: one video of one visit, whose bytes its id names.

    A known screen, or all of a visit, takes in what is uploaded later, which nobody has seen.
    """
    return bool(row["patient_id"] and row["video_id"]) and confirms(str(row["signed_off"] or ""))


def confirmed_outlines(rows: Iterable[Row]) -> list[ConfirmedOutline]:
    """The outlines that rows sign off of screens they name.

    Of outlines of one screen that are hardly different the first one stands for all: the next video that
    somebody signs off says nothing new of its screen.
    """
    found: list[tuple[ConfirmedOutline, Mask]] = []
    for row in rows:
        outline = ConfirmedOutline(str(row["signature"] or ""), str(row["polygon"] or ""))
        if not (outline.signature and outline.polygon and signs_off(row)):
            continue
        if any(outline == other for other, _ in found):
            continue
        size = np.array(picture_size(outline.signature))
        try:
            corners = parse_polygon(outline.polygon)
        except ValueError:
            continue  # recorded where the row is used, as is one that does not fit
        if (corners < 0).any() or (corners > size).any():
            continue
        inside = filled(corners * (_COMPARED_PX / size), (_COMPARED_PX, _COMPARED_PX))
        if not any(
            same_screen(outline.signature, other.signature) and overlap(inside, known) >= _SAME_OUTLINE
            for other, known in found
        ):
            found.append((outline, inside))
    return [outline for outline, _ in found]


def is_known_screen(row: Row) -> bool:
    """Whether a row is for a screen on any visit."""
    return not row["patient_id"] and not row["video_id"] and bool(row["signature"])


def known_screens_among(rows: Iterable[Row], signatures: Collection[str]) -> list[Row]:
    """Of rows for known screens, those that hold for any of these screens."""
    return [row for row in rows if any(_bits_apart(row, own) is not None for own in signatures)]


def _rank(row: Row, shown: Shown) -> tuple[int, int, int] | None:
    """The rank of a row among those that apply; None if it does not apply."""
    if row["video_id"] not in (None, "", shown.video_id):
        return None
    apart = 0
    if row["signature"]:
        found = _bits_apart(row, shown.signature)
        if found is None:
            return None
        apart = found
    elif not shown.unnamed:
        return None
    speaks_of = 0 if row["video_id"] else 1 if row["patient_id"] else 2
    return speaks_of, 0 if row["signature"] else 1, apart


def _bits_apart(row: Row, signature: str) -> int | None:
    """Bits between a row's screen and another; None where they are two screens."""
    apart = signature_distance(str(row["signature"]), signature)
    return apart if apart is not None and apart <= SAME_SCREEN_BITS else None
