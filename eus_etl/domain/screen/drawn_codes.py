"""Tells bar codes and QR codes from ultrasound: two grey levels, and edges that stand in line.

The text on a picture belongs to a reader; codes hold names as well, and no reader of text sees them.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from eus_etl.domain.images.picture import Picture

_SIDES_PX = (32, 64)
_LEVELS_APART = 80
_NEAR_A_LEVEL = 0.8
_LEAST_OF_A_LEVEL = 0.2
_EDGE_EVERY_PX = 9
_LEAST_ROWS = 0.3
_SAME_AS_NEXT = 0.9
_TAIL = 0.1
# what levels that far apart in the tails make of it at least
_LEAST_VARIANCE = 2 * _TAIL * (_LEVELS_APART / 2) ** 2
_AT_A_TIME = 256


def shows_code(picture: Picture) -> bool:
    """Whether some part of a cut of a picture is a bar code or a QR code.

    In a square of 32 or 64 px four of five pixels lie near one of two levels that are far apart, both levels
    are common, and many rows that are like the one above have an edge every few pixels: modules and bars are
    some pixels high, speckle is not, and a needle is one line.

    Args:
        picture: grey uint8 (h, w), cut to what has changed.
    """
    return any(_are_codes(parts).any() for side in _SIDES_PX for parts in _parts(picture, side))


def _parts(picture: Picture, side: int) -> Iterator[Picture]:
    """The squares that overlap by half and have contrast, (parts, rows, columns), some at a time.

    A picture narrower than a square is covered by parts of its own width, if that is half a square at least.
    """
    height, width = min(side, picture.shape[0]), min(side, picture.shape[1])
    if min(height, width) < side // 2:
        return
    tops, lefts = (_starts(length, side) for length in picture.shape)
    places = np.argwhere(_variances(picture, tops, lefts, (height, width)) >= _LEAST_VARIANCE)
    windows = sliding_window_view(picture, (height, width))
    for start in range(0, len(places), _AT_A_TIME):
        rows, columns = places[start : start + _AT_A_TIME].T
        yield windows[tops[rows], lefts[columns]]


def _starts(length: int, side: int) -> NDArray[np.intp]:
    """Where the squares begin; the last one ends where the picture does."""
    last = max(0, length - side)
    return np.unique([*range(0, last, side // 2), last])


def _variances(
    picture: Picture, tops: NDArray[np.intp], lefts: NDArray[np.intp], size: tuple[int, int]
) -> NDArray[np.float64]:
    """The variance of each square, (tops, lefts)."""
    height, width = size
    mean, of_squares = (
        (
            total[np.ix_(tops + height, lefts + width)]
            - total[np.ix_(tops, lefts + width)]
            - total[np.ix_(tops + height, lefts)]
            + total[np.ix_(tops, lefts)]
        )
        / (height * width)
        for total in cv2.integral2(picture)
    )
    return np.asarray(of_squares - mean**2, np.float64)


def _are_codes(parts: Picture) -> NDArray[np.bool_]:
    """Which of the parts (parts, rows, columns) are codes."""
    low, high = np.quantile(parts.reshape(len(parts), -1), (_TAIL, 1 - _TAIL), axis=1)
    apart = high - low >= _LEVELS_APART
    found = apart.copy()
    parts, low, high = parts[apart], *(level[apart, None, None].astype(np.float32) for level in (low, high))
    off = np.minimum(np.abs(parts - low), np.abs(parts - high))
    bright = parts > (low + high) / 2
    share = bright.mean(axis=(1, 2))
    edges = np.count_nonzero(bright[:, :, 1:] != bright[:, :, :-1], axis=2) >= parts.shape[2] / _EDGE_EVERY_PX
    alike = (bright[:, 1:] == bright[:, :-1]).mean(axis=2) >= _SAME_AS_NEXT
    found[apart] = (
        ((off < (high - low) / 4).mean(axis=(1, 2)) >= _NEAR_A_LEVEL)
        & (share >= _LEAST_OF_A_LEVEL)
        & (share <= 1 - _LEAST_OF_A_LEVEL)
        & ((edges[:, 1:] & alike).mean(axis=1) >= _LEAST_ROWS)
    )
    return np.asarray(found, np.bool_)
