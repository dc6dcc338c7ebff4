"""Cuts out of a region what is written or drawn across its outline.

A color bar that overlaps the field, a tick or a logo at its edge, a word that begins beside it: none of it is
ultrasound, and what hangs over the outline belongs to the screen. What lies inside is left to ``overlays``.
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.screen.bar_captions import captions_of
from eus_etl.domain.screen.field.shapes import Mask
from eus_etl.domain.screen.overlays import find_marks
from eus_etl.domain.screen.region import Box, Polygon, Region, area_fraction, mask

_USUAL_PX = 640
"""Longer side of a picture on which marks are as large as ``find_marks`` expects them."""

# shares of the picture's longer side
_AROUND = 0.02
_OVER = 0.0045
_SAME_EDGE = 0.008
_WORD_AROUND = 0.025
_LONG_GAP, _WIDE_PART = 0.15, 0.012
_HALF = 0.2, 0.7
_SQUARE = 0.6
_LONG_BAR = 0.06
_OUTLINE_PX = 0.75


def without_drawings(
    region: Region, pictures: Sequence[Picture], words: Sequence[Box] = (), bars: Sequence[Box] = ()
) -> Region:
    """The region without the words, the bars, and the bright marks that stand still, across its outline.

    Args:
        region: as found; its shape is a field's.
        pictures: grey uint8 (h, w), of one size, spread over the layout.
        words: boxes around what is read on the screen.
        bars: boxes around bars that are known to stand beside the field, or over its side.
    """
    height, width = pictures[0].shape
    inside = mask(region.polygon, width, height) > 0
    side = max(height, width)
    around = _grown_polygon(inside, round(_AROUND * side))
    marks = _marks(pictures, around, inside) if around is not None else ()
    over = [box for box in marks if _hangs_over(box, inside, side)]
    parts = _bars(over, marks, side)
    cut = parts + [box for box in marks if _is_half_outside(box, inside)]
    margin = max(2, round(_WORD_AROUND * side))
    cut += [_to_outside(box, inside, margin) for box in words if _touches_edge(box, inside, margin)]
    over_side = [box for box in bars if 0 < _share_inside(box, inside) < 1]
    cut += [_grown(box, 1) for box in over_side]
    long = [box for box in (*parts, *over_side) if box[3] >= _LONG_BAR * side]
    cut += [_grown(_beside(box, bar), 2) for bar in long for box in captions_of(bar, pictures)]
    boxes = [box for box in cut if _share_inside(box, inside) > 0]
    if not boxes:
        return region
    for x, y, box_width, box_height in boxes:
        inside[max(0, y) : y + box_height, max(0, x) : x + box_width] = False
    polygon = _outline(inside)
    if polygon is None:
        return region
    return replace(region, polygon=polygon, area_fraction=area_fraction(polygon, width, height))


def _marks(pictures: Sequence[Picture], around: Polygon, inside: Mask) -> Sequence[Box]:
    """Marks around the region; of a small picture those of a finer look, where it sees one over the edge."""
    marks = find_marks(pictures, around).boxes
    times = round(_USUAL_PX / max(pictures[0].shape))
    if times < 2:
        return marks
    seen = find_marks(pictures, around, times).boxes
    fine = [box for box in seen if _share_inside(box, inside) < 1]
    return [*fine, *(box for box in marks if not any(_meet(box, other) for other in fine))]


def _meet(one: Box, other: Box) -> bool:
    across, down = (
        min(one[at] + one[at + 2], other[at] + other[at + 2]) > max(one[at], other[at]) for at in (0, 1)
    )
    return across and down


def _hangs_over(box: Box, inside: Mask, side: int) -> bool:
    """Whether a mark is partly outside, by more than the soft edge of something that ends at the outline."""
    x, y, width, height = box
    own = inside[y : y + height, x : x + width]
    columns, rows = (~own).all(axis=0).sum(), (~own).all(axis=1).sum()
    return bool(own.any() and max(columns, rows) >= _OVER * side)


def _is_half_outside(box: Box, inside: Mask) -> bool:
    return bool(_HALF[0] <= _share_inside(box, inside) <= _HALF[1])


def _bars(over: Sequence[Box], marks: Sequence[Box], side: int) -> list[Box]:
    """Marks that hang over the outline, each with those that share both of its edges: parts of one bar.

    Between two parts there may be as much as the longer one is long: a color bar's dark middle. Between two
    that both hang over there may be more.
    """
    off = _SAME_EDGE * side
    grown = []
    for box in over:
        part = box
        for x, y, width, height in sorted(marks, key=lambda mark: (mark[1], mark[0])) * 2:
            left, top, right, bottom = part[0], part[1], part[0] + part[2], part[1] + part[3]
            upright = (
                height >= _SQUARE * width
                and abs(x - box[0]) <= off
                and abs(x + width - box[0] - box[2]) <= off
            )
            level = (
                width >= _SQUARE * height
                and abs(y - box[1]) <= off
                and abs(y + height - box[1] - box[3]) <= off
            )
            gap = max(x - right, left - x - width) if level else max(y - bottom, top - y - height)
            longest = float(max(width, part[2]) if level else max(height, part[3]))
            if (x, y, width, height) in over and min(width, height) >= _WIDE_PART * side:
                longest = max(longest, _LONG_GAP * side)
            if (upright or level) and gap <= longest:
                left, top = min(left, x), min(top, y)
                part = left, top, max(right, x + width) - left, max(bottom, y + height) - top
        grown.append(_grown(part, 1))
    return grown


def _beside(caption: Box, bar: Box) -> Box:
    """A caption's box, as far to the sides as its bar, which reaches out of the field."""
    x, y, width, height = caption
    left, right = min(x, bar[0]), max(x + width, bar[0] + bar[2])
    return left, y, right - left, height


def _touches_edge(box: Box, inside: Mask, margin: int) -> bool:
    """Whether a word is not wholly inside, with a margin."""
    return 0 < _share_inside(_grown(box, margin), inside) < 1


def _to_outside(box: Box, inside: Mask, margin: int) -> Box:
    """A word's box, with what is between it and the outline beside it."""
    height, width = inside.shape
    left, top, right, bottom = box[0] - 2, box[1] - 2, box[0] + box[2] + 2, box[1] + box[3] + 2
    columns, rows = slice(max(0, left), right), slice(max(0, top), bottom)
    grown = [left, top, right, bottom]
    for side, at in ((0, left - margin), (1, top - margin)):
        if at < 0 or not (inside[rows, at] if side == 0 else inside[at, columns]).all():
            grown[side] = max(0, at)
    for side, at, limit in ((2, right + margin, width), (3, bottom + margin, height)):
        if at >= limit or not (inside[rows, at] if side == 2 else inside[at, columns]).all():
            grown[side] = min(limit, at)
    return grown[0], grown[1], grown[2] - grown[0], grown[3] - grown[1]


def _share_inside(box: Box, inside: Mask) -> float:
    x, y, width, height = box
    own = inside[max(0, y) : y + height, max(0, x) : x + width]
    return float(np.count_nonzero(own)) / max(1, width * height)


def _grown(box: Box, pixels: int) -> Box:
    x, y, width, height = box
    return x - pixels, y - pixels, width + 2 * pixels, height + 2 * pixels


def _grown_polygon(inside: Mask, pixels: int) -> Polygon | None:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return _outline(cv2.dilate(inside.astype(np.uint8), disc) > 0)


def _outline(inside: Mask) -> Polygon | None:
    """The outline of the largest part; None where nothing is left."""
    contours, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    largest = max(contours, key=cv2.contourArea)
    return np.asarray(cv2.approxPolyDP(largest, _OUTLINE_PX, closed=True)[:, 0, :], np.int32)
