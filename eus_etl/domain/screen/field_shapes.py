"""Shapes of an ultrasound field: a rectangle of a linear probe, a sector of a convex or radial one.

How a shape is fitted to a picture belongs to ``field_fit``.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom in px; the positions of the outermost pixels' centres."""

_ARC_STEP_RAD = np.deg2rad(2.0)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """The field of a linear probe, its sides along the picture's."""

    left: float
    top: float
    right: float
    bottom: float

    def outline(self) -> Floats:
        """Corners (4, 2), x y."""
        return np.array(
            [
                (self.left, self.top),
                (self.right, self.top),
                (self.right, self.bottom),
                (self.left, self.bottom),
            ]
        )


@dataclass(frozen=True, slots=True)
class Sector:
    """The field of a convex, phased or radial probe: beams from an apex, between two arcs and two angles.

    Attributes:
        apex_x, apex_y: where the beams would meet, px.
        inner_px, outer_px: radii of the arcs around it; the inner one is 0 for a full circle, whose
            centre, the probe, belongs to the field.
        first_rad, last_rad: angles of the outermost beams, from straight down to the right.
        clip: box beyond which the screen cuts the field off.
    """

    apex_x: float
    apex_y: float
    inner_px: float
    outer_px: float
    first_rad: float
    last_rad: float
    clip: Box

    def outline(self) -> Floats:
        """Corners (n, 2), x y, within ``clip``; arcs in steps of two degrees at most."""
        beams = max(3, int(np.ceil((self.last_rad - self.first_rad) / _ARC_STEP_RAD)) + 1)
        angles = np.linspace(self.first_rad, self.last_rad, beams)
        rays = np.column_stack([np.sin(angles), np.cos(angles)])
        apex = np.array([self.apex_x, self.apex_y])
        # between its corners a polygon lies within the arc: a little further out, its area is true
        swell = 1 + (1 - np.cos((angles[1] - angles[0]) / 2)) / 2
        far = apex + self.outer_px * swell * rays
        near = apex + self.inner_px * rays[::-1] if self.inner_px > 0 else np.empty((0, 2))
        return _clipped(np.vstack([far, near]), self.clip)


def overlap(one: Mask, other: Mask) -> float:
    """Intersection over union of two masks; 0 where both are empty."""
    return np.count_nonzero(one & other) / max(1, int(np.count_nonzero(one | other)))


def filled(outline: Floats | NDArray[np.int32], shape: tuple[int, ...]) -> Mask:
    """The pixels (h, w) inside an outline (n, 2), its border included."""
    drawn = np.zeros(shape[:2], np.uint8)
    if len(outline):
        cv2.fillPoly(drawn, [np.rint(outline).astype(np.int32)], 1)
    return drawn.astype(np.bool_)


def hull(outline: Floats) -> Floats:
    """Corners (m, 2) of the convex hull of points (n, 2)."""
    if not len(outline):
        return outline
    return np.asarray(cv2.convexHull(outline.astype(np.float32))[:, 0, :], np.float64)


def _clipped(corners: Floats, clip: Box) -> Floats:
    """The polygon within a box (Sutherland and Hodgman, 1974)."""
    for axis, limit, sign in ((0, clip[0], 1), (1, clip[1], 1), (0, clip[2], -1), (1, clip[3], -1)):
        if not len(corners):
            break
        depth = sign * (corners[:, axis] - limit)
        following = np.roll(corners, -1, axis=0)
        next_depth = np.roll(depth, -1)
        crosses = (depth >= 0) != (next_depth >= 0)
        share = np.divide(depth, depth - next_depth, out=np.zeros_like(depth), where=crosses)
        crossing = corners + share[:, np.newaxis] * (following - corners)
        kept = np.stack([depth >= 0, crosses], axis=1).ravel()
        corners = np.stack([corners, crossing], axis=1).reshape(-1, 2)[kept]
    return corners
