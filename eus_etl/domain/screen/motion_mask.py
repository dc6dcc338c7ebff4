"""Where ultrasound was seen on a screen: the area that moves, or, of a still screen, the area that is lit.

Everything here is on small copies of the pictures. Which outline is drawn around the area belongs to
``region_search``, its shape to ``field``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.sampling import spread
from eus_etl.domain.screen.field.shapes import filled, hull
from eus_etl.domain.screen.region import Box

Mask = NDArray[np.bool_]

WORK_PX = 512
"""Longer side of the copies on which a region is sought."""

_PICTURES = 24
_AREAS = 3
_LEVELS = (3, 8, 20)
# how much of what lies between two areas is lit and changes where they are parts of one
_JOINED = 0.5

# a border strip's height, and how lively it is at least where ultrasound fills the picture
_STRIPS, _LIVELY_LEVELS, _LIVELY_SHARE = 24, 4.0, 0.25
_MOVING_LEVELS = 2
# Compression makes static text flicker by a few percent of its contrast, out to the next macroblock. The
# flicker counts for no motion; faint motion in the dark wings of a sector, without contrast, does.
_FLICKER_SHARE = 0.04
_FLICKER_PX = 25
# For the same reason the screen beside a lively field flickers: the field ends where this share of the
# liveliness nearby is left.
_EDGE_SHARE = 0.15
# what is lit at all in a still picture, and what its dark wings still are
_LIT_LEVELS = (12, 3)
_GLARING_LEVELS = 40
# Sides on the 512 px copy. Text of a header is less than 17 px high there, also with the halo that
# compression gives it; the field is wider than that everywhere but in its corners.
_SPECKLE_PX = 7
_CLOSE_PX = 9
_OPEN_PX = 17
_NARROW_PX = 5
_DARK_LINE_SHARE = 0.02
# what comes and goes: by how much, as a share of all that happens to the pixel, in how many pictures at least
# it is there and is not, and how wide it is at most
_BLINK_LEVELS, _BLINK_SHARE, _BLINK_PICTURES, _BLINK_PX = 40, 0.7, 2, 49


@dataclass(frozen=True, slots=True)
class Seen:
    """An area where ultrasound was seen.

    Attributes:
        area: without holes; it ends where what is seen ends beside what is lively.
        faint: the area, what is seen only faintly beside it (a wing without contact), and what compression
            smears over its border.
    """

    area: Mask
    faint: Mask

    def left_out(self, inside: Mask) -> tuple[int, int]:
        """How many pixels of the area, and of what was faintly seen, lie outside of a shape.

        A narrow border does not count: where exactly an edge is, the edge tells.
        """
        return _wide_pixels(self.area & ~inside, _NARROW_PX), _wide_pixels(self.faint & ~inside, _OPEN_PX)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What pictures spread over one layout say of each pixel of their copies, all (h, w).

    Attributes:
        typical: grey level of the median picture.
        bright: grey level that a tenth of the pictures exceed; of a few pictures the brightest.
        deviation: range between the first and the ninth decile over the pictures, without specks: a mark
            that blinks rarely does not move it.
        glaring: so bright, in more than a tenth of the pictures, that it may be text.
        blinking: what is written on the black screen for some of the time; ``bright`` and ``deviation`` are
            those of the rest of the time.
        scale: how large the copies are, of the pictures; 1 at most.
    """

    typical: Picture
    bright: Picture
    deviation: Picture
    glaring: Mask
    blinking: Mask
    scale: float

    @classmethod
    def of(cls, pictures: Sequence[Picture]) -> Self:
        """Of grey uint8 pictures (H, W), at least one, all of one size."""
        chosen = [pictures[place] for place in spread(len(pictures), _PICTURES)]
        ranked = np.sort(np.stack([work_copy(picture) for picture in chosen]), axis=0)
        last = len(ranked) - 1
        typical, bright, low = ranked[last // 2], ranked[round(0.9 * last)], ranked[round(0.1 * last)]
        glaring, blinking = bright > _GLARING_LEVELS, _blinking(ranked)
        bright = np.where(blinking, low, bright)
        scale = bright.shape[1] / pictures[0].shape[1]
        return cls(typical, bright, _smooth(bright - low), glaring, blinking, scale)

    def moving(self) -> Mask:
        """Pixels that change by more than compression makes static text flicker."""
        return np.asarray(
            self.deviation > np.maximum(_MOVING_LEVELS, _FLICKER_SHARE * _contrast_nearby(self.typical))
        )

    def moving_areas(self) -> list[Seen]:
        """The largest areas that move, the largest first.

        A closing, an opening that removes what is as thin as text (a ticking clock, marks beside the field),
        then each component's border where its liveliness ends.
        """
        moving = self.moving()
        side = _scaled_side(_FLICKER_PX, moving.shape)
        lively = cv2.blur(cv2.dilate(self.deviation, np.ones((side, side), np.uint8)), (side, side))
        sharp = moving & (self.deviation > _EDGE_SHARE * lively)
        areas = components(opened(closed(moving)))[:_AREAS]
        return [Seen(_largest(closed(sharp & grown(area, _CLOSE_PX))), area) for area in areas]

    def joined(self, areas: Sequence[Seen]) -> Seen | None:
        """The first of some areas with those that only something faint parts from it; None where none is.

        A shadow, or a cyst, may part a field: it changes, too, if less. The screen between two pictures does
        not.
        """
        changes = (self.bright >= _LEVELS[0]) & (self.deviation > 0)
        whole = None
        for other in areas[1:]:
            first = whole or areas[0]
            both = Seen(first.area | other.area, first.faint | other.faint)
            around = filled(hull(np.argwhere(both.area)[:, ::-1].astype(np.float64)), both.area.shape)
            between = around & ~(both.area | both.faint)
            if np.count_nonzero(between & changes) > _JOINED * np.count_nonzero(between):
                whole = both
        return whole

    def still(self) -> Mask:
        """What is lit, and does not move, or only comes and goes: no ultrasound, where ultrasound moves."""
        return np.asarray(self.blinking | (self.bright > _LIT_LEVELS[0]) & ~self.moving())

    def lively_to_its_border(self) -> bool:
        """Whether nearly all of the picture's border moves as its middle does: ultrasound that fills it.

        Along the border of a filmed screen, or of a screen that shakes, there is black that only flickers.
        """
        strip = max(3, len(self.deviation) // _STRIPS)
        moved = self.deviation.astype(np.float64)
        rows = [
            part.mean() for side in (moved[:strip], moved[-strip:]) for part in np.array_split(side, 8, 1)
        ]
        columns = [
            part.mean()
            for side in (moved[:, :strip], moved[:, -strip:])
            for part in np.array_split(side, 8, 0)
        ]
        parts = np.array([*rows, *columns])
        usual = float(np.quantile(moved, 0.8))
        return bool(parts.min() >= _LIVELY_LEVELS and np.quantile(parts, 0.1) >= _LIVELY_SHARE * usual)

    def lit_around(self) -> list[Mask]:
        """The largest area that is lit, by several levels."""
        return [_largest(opened(closed(_smooth(self.bright) > level))) for level in _LEVELS]

    def lit_areas(self) -> list[Seen]:
        """What is lit in the median picture, by two levels, within the box that dark lines leave of it.

        As for motion, but all parts count, as black blood or a cyst may part a still field. What dark rows or
        columns part from it (a header's bar, a column of parameters) is no part of it, however little space
        there is between (Nagy and Seth's X-Y cut, 1984).
        """
        return [Seen(area, area) for area in map(self._lit_area, _LIT_LEVELS)]

    def _lit_area(self, level: int) -> Mask:
        lit = _smooth(self.typical) > level
        area = opened(closed(lit))
        for axis in (1, 0, 1, 0):
            area = _widest_band(area, lit, axis)
        return area


def _widest_band(area: Mask, lit: Mask, axis: int) -> Mask:
    """Of the bands of rows (axis 1) or columns (axis 0) between dark lines, the one that holds most area."""
    shown = np.count_nonzero(area & lit, axis=axis)
    dark = shown <= _DARK_LINE_SHARE * shown.max()
    band = np.cumsum(dark)
    weight = np.bincount(band, np.where(dark, 0, np.count_nonzero(area, axis=axis)))
    kept = (band == weight.argmax()) & ~dark
    return np.asarray(area & np.expand_dims(kept, axis))


def work_copy(picture: Picture) -> Picture:
    """The picture, or its copy of ``WORK_PX`` where it is larger."""
    scale = WORK_PX / max(picture.shape)
    if scale >= 1:
        return picture
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def boxes_on_copy(boxes: Sequence[Box], shape: tuple[int, ...], copy_shape: tuple[int, ...]) -> Mask:
    """Where boxes x, y, width, height of a picture (h, w) lie on its copy."""
    drawn = np.zeros(copy_shape, np.bool_)
    scale = copy_shape[1] / shape[1]
    for x, y, width, height in boxes:
        left, top = round(x * scale), round(y * scale)
        drawn[max(0, top) : round((y + height) * scale), max(0, left) : round((x + width) * scale)] = True
    return drawn


def _blinking(ranked: NDArray[np.uint8]) -> Mask:
    """Where pictures, sorted per pixel (n, h, w), show now black and now one bright level: (h, w).

    A word that comes and goes has two levels and none between; speckle has many, also where it moves over
    black blood. An area wider than letters counts for none: a field that loses its contact for a while.
    """
    count = len(ranked)
    if count < 2 * _BLINK_PICTURES + 2:
        return np.zeros(ranked.shape[1:], np.bool_)
    first = _BLINK_PICTURES - 1
    gaps = np.diff(ranked, axis=0)[first : count - _BLINK_PICTURES]
    gap = gaps.max(axis=0)
    black = np.take_along_axis(ranked, gaps.argmax(axis=0)[np.newaxis] + first, axis=0)[0]
    two_levels = (gap > _BLINK_LEVELS) & (gap > _BLINK_SHARE * (ranked[-1] - ranked[0]))
    found = (black <= _LIT_LEVELS[0]) & two_levels
    wide = cv2.morphologyEx(found.astype(np.uint8), cv2.MORPH_OPEN, _disc(_BLINK_PX, found.shape)) > 0
    # the soft ends of letters, and what compression leaves around them
    return grown(found & ~wide, _NARROW_PX)


def _smooth(evidence: Picture) -> Picture:
    return np.asarray(cv2.medianBlur(evidence, _SPECKLE_PX), np.uint8)


def _contrast_nearby(typical: Picture) -> Picture:
    side = _scaled_side(_FLICKER_PX, typical.shape)
    near = np.ones((side, side), np.uint8)
    return np.asarray(cv2.dilate(typical, near) - cv2.erode(typical, near), np.uint8)


def closed(area: Mask) -> Mask:
    """An area without its small gaps."""
    disc = _disc(_CLOSE_PX, area.shape)
    return cv2.morphologyEx(area.astype(np.uint8), cv2.MORPH_CLOSE, disc) > 0


def opened(area: Mask) -> Mask:
    """An area without what is as thin as text."""
    return cv2.morphologyEx(area.astype(np.uint8), cv2.MORPH_OPEN, _disc(_OPEN_PX, area.shape)) > 0


def _wide_pixels(area: Mask, diameter_px: int) -> int:
    """How many pixels are left of an area without what is narrower than a disc."""
    disc = _disc(diameter_px, area.shape)
    if np.count_nonzero(area) < np.count_nonzero(disc):
        return 0
    return int(np.count_nonzero(cv2.morphologyEx(area.astype(np.uint8), cv2.MORPH_OPEN, disc)))


def grown(area: Mask, diameter_px: int) -> Mask:
    """An area with what is near it; the diameter on the 512 px copy."""
    return cv2.dilate(area.astype(np.uint8), _disc(diameter_px, area.shape)) > 0


def components(area: Mask) -> list[Mask]:
    """The connected parts, the largest first."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(area.astype(np.uint8))
    by_size = sorted(range(1, count), key=lambda number: -stats[number, cv2.CC_STAT_AREA])
    return [labels == number for number in by_size]


def _largest(area: Mask) -> Mask:
    """The largest connected part, its holes filled."""
    contours, _ = cv2.findContours(area.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(area.shape, np.uint8)
    if contours:
        cv2.fillPoly(filled, [max(contours, key=cv2.contourArea)], 1)
    return filled > 0


def _disc(diameter_px: int, shape: tuple[int, ...]) -> Picture:
    side = _scaled_side(diameter_px, shape)
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _scaled_side(side_px: int, shape: tuple[int, ...]) -> int:
    """An odd length that is on a copy of this shape what ``side_px`` is on one of 512 px."""
    return max(3, round(side_px * max(shape) / WORK_PX) | 1)
