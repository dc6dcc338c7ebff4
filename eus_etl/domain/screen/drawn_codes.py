"""Tells bar codes and QR codes from ultrasound: two grey levels, and edges that stand in line.

The text on a picture belongs to a reader; codes hold names as well, and no reader of text sees them.
"""

import numpy as np

from eus_etl.domain.images.picture import Picture

_SIDES_PX = (32, 64)
_LEVELS_APART = 80
_NEAR_A_LEVEL = 0.8
_LEAST_OF_A_LEVEL = 0.2
_EDGE_EVERY_PX = 9
_LEAST_ROWS = 0.3
_SAME_AS_NEXT = 0.9


def shows_code(picture: Picture) -> bool:
    """Whether some part of a cut of a picture is a bar code or a QR code.

    In a square of 32 or 64 px four of five pixels lie near one of two levels that are far apart, both levels
    are common, and many rows that are like the one above have an edge every few pixels: modules and bars are
    some pixels high, speckle is not, and a needle is one line.

    Args:
        picture: grey uint8 (h, w), cut to what has changed.
    """
    height, width = picture.shape
    for side in _SIDES_PX:
        for top in range(0, max(1, height - side // 2), side // 2):
            for left in range(0, max(1, width - side // 2), side // 2):
                part = picture[top : top + side, left : left + side]
                if min(part.shape) >= side // 2 and _is_code(part):
                    return True
    return False


def _is_code(part: Picture) -> bool:
    low, high = (float(level) for level in np.quantile(part, (0.1, 0.9)))
    if high - low < _LEVELS_APART:
        return False
    off = np.minimum(np.abs(part - low), np.abs(part - high))
    if float((off < (high - low) / 4).mean()) < _NEAR_A_LEVEL:
        return False
    bright = part > (low + high) / 2
    if not _LEAST_OF_A_LEVEL <= float(bright.mean()) <= 1 - _LEAST_OF_A_LEVEL:
        return False
    edges = np.count_nonzero(bright[:, 1:] != bright[:, :-1], axis=1) >= part.shape[1] / _EDGE_EVERY_PX
    alike = (bright[1:] == bright[:-1]).mean(axis=1) >= _SAME_AS_NEXT
    return bool((edges[1:] & alike).mean() >= _LEAST_ROWS)
