"""Chooses from pictures in a row the patches that a reader of text should see.

From each picture the place that most newly looks like text, at the scale of its letters, and more places
where that is unusual: so what shows for a single picture is read, wherever it is. Where bright tissue moves,
small letters in a calm corner are not the newest: a place that surprises, for how little it changes
otherwise, is read too. From each few seconds the places that most look like text among what stays put. A
patch is a fiftieth of a picture, which is what makes it possible to look at every picture.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np

from eus_etl.domain.burned_in_text.likeness import (
    CELL_PX,
    Likeness,
    darkest_and_brightest,
    likeness,
    novelty,
    surprise,
)
from eus_etl.domain.images.picture import Picture

PATCH_W, PATCH_H = 152, 48
"""A patch's size, px."""

_AROUND = 48
"""Pictures whose usual look each is compared with: ten seconds at 5 Hz."""
_STILL = 16
_STILL_PATCHES = 3
# what a picture without text shows at its most text-like place, at least
_LEAST_USUAL = 4.0
# twice what is usual is rare without text: then more than one place of a picture is read
_UNUSUAL = 2.0
_NEW_PATCHES = 4
# times what the most surprising place has in the calmer pictures (a text may show on half of them), within
# bounds: of pictures without text, one in thirty has more
_SURPRISING, _CALMER = 1.3, 0.25
_LEAST_SURPRISING, _MOST_SURPRISING = 5.5, 7.0
# grey levels over which a patch is spread at most; more would make letters of speckle
_LEAST_CONTRAST = 48


@dataclass(frozen=True, slots=True)
class Patch:
    """A piece of one picture, or of what stays put in several.

    Attributes:
        first, stop: positions of its first picture, and after its last one.
        x, y: its corner in the picture, px.
        scale: px of the picture per px of the patch.
        picture: grey uint8, (PATCH_H, PATCH_W) or less where the picture is smaller.
        new: how newly it looks like text, in grey levels; 0 for what stays put.
    """

    first: int
    stop: int
    x: int
    y: int
    scale: int
    picture: Picture
    new: float = 0.0


def patches(pictures: Iterable[Picture]) -> Iterator[Patch]:
    """The patches of pictures in time order, a few dozen pictures in memory at a time.

    Args:
        pictures: grey uint8 (h, w), all of one size.
    """
    first = 0
    for around in _stretches(iter(pictures)):
        yield from _new_patches(around, first)
        for start in range(0, len(around), _STILL):
            yield from _still_patches(around[start : start + _STILL], first + start)
        first += len(around)


def _stretches(pictures: Iterator[Picture]) -> Iterator[list[Picture]]:
    """The pictures in stretches of ``_AROUND``; the last one takes in what is left."""
    around = list(islice(pictures, _AROUND))
    while around:
        following = list(islice(pictures, _AROUND))
        if len(following) < _AROUND:
            yield around + following
            return
        yield around
        around = following


def _new_patches(pictures: Sequence[Picture], first: int) -> Iterator[Patch]:
    """A patch of each picture, at full size, or halved where strokes are thick; more where it is unusual."""
    scaled = [pictures, [_halved(picture) for picture in pictures]]
    like = [np.stack([likeness(picture) for picture in of_scale]) for of_scale in scaled]
    new, surprising = [novelty(maps) for maps in like], [_surprising(maps) for maps in like]
    usual = [max(_LEAST_USUAL, float(np.median(maps.max(axis=(1, 2))))) for maps in new]
    for number in range(len(pictures)):
        left = [maps[number] / level for maps, level in zip(new, usual, strict=True)]
        span = first + number, first + number + 1
        for turn in range(_NEW_PATCHES):
            which, top = _most(left)
            if turn and top < _UNUSUAL:
                break
            patch = _cut(scaled[which][number], _peak(left[which]), span=span, scale=1 + which, new=top)
            yield patch
            _take(left[which], patch)
            _take(surprising[which][number], patch)
        which, top = _most([maps[number] for maps in surprising])
        if top >= 1:
            cell = _peak(surprising[which][number])
            value = max(0.0, float(left[which][cell]))
            patch = _cut(scaled[which][number], cell, span=span, scale=1 + which, new=value)
            yield patch
            # where it goes on, every other picture is enough
            for following in surprising[which][number + 1 : number + 2]:
                _take(following, patch)


def _most(of_scales: Sequence[Likeness]) -> tuple[int, float]:
    """The scale at which a value is largest, full size before half, and the value."""
    tops = [float(values.max()) for values in of_scales]
    which = int(tops[1] > tops[0])
    return which, tops[which]


def _surprising(maps: Likeness) -> Likeness:
    """How surprising each place is; from 1 on, the picture's most surprising one is read."""
    values = surprise(maps)
    usual = float(np.quantile(values.max(axis=(1, 2)), _CALMER))
    enough = np.clip(_SURPRISING * usual, _LEAST_SURPRISING, _MOST_SURPRISING)
    return np.asarray(values / np.float32(enough), np.float32)


def _still_patches(pictures: Sequence[Picture], first: int) -> Iterator[Patch]:
    """The places that most look like text among what stays put; none twice."""
    page = darkest_and_brightest(pictures)
    left = likeness(page)
    for _ in range(_STILL_PATCHES):
        if left.max() <= 0:
            return
        patch = _cut(page, _peak(left), span=(first, first + len(pictures)), scale=1, new=0.0)
        yield patch
        _take(left, patch)


def _take(left: Likeness, patch: Patch) -> None:
    """Leave a patch's cells out of what may be chosen next, at its own scale."""
    row, col = patch.y // patch.scale // CELL_PX, patch.x // patch.scale // CELL_PX
    rows = slice(max(0, row - 1), row + PATCH_H // CELL_PX + 1)
    left[rows, max(0, col - 2) : col + PATCH_W // CELL_PX + 2] = 0


def _peak(values: Likeness) -> tuple[int, int]:
    """Row and column of the largest."""
    row, col = np.unravel_index(int(values.argmax()), values.shape)
    return int(row), int(col)


def _cut(picture: Picture, cell: tuple[int, int], *, span: tuple[int, int], scale: int, new: float) -> Patch:
    """The patch around a cell, moved to lie within the picture."""
    height, width = picture.shape
    row, col = cell
    x = max(0, min(col * CELL_PX + CELL_PX // 2 - PATCH_W // 2, width - PATCH_W))
    y = max(0, min(row * CELL_PX + CELL_PX // 2 - PATCH_H // 2, height - PATCH_H))
    piece = _spread(picture[y : y + PATCH_H, x : x + PATCH_W])
    return Patch(*span, x * scale, y * scale, scale, piece, new)


def _spread(piece: Picture) -> Picture:
    """The piece with full contrast: dark letters on dark tissue are read better."""
    share = np.bincount(piece.ravel(), minlength=256).cumsum() / piece.size
    low, high = (float(level) for level in np.searchsorted(share, (0.01, 0.99)))
    factor = 255 / max(_LEAST_CONTRAST, high - low)
    return np.asarray(cv2.convertScaleAbs(np.maximum(piece, low), alpha=factor, beta=-low * factor), np.uint8)


def _halved(picture: Picture) -> Picture:
    height, width = picture.shape
    size = max(1, width // 2), max(1, height // 2)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
