"""Color bars, and other things as long, that stand still beside a field or over its side.

The far edge of a bar is as sharp as the field's own: the search for a field (``region_search``) has to know
which edges are a bar's, and what of a bar lies over the field is cut out of the region (``region_border``).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from eus_etl.domain.screen.field.shapes import Mask
from eus_etl.domain.screen.motion_mask import Evidence, closed, grown
from eus_etl.domain.screen.region import Box

# how long a bar is, of the field's width or height
_SHARES = 0.08, 0.8
# its soft ends, and how far around it the screen is looked at; sides on the 512 px copy
_SOFT_PX, _AROUND_PX = 5, 17
# how long a bar is, of its width; how much of a line along it is still; how far it may reach into the field
_SLENDER, _STILL, _REACH_PX = 2.0, 0.7, 24


@dataclass(frozen=True, slots=True)
class Bars:
    """What stands still beside a field, on the copy.

    Attributes:
        drawn: (h, w), where it is, with its soft ends.
        around: (h, w), the screen around it.
        boxes: x, y, width, height of the bars among it, with what of them lies over the field.
    """

    drawn: Mask
    around: Mask
    boxes: tuple[Box, ...]


def bars_beside(evidence: Evidence, strange: Mask, within: Mask) -> Bars:
    """Find what is as long as a part of the field's side.

    What is as long as the field is no bar: a bright band along the probe may be ultrasound.

    Args:
        evidence: of the screen.
        strange: (h, w), what is no ultrasound and lies outside of ``within``.
        within: (h, w), about the field.
    """
    _, _, *sides = cv2.boundingRect(within.astype(np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(strange.astype(np.uint8))
    lengths = (stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]] / np.maximum(1, sides)).max(axis=1)
    long = (lengths > _SHARES[0]) & (lengths < _SHARES[1])
    long[0] = False
    core = np.isin(labels, np.flatnonzero(long))
    drawn = core | (grown(closed(core), _SOFT_PX) & ~evidence.moving())
    around = grown(drawn, _AROUND_PX) & ~drawn & ~within & ~strange
    still = evidence.still()
    boxes = []
    for number in np.flatnonzero(long):
        x, y, width, height, _ = map(int, stats[number])
        if still[y : y + height, x : x + width].mean() >= _STILL:
            if height >= _SLENDER * width:
                x, width = _reach(still[y : y + height], x, width)
                boxes.append((x, y, width, height))
            elif width >= _SLENDER * height:
                y, height = _reach(still[:, x : x + width].T, y, height)
                boxes.append((x, y, width, height))
    return Bars(drawn, around, tuple(boxes))


def _reach(still: Mask, first: int, count: int) -> tuple[int, int]:
    """Columns of a bar, with those beside it that are still along most of its length."""
    shares = still.mean(axis=0)
    last = first + count
    for _ in range(_REACH_PX):
        if last < len(shares) and shares[last] >= _STILL:
            last += 1
        if first > 0 and shares[first - 1] >= _STILL:
            first -= 1
    return first, last - first
