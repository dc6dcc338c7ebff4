"""What is written at the ends of a color bar over the field's side: its limits and their unit.

It is often too small to be read, so that no word is known there. Letters differ from tissue by many upright
strokes close together that stand still. Tissue has as many here and there, which is why only the ends of
a bar are searched.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.screen.field.shapes import Mask
from eus_etl.domain.screen.region import Box

_MIN_PICTURES = 4
_SLENDER = 2.0
_STROKE_LEVELS = 12
_MIN_STROKES = 0.2
"""Share of a caption that is upright strokes; nineteen in twenty places of tissue have less than 0.16."""

# shares of the picture's longer side
_REACH, _BESIDE, _GAP = 0.05, 0.03, 0.02
_STROKE, _LEAST_STROKE_PX = 0.011, 7
_HEIGHTS = 0.008, 0.035


def captions_of(bar: Box, pictures: Sequence[Picture]) -> list[Box]:
    """Boxes x, y, width, height around the lines of letters above and below an upright bar.

    Args:
        bar: x, y, width, height in px; one that is no bar, or lies level, has none.
        pictures: grey uint8 (h, w), of one size, spread over the layout; of a few nothing can be told.
    """
    x, y, width, height = bar
    if len(pictures) < _MIN_PICTURES or height < _SLENDER * width:
        return []
    side, rows = max(pictures[0].shape), len(pictures[0])
    reach, beside = round(_REACH * side), round(_BESIDE * side)
    left, right = max(0, x - beside), x + width + beside
    top, below = int(np.clip(y, 0, rows)), y + height
    down = _lines(_strokes(pictures, slice(below, below + reach), slice(left, right)), side)
    up = _lines(_strokes(pictures, slice(max(0, y - reach), top), slice(left, right))[::-1], side)
    return [
        *((left + box[0], below + box[1], box[2], box[3]) for box in down),
        *((left + box[0], top - box[1] - box[3], box[2], box[3]) for box in up),
    ]


def _strokes(pictures: Sequence[Picture], rows: slice, columns: slice) -> Mask:
    """Where something is narrow and brighter than what is beside it, at its darkest and typically."""
    ranked = np.sort(np.stack([picture[rows, columns] for picture in pictures]), axis=0)
    if not ranked.size:  # the bar ends where the picture does
        return np.zeros((1, 1), np.bool_)
    line = np.ones((1, _stroke_px(max(pictures[0].shape))), np.uint8)
    narrow = [
        cv2.morphologyEx(picture, cv2.MORPH_TOPHAT, line) for picture in (ranked[1], ranked[len(ranked) // 2])
    ]
    return np.asarray(np.min(narrow, axis=0) > _STROKE_LEVELS)


def _stroke_px(side: int) -> int:
    return max(_LEAST_STROKE_PX, 2 * (round(_STROKE * side) // 2) + 1)


def _lines(strokes: Mask, side: int) -> list[Box]:
    """Lines of letters that follow one another from the first row on."""
    together = cv2.dilate(strokes.astype(np.uint8), np.ones((1, _stroke_px(side) + 2), np.uint8))
    count, labels = cv2.connectedComponents(together)
    boxes = [cv2.boundingRect(((labels == number) & strokes).astype(np.uint8)) for number in range(1, count)]
    least, most = (round(share * side) for share in _HEIGHTS)
    found: list[Box] = []
    ends = 0
    for x, y, width, height in sorted(boxes, key=lambda box: box[1]):
        filled = strokes[y : y + height, x : x + width].mean()
        if least <= height <= most and y - ends <= _GAP * side and filled >= _MIN_STROKES:
            found.append((x, y, width, height))
            ends = max(ends, y + height)
    return found
