"""The ultrasound region of a display layout: found from pictures, or written down by hand.

A region is one polygon in picture pixels, for all frames of a layout. What is done with it (masks, cell
weights) belongs here; choosing and reading the pictures belongs to ``steps.regions``, cropping to
``preprocess``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.settings import RegionConfig

Picture = NDArray[np.uint8]
Polygon = NDArray[np.int32]

NO_POLYGON: Polygon = np.empty((0, 2), np.int32)
"""The polygon of a layout without a region."""

WORK_PX = 512
"""Longer side of the copies on which a region is looked for."""

_MOVING_LEVELS = 2
# Compression makes static text flicker by a few percent of its contrast, out to the next macroblock. The
# flicker counts for no motion; faint motion in the dark wings of a sector, without contrast, does.
_FLICKER_SHARE = 0.04
_FLICKER_PX = 25
_LIT_LEVELS = 12
# Sides on the 512 px copy. Text of a header is less than 17 px high there, also with the halo that
# compression gives it; the field is wider than that everywhere but in its corners.
_SPECKLE_PX = 7
_CLOSE_PX = 9
_OPEN_PX = 17


@dataclass(frozen=True, slots=True)
class Region:
    """The ultrasound region of a layout.

    Attributes:
        polygon: (n, 2) x y of its corners in picture pixels; no rows where no region was found.
        kind: ``hull``, ``polygon`` (written by hand) or ``none``.
        area_fraction: share of the picture inside.
        solidity: moving (or lit) area over the hull's area; None where no picture was looked at.
        found_by: ``auto_motion``, ``auto_structure``, ``regions.csv`` or ``none``.
    """

    polygon: Polygon = field(default_factory=lambda: NO_POLYGON)
    kind: str = "none"
    area_fraction: float = 0.0
    solidity: float | None = None
    found_by: str = "none"

    @property
    def found(self) -> bool:
        """Whether there is a region at all."""
        return len(self.polygon) > 0


def find_region(pictures: Sequence[Picture], config: RegionConfig) -> Region:
    """Find the region in pictures spread over one layout.

    Where pixels change, ultrasound is shown: per pixel the range between the first and the ninth decile
    over the pictures, which a mark that blinks rarely does not move; a median filter; a threshold that
    rises with the contrast nearby, as compression makes sharp text flicker; a closing; an opening that
    removes what is as thin as text (a ticking clock, marks beside the field); the largest component; its
    convex hull. Where too little changes (a frozen recording, one picture) the same is done with what is
    lit in the median picture, and ``found_by`` says so.

    Args:
        pictures: grey uint8 (h, w), all of one size.
        config: a region with a smaller area than ``min_area_fraction`` is not believed.
    """
    if not pictures:
        return Region()
    height, width = pictures[0].shape
    ranked = np.sort(np.stack([_work_copy(picture) for picture in pictures]), axis=0)
    last = len(ranked) - 1
    typical = ranked[last // 2]
    deviation = ranked[round(0.9 * last)] - ranked[round(0.1 * last)]
    moving = _smooth(deviation) > np.maximum(_MOVING_LEVELS, _FLICKER_SHARE * _contrast_nearby(typical))
    lit = _smooth(typical) > _LIT_LEVELS
    for found_by, evidence in (("auto_motion", moving), ("auto_structure", lit)):
        component = _largest_component(evidence)
        hull = _hull(component)
        polygon = _scaled(hull, component.shape, (height, width))
        area = area_fraction(polygon, width, height)
        if area >= config.min_area_fraction:
            rows, columns = component.shape
            solidity = float(component.mean()) / area_fraction(hull, columns, rows)
            return Region(polygon, "hull", area, solidity, found_by)
    return Region()


def _work_copy(picture: Picture) -> Picture:
    scale = WORK_PX / max(picture.shape)
    if scale >= 1:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _smooth(evidence: Picture) -> Picture:
    return np.asarray(cv2.medianBlur(evidence, _SPECKLE_PX), np.uint8)


def _contrast_nearby(typical: Picture) -> Picture:
    side = _scaled_side(_FLICKER_PX, typical.shape)
    near = np.ones((side, side), np.uint8)
    return np.asarray(cv2.dilate(typical, near) - cv2.erode(typical, near), np.uint8)


def _largest_component(evidence: NDArray[np.bool_]) -> NDArray[np.bool_]:
    closed = cv2.morphologyEx(evidence.astype(np.uint8), cv2.MORPH_CLOSE, _disc(_CLOSE_PX, evidence.shape))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, _disc(_OPEN_PX, evidence.shape))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(opened)
    if count < 2:
        return np.zeros(evidence.shape, np.bool_)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return np.asarray(labels == largest)


def _disc(diameter_px: int, shape: tuple[int, ...]) -> Picture:
    side = _scaled_side(diameter_px, shape)
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _scaled_side(side_px: int, shape: tuple[int, ...]) -> int:
    """An odd length that is on a copy of this shape what ``side_px`` is on one of 512 px."""
    return max(3, round(side_px * max(shape) / WORK_PX) | 1)


def _hull(component: NDArray[np.bool_]) -> Polygon:
    rows, columns = np.nonzero(component)
    if not len(rows):
        return NO_POLYGON
    points = np.stack([columns, rows], axis=1).astype(np.int32)
    return np.asarray(cv2.convexHull(points)[:, 0, :], np.int32)


def _scaled(polygon: Polygon, copy_shape: tuple[int, ...], shape: tuple[int, int]) -> Polygon:
    """A polygon on the copy as one on the picture; positions are those of pixels' centres."""
    scale = np.array(shape[::-1]) / copy_shape[::-1]
    return np.asarray(np.rint((polygon + 0.5) * scale - 0.5), np.int32)


def region_by_hand(text: str, width: int, height: int) -> Region:
    """The region that a row of ``regions.csv`` gives for a picture of ``width`` x ``height``.

    Raises:
        ValueError: ``text`` is no polygon, or does not fit the picture; says why.
    """
    corners = parse_polygon(text)
    if (corners < 0).any() or (corners > (width, height)).any():
        raise ValueError(f"a corner lies outside the picture of {width}x{height} px")
    corners = np.minimum(corners, (width - 1, height - 1)).astype(np.int32)
    if cv2.contourArea(corners) < 1:
        raise ValueError("the corners enclose no area")
    return Region(corners, "polygon", area_fraction(corners, width, height), None, "regions.csv")


def parse_polygon(text: str) -> Polygon:
    """Corners (n, 2) from ``x,y x,y ...``; parts of pixels are rounded.

    Raises:
        ValueError: fewer than three corners, or something that is no pair of numbers.
    """
    try:
        corners = np.array([[float(number) for number in pair.split(",")] for pair in text.split()])
    except ValueError:
        raise ValueError("not a list of x,y pairs parted by spaces") from None
    if corners.ndim != 2 or corners.shape[0] < 3 or corners.shape[1] != 2:
        raise ValueError("a polygon has at least three corners of two numbers each")
    if not (np.isfinite(corners).all() and (np.abs(corners) < 1e6).all()):
        raise ValueError("a corner is no pixel position")
    return np.asarray(np.rint(corners), np.int32)


def format_polygon(polygon: Polygon) -> str:
    """``x,y x,y ...``, as tables hold a polygon; the inverse of ``parse_polygon``."""
    return " ".join(f"{x},{y}" for x, y in polygon.tolist())


def mask(polygon: Polygon, width: int, height: int) -> Picture:
    """255 inside the polygon, its outline included, else 0; uint8 (height, width)."""
    drawn = np.zeros((height, width), np.uint8)
    if len(polygon):
        cv2.fillPoly(drawn, [np.asarray(polygon, np.int32)], 255)
    return drawn


def area_fraction(polygon: Polygon, width: int, height: int) -> float:
    """Share of the picture's pixels inside the polygon."""
    return float(np.count_nonzero(mask(polygon, width, height))) / (width * height)
