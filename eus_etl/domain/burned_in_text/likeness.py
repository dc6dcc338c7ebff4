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
# pictures apart whose difference is a cell's change: no blinking is out of step with all of them
_APART = (4, 5, 6)
_USUAL_CHANGE = 0.6
# of cells: what moves in one place soon moves in the next
_BESIDE = 9
_LEAST_CHANGE = 2.0
_LASTING = 3
_FOR_A_MOMENT = 1.5
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
    return np.asarray(maps - np.float32(_EXCUSED) * _usual(maps), np.float32)


def surprise(maps: Likeness) -> Likeness:
    """How much more like text each place is than usual, as a multiple of how much it changes anyway.

    ``novelty`` asks which place is most new, and where bright tissue moves that is always the tissue. Here
    small letters in a calm corner stand out more. A place changes as much as it and what lies beside it do
    within about a second, most of the time: text that comes and goes changes it once or twice, or blinks in
    step with one of the intervals, and so does not excuse itself. What lasts for three pictures counts more
    than what shows on one: faint text lasts, speckle does not.

    Args:
        maps: (pictures, rows, cols) of pictures in a row, some dozens; of one picture, nothing surprises.
    """
    count = len(maps)
    if count < 2:
        return np.zeros_like(maps)
    changes = [
        _ranked(np.abs(maps[apart:] - maps[:-apart]), _USUAL_CHANGE)
        for apart in {min(apart, max(1, count // 6)) for apart in _APART}
    ]
    change = cv2.dilate(np.min(changes, axis=0), np.ones((_BESIDE, _BESIDE), np.uint8))
    above = np.asarray((maps - _usual(maps)) / np.maximum(change, _LEAST_CHANGE), np.float32)
    return np.asarray(np.maximum(_lasting(above), above / np.float32(_FOR_A_MOMENT)), np.float32)


def _lasting(maps: Likeness) -> Likeness:
    """The least of each three pictures in a row, and of these the largest that a picture is one of."""
    found = np.zeros_like(maps)
    windows = max(0, len(maps) - _LASTING + 1)
    if windows:
        least = np.min([maps[step : step + windows] for step in range(_LASTING)], axis=0)
        for step in range(_LASTING):
            of_window = found[step : step + windows]
            np.maximum(of_window, least, out=of_window)
    return found


def _usual(maps: Likeness) -> Likeness:
    return _ranked(maps[::_EVERY] if len(maps) >= _MANY else maps, _USUAL)


def _ranked(maps: Likeness, share: float) -> Likeness:
    """Of each cell the value that this share of the pictures stays below, (rows, cols)."""
    rank = int((len(maps) - 1) * share)
    return np.asarray(np.partition(maps, rank, axis=0)[rank], np.float32)


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
