"""Moves a shape of an ultrasound field onto the edges that pictures show, and tells how much lies on one.

An edge is where what is ever lit ends and the dark of the screen begins, however faint either is: levels are
compared as ratios. Of a shape's points each is searched along its own normal.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.screen.field.robust_fit import least_squares
from eus_etl.domain.screen.field.shapes import Floats, Geometry, Mask
from eus_etl.domain.screen.field.support import Along, Support

# Grey levels that count for nothing: what compression leaves of black.
_DARK_LEVELS = 2.0
# px on the copy that are averaged on either side of an edge
_SIDE_PX = 4
_POINTS = 160
# how far from a shape its edge is sought, in px of the copy, from the first look to the last
_REACHES_PX = (24, 12, 12, 6, 4)
_OUTLIER_PX = (8.0, 4.0, 3.0, 2.0, 1.0)
_FAR_COSTS = 0.25
# logarithm of the ratio of levels: from here a step may be an edge, from there it certainly is
_FAINT_STEP, _SHARP_STEP = 0.35, 0.8
# an edge is beyond the centre of the last pixel inside; less so on a copy, where that may be lit in part
_BEYOND_LAST_PX, _BEYOND_LAST_OF_COPY_PX = 0.3, 0.1
_SUPPORT_PX = 2
_WITHIN_PX, _BEYOND_PX = np.arange(-2 * _SIDE_PX, 1), np.arange(3, 17)
_DARKEST = 0.25
_STEPS = 6
# of the levels around something drawn, which one the screen has there
_GROUND = 0.4
# of a side that is moved as a whole: how far, what the farthest move costs, and which points are its own
_SIDE_REACH_PX, _SIDE_FAR_COSTS, _OF_SIDE, _MIN_SIDE_POINTS = 40, 0.15, 0.3, 4
# how much more of it has to lie on an edge there; how much, at how many places, where it is only a proposal
_FAR_MORE, _FAR_SOME, _PLACES = 0.25, 0.15, 2


@dataclass(frozen=True, slots=True)
class Edges:
    """What is ever lit.

    Attributes:
        levels: their logarithms, (h, w).
        beyond_px: how far an edge lies beyond the centre of the last pixel inside.
    """

    levels: Floats
    beyond_px: float

    @classmethod
    def of(cls, bright: Picture, *, shrunk: bool) -> Self:
        """Of the brightest that each pixel becomes, uint8 (h, w), of pictures or of smaller copies."""
        beyond_px = _BEYOND_LAST_OF_COPY_PX if shrunk else _BEYOND_LAST_PX
        return cls(np.log(bright.astype(np.float32) + _DARK_LEVELS), beyond_px)

    def without(self, drawn: Mask, around: Mask) -> Self:
        """As if something that is drawn was not there, but the screen around it, both (h, w)."""
        if not drawn.any():
            return self
        ground = np.quantile(self.levels[around], _GROUND) if around.any() else np.log(_DARK_LEVELS)
        return replace(self, levels=np.where(drawn, np.minimum(self.levels, np.float32(ground)), self.levels))

    @property
    def dark(self) -> Mask:
        """Where nothing is ever lit."""
        return np.asarray(self.levels < np.log(2.5 * _DARK_LEVELS))

    def settled(self, start: Geometry, most_px: int = _REACHES_PX[0]) -> Geometry:
        """The shape moved onto the edges around it, none of which is further away than ``most_px``."""
        geometry = start
        for reach, outlier in zip(_REACHES_PX, _OUTLIER_PX, strict=True):
            if reach > most_px:
                continue
            points, normals = resampled(geometry.outline(), _POINTS)
            if len(points) < 3:
                return start
            steps = self._steps(points, normals, reach)
            far = _FAR_COSTS * np.abs(np.arange(-reach, reach + 1)) / reach
            found, step = _peaks(steps, far)
            known = self._known(step)
            edge = points + (found - reach + self.beyond_px)[:, np.newaxis] * normals
            moved = geometry

            def distances(values: Floats, moved: Geometry = moved, edge: Floats = edge) -> Floats:
                return moved.distances(values, edge)

            def weights(off: Floats, known: Floats = known, outlier: float = outlier) -> Floats:
                return np.asarray(known / (1 + (off / outlier) ** 2) ** 2, np.float64)

            geometry = moved.with_values(least_squares(distances, moved.values, weights, _STEPS))
        return geometry

    def with_a_side_moved(self, start: Geometry) -> list[Geometry]:
        """The shape with one of its sides moved as a whole to where far more of that lies on an edge.

        ``settled`` follows each point to an edge nearby: a side that starts too far from its own stays with
        the few letters beside it.
        """
        moved = []
        for step, shares in self._sides(start, _SIDE_REACH_PX, _SIDE_REACH_PX):
            moves = np.arange(-_SIDE_REACH_PX, _SIDE_REACH_PX + 1)
            best = int((shares - _SIDE_FAR_COSTS * np.abs(moves) / _SIDE_REACH_PX).argmax())
            if shares[best] > shares[np.abs(moves) <= _SUPPORT_PX].max() + _FAR_MORE:
                moved.append(start.with_values(start.values + moves[best] * step))
        return moved

    def with_a_side_further_out(self, start: Geometry, least_px: int, most_px: int) -> list[Geometry]:
        """The shape with one of its sides moved out to where some of that lies on an edge, and settled there.

        The edge that it leaves may be the sharper one: it is not sought again. Of each side the two likeliest
        places: a bar that covers a part of it ends beside it.
        """
        moved = []
        for step, shares in self._sides(start, 0, most_px):
            likely = shares - _SIDE_FAR_COSTS * np.arange(len(shares)) / most_px
            likely[:least_px] = -np.inf
            for _ in range(_PLACES):
                best = int(likely.argmax())
                if likely[best] > -np.inf and shares[best] > _FAR_SOME:
                    further = start.with_values(start.values + best * step)
                    moved.append(self.settled(further, best - least_px // 2))
                likely[max(0, best - _SIDE_PX) : best + _SIDE_PX + 1] = -np.inf
        return moved

    def _sides(self, start: Geometry, inward_px: int, outward_px: int) -> Iterator[tuple[Floats, Floats]]:
        """Of each side what a px to the outside adds to the shape's numbers, and how much lies on an edge.

        The latter with the side at each offset, from so far inside to so far outside.
        """
        points, normals = resampled(start.outline(), _POINTS)
        if len(points) < 3:
            return
        reach = max(inward_px, outward_px)
        known = self._known(self._steps(points, normals, reach))
        moves = np.arange(-inward_px, outward_px + 1)
        here = start.distances(start.values, points)
        for numbers, sign, unit in start.outward:
            step = np.zeros(len(start.values))
            step[list(numbers)] = sign * unit
            # of a px that the side moves, how much each point of it does: less along a beam that turns
            goes_along = here - start.distances(start.values + step, points)
            own = goes_along > _OF_SIDE
            if np.count_nonzero(own) >= _MIN_SIDE_POINTS:
                places = reach + np.rint(goes_along[own, np.newaxis] * moves).astype(int)
                places = np.clip(places, 0, 2 * reach)
                yield step, np.take_along_axis(known[own], places, axis=1).mean(axis=0)

    def along(self, outline: Floats, seen: Mask) -> Along | None:
        """What there is along an outline, to a pixel or two; None if it is none.

        The picture's border is an edge where what was seen, (h, w), reaches it.
        """
        points, normals = resampled(outline, _POINTS)
        if len(points) < 3:
            return None
        on_edge = self._steps(points, normals, _SUPPORT_PX).max(axis=1) > _FAINT_STEP
        inside = self._profiles(points, normals, _WITHIN_PX)
        outside = np.quantile(self._profiles(points, normals, _BEYOND_PX), _DARKEST, axis=1)
        limit = np.array(self.levels.shape[::-1]) - 1
        at_border = ((points < _SUPPORT_PX) | (points > limit - _SUPPORT_PX)).any(axis=1)
        inner = np.clip(np.rint(points - _SIDE_PX * normals), 0, limit).astype(int)
        unseen = at_border & ~seen[inner[:, 1], inner[:, 0]]
        on_edge &= ~unseen
        dark = ~on_edge & (unseen | (inside.max(axis=1) < np.log(2.5 * _DARK_LEVELS)))
        dim = on_edge & (outside > np.quantile(outside, _DARKEST) + _FAINT_STEP)
        return Along(points, normals, on_edge, dark, dim)

    def support(self, outline: Floats, seen: Mask) -> Support:
        """How much of an outline lies on an edge."""
        along = self.along(outline, seen)
        return Support(0.0, 0.0, 0.0, ()) if along is None else along.support()

    @staticmethod
    def _known(steps: Floats) -> Floats:
        """How sure it is that steps of level are an edge, 0 to 1."""
        return np.asarray(np.clip((steps - _FAINT_STEP) / (_SHARP_STEP - _FAINT_STEP), 0, 1), np.float64)

    def _steps(self, points: Floats, normals: Floats, reach: int) -> Floats:
        """By how much the level falls from inside to outside, at each offset (n, 2 reach + 1)."""
        offsets = np.arange(-reach - _SIDE_PX, reach + _SIDE_PX + 1)
        sums = np.cumsum(self._profiles(points, normals, offsets), axis=1)
        sums = np.hstack([np.zeros((len(points), 1)), sums])
        count = 2 * reach + 1
        # an edge at an offset is where that pixel is the outermost one inside
        first = np.arange(count)
        inside = (sums[:, first + _SIDE_PX + 1] - sums[:, first + 1]) / _SIDE_PX
        outside = (sums[:, first + 2 * _SIDE_PX + 1] - sums[:, first + _SIDE_PX + 1]) / _SIDE_PX
        return np.asarray(inside - outside, np.float64)

    def _profiles(self, points: Floats, normals: Floats, offsets: NDArray[np.intp]) -> Floats:
        """Levels along each normal (n, offsets); beyond the picture it is dark."""
        places = points[:, np.newaxis] + offsets[np.newaxis, :, np.newaxis] * normals[:, np.newaxis]
        x, y = places[..., 0].astype(np.float32), places[..., 1].astype(np.float32)
        dark = float(np.log(_DARK_LEVELS))
        levels = cv2.remap(
            self.levels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=dark
        )
        return np.asarray(levels, np.float64)


def _peaks(steps: Floats, costs: Floats) -> tuple[Floats, Floats]:
    """Where each row of steps (n, offsets), less costs, is highest, to a part of an offset, and how high.

    Around its edge a step falls by as much on either side: what it falls less on one tells where between two
    offsets the edge lies.
    """
    highest = (steps - costs).argmax(axis=1)
    inner = np.clip(highest, 1, steps.shape[1] - 2)
    before, here, after = (
        np.take_along_axis(steps, (inner + off)[:, np.newaxis], axis=1)[:, 0] for off in (-1, 0, 1)
    )
    fall = here - np.minimum(before, after)
    aside = np.divide((after - before) / 2, fall, out=np.zeros_like(here), where=fall > 1e-6)
    at = highest + np.where(highest == inner, np.clip(aside, -0.5, 0.5), 0.0)
    return at, np.take_along_axis(steps, highest[:, np.newaxis], axis=1)[:, 0]


def resampled(outline: Floats, count: int) -> tuple[Floats, Floats]:
    """So many points at even distances along an outline, and their normals to the outside, both (n, 2)."""
    sides = np.roll(outline, -1, axis=0) - outline
    lengths = np.hypot(*sides.T)
    if len(outline) < 3 or lengths.sum() < 1:
        return np.empty((0, 2)), np.empty((0, 2))
    kept = lengths > 1e-6
    corners, sides, lengths = outline[kept], sides[kept], lengths[kept]
    ends = np.cumsum(lengths)
    at = (np.arange(count) + 0.5) * ends[-1] / count
    side = np.searchsorted(ends, at)
    along = (at - ends[side] + lengths[side]) / lengths[side]
    points = corners[side] + along[:, np.newaxis] * sides[side]
    directions = sides[side] / lengths[side][:, np.newaxis]
    area = np.sum(corners[:, 0] * np.roll(corners[:, 1], -1) - np.roll(corners[:, 0], -1) * corners[:, 1])
    normals = np.column_stack([directions[:, 1], -directions[:, 0]]) * np.sign(area)
    return points, normals
