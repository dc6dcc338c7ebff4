"""Pictures whose tissue flickers while a dark corner keeps still."""

import cv2
import numpy as np

from eus_etl.domain.images.picture import Picture

NAME = "SCHMIDT"
BOX = 14, 20, 66, 14
"""x, y, width, height of the name, px."""

_WIDTH_PX, _HEIGHT_PX = 512, 240
# a patch of the tissue, at half size, does not reach the name
_TISSUE_X_PX = 384
_BLOCK_PX = 24


def calm_corner(count: int, seed: int = 0) -> list[Picture]:
    """Grey pictures: bright strokes come and go at the right, the left is nearly black."""
    rng = np.random.default_rng(seed)
    return [_picture(rng) for _ in range(count)]


def _picture(rng: np.random.Generator) -> Picture:
    picture = rng.integers(6, 16, (_HEIGHT_PX, _WIDTH_PX)).astype(np.uint8)
    for y in range(0, _HEIGHT_PX, _BLOCK_PX):
        for x in range(_TISSUE_X_PX, _WIDTH_PX, _BLOCK_PX):
            if rng.random() < 0.5:
                picture[y : y + _BLOCK_PX : 6, x : x + _BLOCK_PX] = 230
                picture[y + 1 : y + _BLOCK_PX : 6, x : x + _BLOCK_PX] = 230
    return picture


def write_name(picture: Picture, grey: int) -> None:
    """Write ``NAME`` in small letters into the corner, in place."""
    place = BOX[0] + 1, BOX[1] + BOX[3] - 3
    cv2.putText(picture, NAME, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, grey, 1, cv2.LINE_AA)
