"""Fits the shape of an ultrasound field to a mask of where ultrasound was seen.

How the mask is made belongs to ``motion_mask``, whether a fit is believed to ``region``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from eus_etl.domain.screen.field_shapes import Box, Floats, Mask, Rectangle, Sector, filled, hull, overlap

Geometry = Rectangle | Sector
Kind = Literal["linear", "sector"]

_STEPS = 30
# px on the mask: what a contour may be off without losing weight (rounding, compression)
_TOLERANCE_PX = 1.0
_CONTOUR_POINTS, _MIN_POINTS = 600, 16
_SUPPORT_PX = 7
_MIN_GROWING = 0.1
_MIN_SPREAD_RAD = np.deg2rad(15)
_MAX_HALF_ANGLE = np.deg2rad(120)


@dataclass(frozen=True, slots=True)
class Fit:
    """A geometry that was fitted to a mask.

    Attributes:
        kind: ``linear`` or ``sector``.
        outline: (n, 2) x y of its corners, px of the mask.
        agreement: intersection over union of its hull with the mask's hull, 0 to 1: a dark part at the edge
            takes nothing away, nor does the way in which an inner arc ends.
        support: share of its outline along which the mask ends, 0 to 1.
    """

    kind: Kind
    outline: Floats
    agreement: float
    support: float


def fit_field(inside: Mask) -> list[Fit]:
    """Fit a rectangle, a sector and a full circle; the best agreement comes first.

    Side lines and arcs are started from the mask's rows and then moved, all at once, until its contour lies
    on them: iteratively reweighted least squares (Holland and Welsch, 1977). What lies outside of an outline
    pulls it with Huber's weights; what lies inside pulls less the deeper it lies (Cauchy's weights), so that
    a dark wing or a rounded corner leaves the outline where the rest of the contour puts it.

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
    geometries: list[Geometry] = [_fitted_rectangle(points, seen), _fitted_circle(points, whole)]
    start = _started_sector(points, whole)
    if start is not None:
        sectors = [_fitted_sector(points, start, clip) for clip in (whole, seen)]
        geometries += [sector for sector in sectors if sector.last_rad - sector.first_rad > _MIN_SPREAD_RAD]
    fits = [
        _judged("linear" if isinstance(geometry, Rectangle) else "sector", geometry.outline(), points, inside)
        for geometry in geometries
    ]
    return sorted(fits, key=lambda fit: -fit.agreement)


def _judged(kind: Kind, outline: Floats, points: Floats, inside: Mask) -> Fit:
    agreement = overlap(filled(hull(outline), inside.shape), filled(hull(points), inside.shape))
    line, contour = np.zeros(inside.shape, np.uint8), np.zeros(inside.shape, np.uint8)
    cv2.polylines(line, [np.rint(outline).astype(np.int32)], True, 1)
    contour[tuple(points[:, ::-1].astype(int).T)] = 1
    near = cv2.dilate(contour, np.ones((_SUPPORT_PX, _SUPPORT_PX), np.uint8)) > 0
    support = np.count_nonzero(near & (line > 0)) / max(1, int(np.count_nonzero(line)))
    return Fit(kind, outline, agreement, support)


def _contour(inside: Mask) -> Floats:
    """Points along the outer contours of all parts, at even distances, (n, 2)."""
    contours, _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.vstack([np.empty((0, 2)), *(contour[:, 0, :] for contour in contours)])
    return points[:: max(1, len(points) // _CONTOUR_POINTS)]


def _fitted_rectangle(points: Floats, start: Box) -> Rectangle:
    def distances(sides: Floats) -> Floats:
        return _box_distances(points, sides)

    left, top, right, bottom = _least_squares(distances, np.array(start))
    return Rectangle(left, top, right, bottom)


def _fitted_circle(points: Floats, clip: Box) -> Sector:
    def distances(circle: Floats) -> Floats:
        return np.asarray(np.hypot(*(points - circle[:2]).T) - circle[2], np.float64)

    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    start = np.array([*middle, np.ptp(points, axis=0).mean() / 2])
    x, y, radius = _least_squares(distances, start)
    return Sector(x, y, 0.0, abs(radius), -np.pi, np.pi, clip)


def _started_sector(points: Floats, clip: Box) -> Sector | None:
    """A first guess from the rows in which the contour's hull grows wider; None where it does not."""
    top = int(points[:, 1].min())
    shape = tuple(points.max(axis=0).astype(int)[::-1] + 1)
    inside = filled(hull(points), shape)[top:]
    lefts = inside.argmax(axis=1).astype(np.float64)
    rights = shape[1] - 1 - inside[:, ::-1].argmax(axis=1).astype(np.float64)
    growing = int((rights - lefts).argmax()) + 1
    if growing < _MIN_GROWING * len(inside):  # a rectangle whose corners were rounded
        return None
    # the first rows are the inner arc, the last ones may be cut off at the picture's border
    sides = slice(growing // 5, max(growing // 5 + 3, 4 * growing // 5))
    rows = top + np.arange(len(inside))[sides]
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


def _fitted_sector(points: Floats, start: Sector, clip: Box) -> Sector:
    box = np.array(clip)

    def distances(sector: Floats) -> Floats:
        apex_x, apex_y, inner, outer, first, last = sector
        x, y = points[:, 0] - apex_x, points[:, 1] - apex_y
        radius = np.hypot(x, y)
        beyond_first = y * np.sin(first) - x * np.cos(first)
        beyond_last = x * np.cos(last) - y * np.sin(last)
        beyond = np.stack([radius - outer, inner - radius, beyond_first, beyond_last])
        return np.asarray(np.maximum(beyond.max(axis=0), _box_distances(points, box)), np.float64)

    values = np.array(
        [start.apex_x, start.apex_y, start.inner_px, start.outer_px, start.first_rad, start.last_rad]
    )
    apex_x, apex_y, inner, outer, first, last = _least_squares(distances, values)
    return Sector(
        apex_x,
        apex_y,
        max(0.0, inner),
        outer,
        max(first, -_MAX_HALF_ANGLE),
        min(last, _MAX_HALF_ANGLE),
        clip,
    )


def _box_distances(points: Floats, sides: Floats) -> Floats:
    """How far points (n, 2) lie outside of a box, px; negative inside."""
    low, high = sides[:2] - points, points - sides[2:]
    return np.asarray(np.hstack([low, high]).max(axis=1), np.float64)


def _least_squares(distances: Callable[[Floats], Floats], start: Floats) -> Floats:
    """Parameters that bring distances near 0: reweighted Gauss-Newton, damped as by Levenberg (1944)."""
    values, damping = start.astype(np.float64), 1e-3
    cost = _cost(distances(values))
    for _ in range(_STEPS):
        here = distances(values)
        steps = 1e-4 * np.maximum(1.0, np.abs(values))
        slopes = np.column_stack(
            [
                (distances(values + step) - here) / length
                for step, length in zip(np.diag(steps), steps, strict=True)
            ]
        )
        weights = _weights(here)
        normal = slopes.T @ (weights[:, np.newaxis] * slopes)
        damped = normal + damping * np.diag(np.diag(normal) + 1e-9)
        proposed = values - np.linalg.lstsq(damped, slopes.T @ (weights * here), rcond=None)[0]
        proposed_cost = _cost(distances(proposed))
        if proposed_cost < cost:
            small = cost - proposed_cost < 1e-6 * cost
            values, cost, damping = proposed, proposed_cost, damping / 5
            if small:
                break
        else:
            damping *= 5
    return values


def _weights(distances: Floats) -> Floats:
    outside = _TOLERANCE_PX / np.maximum(distances, _TOLERANCE_PX)
    inside = 1 / (1 + (distances / _TOLERANCE_PX) ** 2)
    return np.where(distances > 0, outside, inside)


def _cost(distances: Floats) -> float:
    """What the weights minimise: Huber's loss outside, Cauchy's inside."""
    outside = np.where(
        distances <= _TOLERANCE_PX, distances**2 / 2, _TOLERANCE_PX * (distances - _TOLERANCE_PX / 2)
    )
    inside = _TOLERANCE_PX**2 / 2 * np.log1p((distances / _TOLERANCE_PX) ** 2)
    return float(np.where(distances > 0, outside, inside).sum())
