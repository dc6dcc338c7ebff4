"""What a machine draws onto the ultrasound picture: bright marks that stand still, and insets.

Calipers, focus marks, depth dots, a logo; an inset with a body mark or an endoscope's view. Found here, from
pictures spread over one layout; painted over by ``preprocess``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.sampling import spread
from eus_etl.domain.screen.motion_mask import Mask, work_copy
from eus_etl.domain.screen.region import Box, Polygon, mask

Boxes = tuple[Box, ...]
"""x, y, width, height in picture pixels."""

_PICTURES = 12
_MIN_PICTURES = 4
_BRIGHT = 100
_CONTRAST = 35
_STILL_LEVELS = 24
_SHARP_LEVELS = 110
_NEARBY_PX = 31
_MIN_MARK_PX = 3
# longer marks (a measured distance) are given as a row of boxes, so that little beside them is in one
_TILE_PX = 24

_EDGE_LEVELS = 12
_SIDE_SHARE = 0.06
_SIDES_MEET = 0.75
_CORNER_PX = 4
_INSET_SHARE = (0.01, 0.4)
_BORDER_PX = 9


@dataclass(frozen=True, slots=True)
class Marks:
    """What is drawn onto one layout's region.

    Attributes:
        boxes: around bright marks that stand still while the picture moves.
        insets: pictures in the picture.
    """

    boxes: Boxes = ()
    insets: Boxes = ()


NO_MARKS = Marks()
"""For a region without marks, or in which none were sought."""


def find_marks(pictures: Sequence[Picture], polygon: Polygon, times: int = 1) -> Marks:
    """Find what is drawn onto the picture inside a region.

    A mark is brighter than its surroundings in nearly all pictures, and moves far less. In a still recording
    nothing distinguishes a mark, and none is found. An inset has four straight sides
    along the picture's, at each of which the typical picture changes.

    Args:
        pictures: grey uint8 (h, w), all of one size, spread over the layout.
        polygon: the region, in picture pixels.
        times: with each pixel as so many in a row and a column. That sees a thin mark beside bright tissue on
            a small picture, and no mark as wide as half of what it is compared with.
    """
    if len(pictures) < _MIN_PICTURES or not len(polygon):
        return NO_MARKS
    height, width = pictures[0].shape
    left, top, crop_width, crop_height = cv2.boundingRect(polygon)
    crop = slice(top, top + crop_height), slice(left, left + crop_width)
    ranked = np.sort(
        np.stack([pictures[number][crop] for number in spread(len(pictures), _PICTURES)]), axis=0
    )
    inside = mask(polygon, width, height)[crop] > 0
    large = ranked.repeat(times, axis=1).repeat(times, axis=2)
    drawn = _drawn(large)[::times, ::times] & inside
    boxes = _boxes(drawn, _TILE_PX // times)
    insets = _insets(ranked, inside)
    return Marks(_moved(boxes, left, top), _moved(insets, left, top))


def format_boxes(boxes: Boxes) -> str | None:
    """``x,y,w,h x,y,w,h ...``, as tables hold boxes; None for no box. ``parse_boxes`` is its inverse."""
    return " ".join(",".join(map(str, box)) for box in boxes) or None


def parse_boxes(text: str | None) -> Boxes:
    """Boxes from ``x,y,w,h x,y,w,h ...``; none from None."""
    corners = ((text or "").replace(",", " ")).split()
    numbers = iter(map(int, corners))
    return tuple(zip(numbers, numbers, numbers, numbers, strict=True))


def boxes_mask(boxes: Boxes, width: int, height: int) -> Picture:
    """255 inside the boxes, else 0; uint8 (height, width)."""
    drawn = np.zeros((height, width), np.uint8)
    for x, y, box_width, box_height in boxes:
        drawn[y : y + box_height, x : x + box_width] = 255
    return drawn


def _drawn(ranked: NDArray[np.uint8]) -> Mask:
    """Of pictures sorted per pixel (n, h, w): which pixels are a mark's; without the outermost pictures.

    Tissue that a steady probe shows bright in every picture ends softly; what is drawn ends within a pixel.
    """
    low, typical, high = ranked[1], ranked[len(ranked) // 2], ranked[-2]
    around = cv2.medianBlur(typical, _NEARBY_PX)
    bright = (low > _BRIGHT) & (low > np.minimum(around, 255 - _CONTRAST) + _CONTRAST)
    still = high - low < _STILL_LEVELS
    ends = typical - cv2.erode(typical, np.ones((3, 3), np.uint8))
    count, labels = cv2.connectedComponents((bright & still).astype(np.uint8))
    sharpest = np.zeros(count, np.uint8)
    np.maximum.at(sharpest, labels.ravel(), ends.ravel())
    sharpest[0] = 0
    return np.asarray(sharpest[labels] > _SHARP_LEVELS)


def _boxes(marks: Mask, tile_px: int) -> Boxes:
    """Boxes around connected marks, a pixel of soft edge included; long ones in tiles."""
    grown = cv2.dilate(marks.astype(np.uint8), np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(grown)
    found: list[Box] = []
    for number in range(1, count):
        x, y, width, height, _ = (int(value) for value in stats[number])
        own = labels[y : y + height, x : x + width] == number
        if np.count_nonzero(own & marks[y : y + height, x : x + width]) < _MIN_MARK_PX:
            continue
        for down in range(0, height, tile_px):
            for right in range(0, width, tile_px):
                tile = own[down : down + tile_px, right : right + tile_px].astype(np.uint8)
                if tile.any():
                    tile_x, tile_y, tile_width, tile_height = cv2.boundingRect(tile)
                    found.append((x + right + tile_x, y + down + tile_y, tile_width, tile_height))
    return tuple(found)


def _insets(ranked: NDArray[np.uint8], inside: Mask) -> Boxes:
    """Rectangles with four straight sides in the mean of pictures sorted per pixel, in pixels of it."""
    mean = np.rint(ranked[1:-1].mean(axis=0)).astype(np.uint8)
    small = work_copy(mean)
    allowed = cv2.resize(inside.astype(np.uint8), small.shape[::-1], interpolation=cv2.INTER_NEAREST)
    allowed = cv2.erode(allowed, np.ones((_BORDER_PX, _BORDER_PX), np.uint8), borderValue=0)
    upright, level = (
        np.where(allowed > 0, _straight_edges(small.astype(np.int16), axis), 0).astype(np.uint8)
        for axis in (1, 0)
    )
    lowest, highest = np.array(_INSET_SHARE) * np.count_nonzero(allowed)
    count, _, stats, _ = cv2.connectedComponentsWithStats(upright)
    sides = sorted(stats[1:count, :4].tolist())
    found = []
    for (x, y, _, height), (end_x, end_y, end_width, end_height) in combinations(sides, 2):
        top, bottom = max(y, end_y), min(y + height, end_y + end_height)
        right = end_x + end_width
        if bottom - top < _SIDES_MEET * max(height, end_height):
            continue
        if not lowest <= (right - x) * (bottom - top) <= highest:
            continue
        if min(_covered(level, row, x, right) for row in (top, bottom - 1)) >= _SIDES_MEET:
            found.append((x, top, right - x, bottom - top))
    scale_x, scale_y = mean.shape[1] / small.shape[1], mean.shape[0] / small.shape[0]
    return tuple(
        (round(x * scale_x), round(y * scale_y), round(width * scale_x), round(height * scale_y))
        for x, y, width, height in _apart(found)
    )


def _straight_edges(picture: NDArray[np.int16], axis: int) -> Picture:
    """1 on long straight edges that stand upright (axis 1) or lie level (axis 0), else 0."""
    step = np.abs(np.roll(picture, -1, axis) - np.roll(picture, 1, axis)) > _EDGE_LEVELS
    length = max(9, round(_SIDE_SHARE * picture.shape[1 - axis]))
    line = np.ones((length, 1) if axis else (1, length), np.uint8)
    return np.asarray(cv2.morphologyEx(step.astype(np.uint8), cv2.MORPH_OPEN, line), np.uint8)


def _covered(level: Picture, row: int, left: int, right: int) -> float:
    """Share of the columns from left to right that have an edge next to the row."""
    near = level[max(0, row - _CORNER_PX) : row + _CORNER_PX + 1, left:right]
    return float(near.any(axis=0).mean())


def _apart(boxes: list[Box]) -> list[Box]:
    """The largest of boxes that lie in one another."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda box: -box[2] * box[3]):
        x, y = box[0] + box[2] // 2, box[1] + box[3] // 2
        if not any(left <= x < left + wide and top <= y < top + high for left, top, wide, high in kept):
            kept.append(box)
    return kept


def _moved(boxes: Boxes, right_px: int, down_px: int) -> Boxes:
    return tuple((x + right_px, y + down_px, width, height) for x, y, width, height in boxes)
