"""Where the probe lost contact: a sector of the field that is dark from the transducer's surface down.

Looks along the beams of a region, in the stored cells. How far a shadow must spread to count is decided in
``quality``. Where beams run is taken from the outline alone, roughly: a cell is wider than a beam anyway.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.cells.statistics import CellGrid, GridGeometry
from eus_etl.domain.screen.region import Polygon, mask

Floats = NDArray[np.float64]

BEAMS = 32
"""Bundles of beams that are distinguished: a share of the field's width has steps of 3 %."""

_USUAL_QUANTILE = 0.75
"""A place is as bright as it is in one frame of four: a probe may hang in the air for half a recording."""

_USUAL_FRAMES = 512
"""Frames, spread over the recording, from which that is taken."""

_LIT_LEVELS = 16.0
"""Places that are usually darker than this say nothing of contact: depths without echo, vessels."""

_DARK_SHARE = 0.35
"""A place is dark where it has less than this share of its usual brightness."""

_DARK_LENGTH, _LIT_LENGTH = 0.8, 0.35
"""A beam is dark if this share of its lit places is; one with fewer lit places than that is not judged.

The shadow of a stone or a rib leaves the tissue above it bright, a fifth of the depth and more.
"""

_ROUND = 0.92
"""Area over squared circumference, as a share of a circle's, from which on a field is a radial probe's."""

_SIDES_FROM, _SIDES_LEAST = 0.1, 0.25
"""The sides of a sector run from below its top to its widest row; a field widest above this is no sector."""

_WORK_PX = 256
_FRAMES_AT_ONCE = 4096


def shadow_fractions(grid: CellGrid, polygon: Polygon, ordinary: NDArray[np.bool_]) -> Floats:
    """Share of the field's beams that are dark from the surface down, one value a frame.

    A beam's places count alike however wide the beam is there. What is dark in every frame of the layout is
    no lost contact: each place is compared with its own usual brightness.

    Args:
        grid: the segment's cells.
        polygon: the region, in picture px.
        ordinary: frames that show ultrasound; the usual brightness is theirs.

    Returns:
        0 to 1; NaN where there is no region or nothing is ordinary.
    """
    unknown = np.full(grid.frames, np.nan)
    beams = beam_weights(grid.geometry, polygon)
    if beams is None or not ordinary.any():
        return unknown
    usual = _usual(grid, ordinary)
    lit = usual > _LIT_LEVELS
    length = beams.sum(axis=0)
    lit_length = lit @ beams
    judged = (lit_length > 0) & (lit_length >= _LIT_LENGTH * length)
    if not judged.any():
        return unknown
    beams = np.where(lit[:, np.newaxis], beams, 0)[:, judged] / lit_length[judged]
    return np.concatenate(
        [
            (
                (_brightness(grid, slice(start, start + _FRAMES_AT_ONCE)) < _DARK_SHARE * usual) @ beams
                >= _DARK_LENGTH
            ).mean(axis=1)
            for start in range(0, grid.frames, _FRAMES_AT_ONCE)
        ]
    )


def beam_weights(geometry: GridGeometry, polygon: Polygon) -> Floats | None:
    """How much of each bundle of beams lies in each cell, (cells, ``BEAMS``); None without a region.

    Weights are lengths along the beam, in any unit.
    """
    if not len(polygon):
        return None
    scale = min(1.0, _WORK_PX / max(geometry.width_px, geometry.height_px))
    whole = mask(polygon, geometry.width_px, geometry.height_px)
    inside = cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) > 127
    if not inside.any():
        return None
    rows, columns = np.nonzero(inside)
    across, width = _along_beams(inside, columns.astype(np.float64), rows.astype(np.float64))
    within = (across >= 0) & (across <= 1)
    beam = np.minimum(across[within] * BEAMS, BEAMS - 1).astype(np.intp)
    x_px, y_px = (columns[within] + 0.5) / scale, (rows[within] + 0.5) / scale
    row = np.searchsorted(geometry.y_edges_px, y_px, side="right") - 1
    column = np.searchsorted(geometry.x_edges_px, x_px, side="right") - 1
    cell = np.clip(row, 0, geometry.rows - 1) * geometry.cols + np.clip(column, 0, geometry.cols - 1)
    weights = np.zeros((geometry.rows * geometry.cols, BEAMS))
    np.add.at(weights, (cell, beam), 1 / width[within])
    return weights


def _along_beams(inside: NDArray[np.bool_], x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The positions of places across the beams, 0 to 1, and how wide a beam is there.

    Beams of a round field go out from its middle; of one whose sides meet above it, from there; else down.
    """
    (outline, *_), _ = cv2.findContours(inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(outline)
    if 4 * np.pi * cv2.contourArea(hull) > _ROUND * cv2.arcLength(hull, closed=True) ** 2:
        right, down = x - x.mean(), y - y.mean()
        return np.arctan2(right, down) / (2 * np.pi) + 0.5, np.maximum(np.hypot(right, down), 1.0)
    apex = _apex(inside)
    if apex is None:
        return (x - x.min()) / (x.max() - x.min() + 1), np.ones_like(x)
    right, down = x - apex[0], y - apex[1]
    angle = np.arctan2(right, down)
    first, last = np.quantile(angle, [0.001, 0.999])
    return (angle - first) / (last - first), np.maximum(np.hypot(right, down), 1.0)


def _apex(inside: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Where the sides of a sector meet, x y; None where they run straight down."""
    rows = np.flatnonzero(inside.any(axis=1))
    left = inside[rows].argmax(axis=1)
    right = inside.shape[1] - 1 - inside[rows, ::-1].argmax(axis=1)
    widest = int(np.argmax(right - left >= 0.98 * (right - left).max()))
    if widest < _SIDES_LEAST * len(rows):
        return None
    sides = slice(int(_SIDES_FROM * widest), widest + 1)
    left_slope, left_start = np.polyfit(rows[sides], left[sides], 1)
    right_slope, right_start = np.polyfit(rows[sides], right[sides], 1)
    y = (left_start - right_start) / (right_slope - left_slope)
    return float(left_start + left_slope * y), float(y)


def _brightness(grid: CellGrid, rows: slice | NDArray[np.intp]) -> NDArray[np.float32]:
    """Mean grey level of the cells of some frames, (frames, cells)."""
    codes = grid.codes[rows]
    return CellGrid(grid.segment, grid.geometry, codes).statistic("brightness").reshape(len(codes), -1)


def _usual(grid: CellGrid, ordinary: NDArray[np.bool_]) -> Floats:
    rows = np.flatnonzero(ordinary)
    spread = rows[np.linspace(0, len(rows) - 1, min(len(rows), _USUAL_FRAMES)).astype(np.intp)]
    return np.asarray(np.quantile(_brightness(grid, spread), _USUAL_QUANTILE, axis=0), np.float64)
