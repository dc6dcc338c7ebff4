"""The ultrasound region of a display layout: found from pictures, or written down by hand.

A region is one polygon in picture pixels, for all frames of a layout. What is done with it (masks, cell
weights) belongs here; where ultrasound was seen to ``motion_mask``, the fit of a field's shape to
``field_fit``, what is drawn inside to ``overlays``; choosing and reading the pictures belongs to
``steps.regions``, cropping to ``preprocess``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.numbers import finite_number
from eus_etl.domain.screen.field_fit import Fit, fit_field
from eus_etl.domain.screen.field_shapes import Floats, filled, hull
from eus_etl.domain.screen.motion_mask import Evidence, Mask
from eus_etl.settings import RegionConfig

Polygon = NDArray[np.int32]

NO_POLYGON: Polygon = np.empty((0, 2), np.int32)
"""The polygon of a layout without a region."""

_MIN_AGREEMENT = 0.945
_MIN_SUPPORT = 0.6
# On the copy a letter of a header has some 15 px of strokes.
_MAX_STRANGE_PX = 8
_NEAR_PX = 5
_LIT_CONFIDENCE = 0.5
_HULL_CONFIDENCE = 0.8


@dataclass(frozen=True, slots=True)
class Region:
    """The ultrasound region of a layout.

    Attributes:
        polygon: (n, 2) x y of its corners in picture pixels; no rows where no region was found.
        kind: ``linear`` (a rectangle), ``sector``, ``hull``, ``polygon`` (written by hand) or ``none``.
        area_fraction: share of the picture inside.
        solidity: area seen (moving or lit) over its hull's area; None if no picture was read.
        found_by: ``auto_motion``, ``auto_structure``, ``regions.csv`` or ``none``.
        confidence: 0 to 1. How well a fitted outline and the area seen agree, times how much of the outline
            the area supports; of a hull, its solidity, less a fifth; half of that without motion. 1 by hand.
    """

    polygon: Polygon = field(default_factory=lambda: NO_POLYGON)
    kind: str = "none"
    area_fraction: float = 0.0
    solidity: float | None = None
    found_by: str = "none"
    confidence: float = 0.0

    @property
    def found(self) -> bool:
        """Whether there is a region at all."""
        return len(self.polygon) > 0


def find_region(pictures: Sequence[Picture], config: RegionConfig) -> Region:
    """Find the region in pictures spread over one layout.

    Where pixels change, ultrasound is shown. Where too little changes (a frozen recording, one picture) it
    is sought in what is lit, and ``found_by`` says so. The outline is that of a linear or sector field
    where one agrees with what was seen and takes in nothing bright beside it; else the convex hull.

    Args:
        pictures: grey uint8 (h, w), all of one size.
        config: a region smaller than ``min_area_fraction`` is not trusted.
    """
    if not pictures:
        return Region()
    height, width = pictures[0].shape
    evidence = Evidence.of(pictures)
    for found_by, seen in (("auto_motion", evidence.moving_area), ("auto_structure", evidence.lit_area)):
        region = _outlined(seen(), evidence, (height, width), found_by)
        if region.area_fraction >= config.min_area_fraction:
            return region
    return Region()


def _outlined(seen: Mask, evidence: Evidence, shape: tuple[int, int], found_by: str) -> Region:
    """The region around an area that was seen on the copies of pictures of a shape (h, w)."""
    around = hull(np.argwhere(seen)[:, ::-1].astype(np.float64))
    within = filled(around, seen.shape)
    solidity = np.count_nonzero(seen) / max(1, int(np.count_nonzero(within)))
    near = cv2.dilate(within.astype(np.uint8), np.ones((_NEAR_PX, _NEAR_PX), np.uint8)) > 0
    strange = evidence.glaring & ~near
    fits = fit_field(seen)
    alike = [fit for fit in fits if fit.kind == fits[0].kind]
    fit = next((fit for fit in alike if _believed(fit, seen, strange)), None)
    kind: str
    if fit is not None:
        kind, outline, confidence = fit.kind, fit.outline, fit.agreement * fit.support
    else:
        kind, outline, confidence = "hull", around, _HULL_CONFIDENCE * solidity
    polygon = _scaled(outline, seen.shape, shape)
    area = area_fraction(polygon, shape[1], shape[0])
    certainty = 1.0 if found_by == "auto_motion" else _LIT_CONFIDENCE
    return Region(polygon, kind, area, solidity, found_by, certainty * confidence)


def _believed(fit: Fit, seen: Mask, strange: Mask) -> bool:
    """Whether a fit agrees with what was seen and takes in nothing that may be text beside it."""
    if fit.agreement < _MIN_AGREEMENT or fit.support < _MIN_SUPPORT:
        return False
    return bool(np.count_nonzero(strange & filled(fit.outline, seen.shape)) <= _MAX_STRANGE_PX)


def _scaled(outline: Floats, copy_shape: tuple[int, ...], shape: tuple[int, int]) -> Polygon:
    """An outline on the copy as a polygon on the picture; positions are those of pixels' centres."""
    scale = np.array(shape[::-1]) / copy_shape[::-1]
    corners = np.rint((outline + 0.5) * scale - 0.5)
    return np.asarray(np.clip(corners, 0, np.array(shape[::-1]) - 1), np.int32)


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
