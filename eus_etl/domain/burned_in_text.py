"""Pages on which burned-in text stands out, for a text reader to read instead of ultrasound pictures.

Which pictures are checked, and what follows from the words, belongs to ``steps.text_check``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from eus_etl.domain.images.picture import Picture

PAGE_PX = 1024
"""Longer side of a page of a preprocessed picture: letters 10 px high in one of 512 px are read at 20."""

_ODD_ONE_IN = 8
# share of the page's longer side; strokes of text are thinner, tissue and the field itself are not
_STROKE_SHARE = 23 / 1024


@dataclass(frozen=True, slots=True)
class TextPage:
    """A page to read.

    Attributes:
        page: grey uint8 (h, w), dark on white.
        first, stop: positions of its first picture, and after its last one.
    """

    page: Picture
    first: int
    stop: int


def text_pages(pictures: Sequence[Picture], page_px: int = PAGE_PX) -> list[TextPage]:
    """A page of all pictures together, and one of each half of them where there are several.

    Burned-in text stays put while speckle moves: each pixel's darkest value keeps the text and drops the
    speckle, and a white top-hat then keeps what is thin. One picture in eight may show something else
    entirely. The halves catch text that is there only part of the time.

    Args:
        pictures: grey uint8 (h, w), all of one size, in time order; at least one.
        page_px: longer side of a page.
    """
    half = len(pictures) // 2
    spans = [(0, len(pictures))]
    if half:
        spans += [(0, half), (half, len(pictures))]
    return [TextPage(_page(pictures[first:stop], page_px), first, stop) for first, stop in spans]


def _page(pictures: Sequence[Picture], page_px: int) -> Picture:
    rank = len(pictures) // _ODD_ONE_IN
    darkest = np.asarray(np.partition(np.stack(pictures), rank, axis=0)[rank], np.uint8)
    scale = page_px / max(darkest.shape)
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    large = cv2.resize(darkest, None, fx=scale, fy=scale, interpolation=method)
    side = max(3, round(page_px * _STROKE_SHARE) | 1)
    thin = cv2.morphologyEx(large, cv2.MORPH_TOPHAT, np.ones((side, side), np.uint8))
    return np.asarray(255 - thin, np.uint8)
