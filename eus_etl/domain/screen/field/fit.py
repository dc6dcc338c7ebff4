"""Fits shapes of an ultrasound field to a mask of where ultrasound was seen.

How the mask is made belongs to ``motion_mask``, how a shape is then moved onto the picture's edges to
``edges``, which one is believed to ``region_search``.
"""

from dataclasses import replace

import cv2
import numpy as np

from eus_etl.domain.screen.field.robust_fit import least_squares
from eus_etl.domain.screen.field.shapes import (
    Box,
    Floats,
    Geometry,
    Mask,
    Rectangle,
    Sector,
    Trapezoid,
    filled,
    hull,
)

# px on the mask: what a contour may be off without losing weight (rounding, compression)
_TOLERANCE_PX = 1.0
_CONTOUR_POINTS, _MIN_POINTS = 250, 16
_MIN_GROWING = 0.1
_MIN_SPREAD_RAD = np.deg2rad(15)
_MIN_SLOPE = 0.04
_LEANS_RAD = np.deg2rad(2)


def fit_field(inside: Mask) -> list[Geometry]:
    """Fit a rectangle, a full circle, and, where its sides run so, a trapezoid and sectors.

    Side lines and arcs are started from the mask's rows and then moved, all at once, until its contour lies
    on them: iteratively reweighted least squares. What lies outside of an outline pulls it with Huber's
    weights; what lies inside pulls less the deeper it lies (Cauchy's weights), so that a dark wing or a
    rounded corner leaves the outline where the rest of the contour puts it.

    Args:
        inside: (h, w), where ultrasound was seen, without holes.
    """
    points = _contour(inside)
    if len(points) < _MIN_POINTS:
        return []
    height, width = inside.shape
    whole: Box = (0, 0, width - 1, height - 1)
    left, top = (float(low) for low in points.min(axis=0))
    right, bottom = (float(high) for high in points.max(axis=0))
    seen: Box = (left, top, right, bottom)
    starts: list[Geometry] = [Rectangle(*seen), _started_circle(points, whole)]
    if (trapezoid := _started_trapezoid(points, seen)) is not None:
        starts.append(trapezoid)
    starts += [started for box in (whole, seen) if (started := _started_sector(points, box)) is not None]
    fits = [_fitted(points, start) for start in starts]
    fits += [tangent for fit in fits if isinstance(fit, Trapezoid) for tangent in _tangents(fit, points)]
    return [fit for fit in fits if not isinstance(fit, Sector) or fit.spread_rad > _MIN_SPREAD_RAD]


def symmetric(fit: Geometry, shape: tuple[int, ...]) -> list[Geometry]:
    """Of a sector that leans to one side, those that do not: a dark wing may be missing."""
    if not isinstance(fit, Sector) or fit.full:
        return []
    half = max(-fit.first_rad, fit.last_rad)
    whole = (0.0, 0.0, shape[1] - 1.0, shape[0] - 1.0)
    left, top, right, bottom = fit.clip
    reach = max(fit.apex_x - left, right - fit.apex_x)
    boxes = {fit.clip, whole, (max(0.0, fit.apex_x - reach), top, min(whole[2], fit.apex_x + reach), bottom)}
    leans = half - min(-fit.first_rad, fit.last_rad) > _LEANS_RAD
    first, last = (-half, half) if leans else (fit.first_rad, fit.last_rad)
    return [
        replace(fit, first_rad=first, last_rad=last, clip=box)
        for box in sorted(boxes)
        if leans or box != fit.clip
    ]


def like_one_side(fit: Geometry, inside: Mask) -> list[Geometry]:
    """Of a trapezoid, those that keep one side, and have as the other its parallel or mirrored tangent.

    What is drawn beside a field, or a corner that is cut off, may have spoilt one of its sides.
    """
    points = _contour(inside)
    if not isinstance(fit, Trapezoid) or len(points) < _MIN_POINTS:
        return []
    x, y = points[:, 0], points[:, 1]
    left, right = fit.left_slope, fit.right_slope
    box = (0.0, fit.box[1], inside.shape[1] - 1.0, fit.box[3])
    keep_left = [
        replace(fit, right=(x - slope * y).max(), right_slope=slope, box=box) for slope in (left, -left)
    ]
    keep_right = [
        replace(fit, left=(x - slope * y).min(), left_slope=slope, box=box) for slope in (right, -right)
    ]
    return [*keep_left, *keep_right]


def _fitted(points: Floats, start: Geometry) -> Geometry:
    """A geometry moved onto points; the box that cuts it off stays where it is."""
    numbers, moved = start.values, ~start.box_values

    def whole(values: Floats) -> Floats:
        every = numbers.copy()
        every[moved] = values
        return every

    def weights(distances: Floats) -> Floats:
        outside = _TOLERANCE_PX / np.maximum(distances, _TOLERANCE_PX)
        inside = 1 / (1 + (distances / _TOLERANCE_PX) ** 2)
        return np.where(distances > 0, outside, inside)

    def distances(values: Floats) -> Floats:
        return start.distances(whole(values), points)

    return start.with_values(whole(least_squares(distances, numbers[moved], weights)))


def _contour(inside: Mask) -> Floats:
    """Points along the outer contours of all parts, at even distances, (n, 2)."""
    contours, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.vstack([np.empty((0, 2)), *(contour[:, 0, :] for contour in contours)])
    return points[:: max(1, len(points) // _CONTOUR_POINTS)]


def _started_circle(points: Floats, clip: Box) -> Sector:
    x, y = (points.min(axis=0) + points.max(axis=0)) / 2
    radius = float(np.ptp(points, axis=0).mean() / 2)
    return Sector(float(x), float(y), 0.0, radius, -np.pi, np.pi, clip)


def _started_trapezoid(points: Floats, seen: Box) -> Trapezoid | None:
    """A first guess from the middle rows; None where both sides stand upright."""
    top, lefts, rights = _sides(points)
    middle = slice(len(lefts) // 5, max(len(lefts) // 5 + 3, 4 * len(lefts) // 5))
    rows = top + np.arange(len(lefts))[middle]
    if len(rows) < 3:
        return None
    left_slope, left_at = (float(value) for value in np.polyfit(rows, lefts[middle], 1))
    right_slope, right_at = (float(value) for value in np.polyfit(rows, rights[middle], 1))
    if max(abs(left_slope), abs(right_slope)) < _MIN_SLOPE:
        return None
    return Trapezoid(left_at, left_slope, right_at, right_slope, seen)


def _tangents(fit: Trapezoid, points: Floats) -> list[Geometry]:
    """Trapezoids around all points whose sides have both the slope of one side, or opposite ones."""
    x, y = points[:, 0], points[:, 1]
    slopes = fit.left_slope, fit.right_slope
    pairs = [
        (one, other) for slope in slopes for one, other in ((slope, slope), (slope, -slope), (-slope, slope))
    ]
    return [
        replace(fit, left=(x - one * y).min(), left_slope=one, right=(x - other * y).max(), right_slope=other)
        for one, other in pairs
    ]


def _started_sector(points: Floats, clip: Box) -> Sector | None:
    """A first guess from the rows in which the contour's hull grows wider; None where it does not."""
    top, lefts, rights = _sides(points)
    growing = int((rights - lefts).argmax()) + 1
    if growing < _MIN_GROWING * len(lefts):  # a rectangle whose corners were rounded
        return None
    # the first rows are the inner arc, the last ones may be cut off at the picture's border
    sides = slice(growing // 5, max(growing // 5 + 3, 4 * growing // 5))
    rows = top + np.arange(len(lefts))[sides]
    if len(rows) < 3:
        return None
    left_slope, left_at = np.polyfit(rows, lefts[sides], 1)
    right_slope, right_at = np.polyfit(rows, rights[sides], 1)
    first, last = float(np.arctan(left_slope)), float(np.arctan(right_slope))
    if last - first < _MIN_SPREAD_RAD:
        return None
    apex_y = (left_at - right_at) / (right_slope - left_slope)
    apex_x = left_at + left_slope * apex_y
    radii = np.hypot(*(points - (apex_x, apex_y)).T)
    return Sector(apex_x, apex_y, float(radii.min()), float(radii.max()), first, last, clip)


def _sides(points: Floats) -> tuple[int, Floats, Floats]:
    """The uppermost row of the points' hull, and of each of its rows the left and the right end."""
    top = int(points[:, 1].min())
    shape = tuple(points.max(axis=0).astype(int)[::-1] + 1)
    inside = filled(hull(points), shape)[top:]
    lefts = inside.argmax(axis=1).astype(np.float64)
    rights = shape[1] - 1 - inside[:, ::-1].argmax(axis=1).astype(np.float64)
    return top, lefts, rights
