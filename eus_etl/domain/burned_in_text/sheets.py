"""Puts patches below one another on a page, of which a reader sees two dozen at a time.

One column: a reader takes what stands side by side for one line. Each patch has its own usual grey around it:
on black it is a bright thing with four sides, which a reader takes for a letter now and then.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from eus_etl.domain.burned_in_text.patches import PATCH_H, PATCH_W, Patch
from eus_etl.domain.images.picture import Picture

PATCHES = 24
"""On a full sheet."""

_GAP_PX = 8
_STEP_PX = PATCH_H + _GAP_PX


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page of patches, in the order of their pictures.

    Attributes:
        page: grey uint8.
        patches: what is on it, from the top.
    """

    page: Picture
    patches: Sequence[Patch]

    def at(self, y: float) -> tuple[Patch, int]:
        """The patch at a height of the page, px, and the height at which it begins."""
        number = min(len(self.patches) - 1, max(0, int(y // _STEP_PX)))
        return self.patches[number], number * _STEP_PX + _GAP_PX // 2


def sheets(found: Iterable[Patch]) -> Iterator[Sheet]:
    """The patches on pages; the last page is as short as it can be."""
    more = iter(found)
    while some := list(islice(more, PATCHES)):
        page = np.zeros((len(some) * _STEP_PX, PATCH_W + _GAP_PX), np.uint8)
        for number, patch in enumerate(some):
            top, left = number * _STEP_PX + _GAP_PX // 2, _GAP_PX // 2
            height, width = patch.picture.shape
            page[number * _STEP_PX : (number + 1) * _STEP_PX] = np.median(patch.picture)
            page[top : top + height, left : left + width] = patch.picture
        yield Sheet(page, some)
