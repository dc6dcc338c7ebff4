"""How much each place of a picture looks like a line of text: thin strokes that stand out, side by side.

Text is thin and has contrast, bright or dark: a top-hat and a black-hat keep what is thinner than a stroke
may be, and drop tissue. Speckle is thin too, but everywhere: what counts is how much more of it a place has
than usual.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.images.picture import Picture

CELL_PX = 8
"""Side of a cell of the map."""

Likeness = NDArray[np.float32]
"""Grey levels of strokes around each cell, (rows, cols) or (pictures, rows, cols)."""

_STROKE_PX = 11
_SPECKLE_LEVELS = 20
# of cells: some letters side by side
_LETTERS = (6, 2)
_USUAL = 1 / 6
_MANY, _EVERY = 32, 3
_EXCUSED = 1.5
_LIT_SHARE = 0.5


def likeness(picture: Picture) -> Likeness:
    """The map of one grey picture, (h // CELL_PX, w // CELL_PX)."""
    side = np.ones((_STROKE_PX, _STROKE_PX), np.uint8)
    bright = cv2.morphologyEx(picture, cv2.MORPH_TOPHAT, side)
    dark = cv2.morphologyEx(picture, cv2.MORPH_BLACKHAT, side)
    strokes = cv2.subtract(cv2.max(bright, dark), np.full_like(picture, _SPECKLE_LEVELS))
    height, width = picture.shape
    size = max(1, width // CELL_PX), max(1, height // CELL_PX)
    cells = cv2.resize(strokes, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    return np.asarray(cv2.boxFilter(cells, -1, _LETTERS, borderType=cv2.BORDER_REPLICATE), np.float32)


def novelty(maps: Likeness) -> Likeness:
    """How much more like text each place is than it is in a sixth of the pictures around.

    What shows in fewer than five sixths of them stands out, also what blinks; what stays does not.

    Args:
        maps: (pictures, rows, cols) of pictures in a row, some dozens.
    """
    some = maps[::_EVERY] if len(maps) >= _MANY else maps
    rank = int((len(some) - 1) * _USUAL)
    usual = np.partition(some, rank, axis=0)[rank]
    return np.asarray(maps - np.float32(_EXCUSED) * usual, np.float32)


def darkest_and_brightest(pictures: Sequence[Picture]) -> Picture:
    """What stays put in most of the pictures, as text does and speckle does not: dark on white.

    A pixel's darkest value keeps bright text, its brightest dark text; of these, what is thin is kept. One
    picture in eight may show something else entirely, and dark pictures do not count: they show no text, and
    would hide that of the others.

    Args:
        pictures: grey uint8 (h, w), at least one.
    """
    means = np.array([picture.mean() for picture in pictures])
    lit = [pictures[int(at)] for at in np.flatnonzero(means >= _LIT_SHARE * np.median(means))]
    rank = len(lit) // 8
    darkest = _darkest(lit, rank)
    brightest = 255 - _darkest([255 - picture for picture in lit], rank)
    side = np.ones((2 * _STROKE_PX + 1,) * 2, np.uint8)
    bright = cv2.morphologyEx(darkest, cv2.MORPH_TOPHAT, side)
    dark = cv2.morphologyEx(brightest, cv2.MORPH_BLACKHAT, side)
    return np.asarray(255 - cv2.max(bright, dark), np.uint8)


def _darkest(pictures: Sequence[Picture], rank: int) -> Picture:
    """Each pixel's darkest value but ``rank`` of them; a twentieth of the time that sorting takes."""
    kept = [np.full_like(pictures[0], 255) for _ in range(rank + 1)]
    for picture in pictures:
        carried = picture
        for place, before in enumerate(kept):
            kept[place] = np.asarray(cv2.min(before, carried), np.uint8)
            carried = np.asarray(cv2.max(before, carried), np.uint8)
    return kept[rank]
