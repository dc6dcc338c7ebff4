"""Shapes of an ultrasound field: rectangle or trapezoid of a linear probe, sector of a convex or radial one.

How a shape is fitted to a picture belongs to ``fit``.
"""

from dataclasses import dataclass
from typing import Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom in px; the positions of the outermost pixels' centres."""

Side = tuple[tuple[int, ...], int, float]
"""Which of the shape's numbers move a side, the sign that widens the field, how much is a px."""

Kind = Literal["linear", "trapezoid", "sector"]

_BORDER_PX = 2
_ARC_STEP_RAD = np.deg2rad(2.0)
_MAX_HALF_ANGLE = np.deg2rad(120)


@dataclass(frozen=True, slots=True)
class Rectangle:
    """The field of a linear probe, its sides along the picture's."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def kind(self) -> Kind:
        """What it is called in tables."""
        return "linear"

    @property
    def values(self) -> Floats:
        """Its numbers, as ``with_values`` takes them."""
        return np.array([self.left, self.top, self.right, self.bottom])

    @property
    def box_values(self) -> Mask:
        """Which of its numbers are the box that cuts it off."""
        return np.zeros(4, np.bool_)

    def with_values(self, values: Floats) -> Self:
        """The rectangle of other numbers."""
        return type(self)(*map(float, values))

    @property
    def lean(self) -> float:
        """How unlike its two sides are, 0 to 1."""
        return 0.0

    @property
    def outward(self) -> tuple[Side, ...]:
        """Its sides: left, top, right, bottom."""
        return ((0,), -1, 1.0), ((1,), -1, 1.0), ((2,), 1, 1.0), ((3,), 1, 1.0)

    def outline(self) -> Floats:
        """Corners (4, 2), x y."""
        return _corners((self.left, self.top, self.right, self.bottom))

    def distances(self, values: Floats, points: Floats) -> Floats:
        """How far points (n, 2) lie outside of the rectangle of these numbers, px; negative inside."""
        return _box_distances(points, values)


@dataclass(frozen=True, slots=True)
class Trapezoid:
    """The field of a linear probe whose outer beams are steered: two slanted sides, cut off by a box.

    Attributes:
        left, right: where the sides, at full length, meet the picture's uppermost row, px.
        left_slope, right_slope: px to the right that a side goes per px down.
        box: beyond it the field is cut off: its upper and lower edge, and what the screen leaves beside it.
    """

    left: float
    left_slope: float
    right: float
    right_slope: float
    box: Box

    @property
    def kind(self) -> Kind:
        """What it is called in tables."""
        return "trapezoid"

    @property
    def values(self) -> Floats:
        """Its numbers, as ``with_values`` takes them."""
        return np.array([self.left, self.left_slope, self.right, self.right_slope, *self.box])

    @property
    def box_values(self) -> Mask:
        """Which of its numbers are the box that cuts it off."""
        return np.arange(8) >= 4

    def with_values(self, values: Floats) -> Self:
        """The trapezoid of other numbers."""
        left, left_slope, right, right_slope, *box = map(float, values)
        return type(self)(left, left_slope, right, right_slope, (box[0], box[1], box[2], box[3]))

    @property
    def lean(self) -> float:
        """How unlike its two sides are, 0 to 1."""
        return 0.0

    @property
    def outward(self) -> tuple[Side, ...]:
        """Its sides: left and right, which slant, top, bottom."""
        return ((0, 4), -1, 1.0), ((2, 6), 1, 1.0), ((5,), -1, 1.0), ((7,), 1, 1.0)

    def outline(self) -> Floats:
        """Corners (n, 2), x y."""
        corners = _corners(self.box)
        for at, slope, sign in ((self.left, self.left_slope, 1), (self.right, self.right_slope, -1)):
            corners = _cut(corners, sign * (corners[:, 0] - at - slope * corners[:, 1]))
        return corners

    def distances(self, values: Floats, points: Floats) -> Floats:
        """How far points (n, 2) lie outside of the trapezoid of these numbers, px; negative inside."""
        left, left_slope, right, right_slope = values[:4]
        x, y = points[:, 0], points[:, 1]
        beyond_left = (left + left_slope * y - x) / np.hypot(1, left_slope)
        beyond_right = (x - right - right_slope * y) / np.hypot(1, right_slope)
        sides = np.maximum(beyond_left, beyond_right)
        return np.asarray(np.maximum(sides, _box_distances(points, values[4:])), np.float64)


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

    @property
    def kind(self) -> Kind:
        """What it is called in tables."""
        return "sector"

    @property
    def spread_rad(self) -> float:
        """Between the outermost beams."""
        return self.last_rad - self.first_rad

    def cut_within(self, shape: tuple[int, ...]) -> bool:
        """Whether it may be cut off before the border of a picture (h, w)."""
        left, top, right, bottom = self.clip
        return max(left, top, shape[1] - 1 - right, shape[0] - 1 - bottom) > _BORDER_PX

    @property
    def full(self) -> bool:
        """Whether it is a full circle."""
        return self.spread_rad >= 2 * np.pi - 1e-6

    @property
    def values(self) -> Floats:
        """Its numbers, as ``with_values`` takes them; the angles of a full circle are left out."""
        angles = () if self.full else (self.inner_px, self.first_rad, self.last_rad)
        return np.array([self.apex_x, self.apex_y, self.outer_px, *self.clip, *angles])

    @property
    def box_values(self) -> Mask:
        """Which of its numbers are the box that cuts it off."""
        places = np.arange(len(self.values))
        return (places >= 3) & (places < 7)

    def with_values(self, values: Floats) -> Self:
        """The sector of other numbers; a full circle stays one."""
        x, y, outer, left, top, right, bottom, *angles = map(float, values)
        inner, first, last = angles or (0.0, -np.pi, np.pi)
        if angles:
            first, last = max(first, -_MAX_HALF_ANGLE), min(last, _MAX_HALF_ANGLE)
        box = (left, top, right, bottom)
        return type(self)(x, y, max(0.0, inner), abs(outer), first, last, box)

    @property
    def lean(self) -> float:
        """How unlike its two sides are, 0 to 1."""
        half = max(-self.first_rad, self.last_rad)
        return float(np.clip(1 - min(-self.first_rad, self.last_rad) / half, 0, 1)) if half > 0 else 1.0

    @property
    def outward(self) -> tuple[Side, ...]:
        """Its sides: left, right, bottom, the far arc; the outermost beams.

        A beam is turned by what moves its end by a pixel.
        """
        cut = ((3,), -1, 1.0), ((5,), 1, 1.0), ((6,), 1, 1.0), ((2,), 1, 1.0)
        turn = 1 / max(1.0, self.outer_px)
        return cut if self.full else (*cut, ((8,), -1, turn), ((9,), 1, turn))

    def outline(self) -> Floats:
        """Corners (n, 2), x y, within ``clip``; arcs in steps of two degrees at most."""
        beams = max(3, int(np.ceil(self.spread_rad / _ARC_STEP_RAD)) + 1)
        angles = np.linspace(self.first_rad, self.last_rad, beams)
        rays = np.column_stack([np.sin(angles), np.cos(angles)])
        apex = np.array([self.apex_x, self.apex_y])
        # between its corners a polygon lies within the arc: a little further out, its area is true
        swell = 1 + (1 - np.cos((angles[1] - angles[0]) / 2)) / 2
        far = apex + self.outer_px * swell * rays
        near = apex + self.inner_px * rays[::-1] if self.inner_px > 0 else np.empty((0, 2))
        corners = np.vstack([far, near])
        left, top, right, bottom = self.clip
        for axis, limit, sign in ((0, left, 1), (1, top, 1), (0, right, -1), (1, bottom, -1)):
            corners = _cut(corners, sign * (corners[:, axis] - limit))
        return corners

    def distances(self, values: Floats, points: Floats) -> Floats:
        """How far points (n, 2) lie outside of the sector of these numbers, px; negative inside."""
        x, y = points[:, 0] - values[0], points[:, 1] - values[1]
        radius = np.hypot(x, y)
        beyond = np.maximum(radius - values[2], _box_distances(points, values[3:7]))
        if not self.full:
            inner, first, last = values[7:]
            sides = np.maximum(y * np.sin(first) - x * np.cos(first), x * np.cos(last) - y * np.sin(last))
            beyond = np.maximum(beyond, np.maximum(inner - radius, sides))
        return np.asarray(beyond, np.float64)


Geometry = Rectangle | Trapezoid | Sector


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


def _corners(box: Box) -> Floats:
    left, top, right, bottom = box
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _box_distances(points: Floats, sides: Floats) -> Floats:
    """How far points (n, 2) lie outside of a box, px; negative inside."""
    x, y = points[:, 0], points[:, 1]
    left, top, right, bottom = sides
    return np.asarray(np.maximum(np.maximum(left - x, x - right), np.maximum(top - y, y - bottom)))


def _cut(corners: Floats, depth: Floats) -> Floats:
    """The part of a polygon (n, 2) at which ``depth`` (n) is not negative (Sutherland and Hodgman, 1974)."""
    if not len(corners):
        return corners
    following = np.roll(corners, -1, axis=0)
    next_depth = np.roll(depth, -1)
    crosses = (depth >= 0) != (next_depth >= 0)
    share = np.divide(depth, depth - next_depth, out=np.zeros_like(depth), where=crosses)
    crossing = corners + share[:, np.newaxis] * (following - corners)
    kept = np.stack([depth >= 0, crosses], axis=1).ravel()
    return np.asarray(np.stack([corners, crossing], axis=1).reshape(-1, 2)[kept], np.float64)
