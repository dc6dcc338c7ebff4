"""The ultrasound region of a display layout: found from pictures, or written down by hand.

A region is one polygon in picture pixels, for all frames of a layout. What is done with it (masks, cell
weights) belongs here; how it is found to ``region_search``, what is drawn inside to ``overlays``; choosing
and reading the pictures belongs to ``steps.regions.screen_region``, cropping to ``preprocess``.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.numbers import finite_number
from eus_etl.domain.screen.field.shapes import filled

Box = tuple[int, int, int, int]
"""x, y, width, height in px."""

Polygon = NDArray[np.int32]

NO_POLYGON: Polygon = np.empty((0, 2), np.int32)
"""The polygon of a layout without a region."""


@dataclass(frozen=True, slots=True)
class Region:
    """The ultrasound region of a layout.

    Attributes:
        polygon: (n, 2) x y of its corners in picture pixels; no rows where no region was found.
        kind: ``linear`` (a rectangle), ``trapezoid``, ``sector``, ``hull``, ``polygon`` (written by hand) or
            ``none``.
        area_fraction: share of the picture inside.
        solidity: area seen (moving or lit) over its hull's area; None if no picture was read.
        found_by: ``auto_motion``, ``auto_structure``, ``regions.csv`` or ``none``.
        confidence: 0 to 1. The share of a fitted outline that lies on an edge, times the share of what was
            seen that is inside; of a hull, its solidity, less a fifth. Half of that without motion. 1 by
            hand.
        doubt: why a person should look at it before anything of it is shown; None for no doubt.
    """

    polygon: Polygon = field(default_factory=lambda: NO_POLYGON)
    kind: str = "none"
    area_fraction: float = 0.0
    solidity: float | None = None
    found_by: str = "none"
    confidence: float = 0.0
    doubt: str | None = None

    @property
    def found(self) -> bool:
        """Whether there is a region at all."""
        return len(self.polygon) > 0


def region_by_hand(text: str, width: int, height: int) -> Region:
    """The region that a row of ``regions.csv`` gives for a picture of ``width`` x ``height``.

    Raises:
        ValueError: ``text`` is not a polygon, or does not fit the picture; says why.
    """
    corners = parse_polygon(text)
    if (corners < 0).any() or (corners > (width, height)).any():
        raise ValueError(f"a corner lies outside the picture of {width}x{height} px")
    corners = np.minimum(corners, (width - 1, height - 1)).astype(np.int32)
    if cv2.contourArea(corners) < 1:
        raise ValueError("the corners enclose no area")
    return Region(corners, "polygon", area_fraction(corners, width, height), None, "regions.csv", 1.0)


def parse_polygon(text: str) -> Polygon:
    """Corners (n, 2) from ``x,y x,y ...``; parts of pixels are rounded.

    Raises:
        ValueError: fewer than three corners, or something that is no pair of numbers.
    """
    try:
        corners = np.array([[finite_number(number) for number in pair.split(",")] for pair in text.split()])
    except ValueError:
        raise ValueError("not a list of x,y pairs parted by spaces") from None
    if corners.ndim != 2 or corners.shape[0] < 3 or corners.shape[1] != 2:
        raise ValueError("a polygon has at least three corners of two numbers each")
    if not (np.abs(corners) < 1e6).all():
        raise ValueError("a corner is no pixel position")
    return np.asarray(np.rint(corners), np.int32)


def format_polygon(polygon: Polygon) -> str:
    """``x,y x,y ...``, as tables hold a polygon; the inverse of ``parse_polygon``."""
    return " ".join(f"{x},{y}" for x, y in polygon.tolist())


def mask(polygon: Polygon, width: int, height: int) -> Picture:
    """255 inside the polygon, its outline included, else 0; uint8 (height, width)."""
    return filled(polygon, (height, width)).astype(np.uint8) * np.uint8(255)


def area_fraction(polygon: Polygon, width: int, height: int) -> float:
    """Share of the picture's pixels inside the polygon."""
    return float(np.count_nonzero(mask(polygon, width, height))) / (width * height)
