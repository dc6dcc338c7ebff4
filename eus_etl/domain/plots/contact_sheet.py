"""Pictures for the page: never a pixel that is not masked.

Callers hand over preprocessed pictures or a polygon, never an extracted frame; only
``commands.review_regions`` does, whose sheets never reach the page.
"""

import io
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.screen.region import Polygon

_OUTLINE = (0, 255, 255)
_SCREEN = (40, 40, 40)
_COLORS = 64
_LETTERS = 0.4
"""Of OpenCV's plain font: capitals of 9 px."""

PAGE_BYTES = 15_000
"""SQLite's event store holds a picture twice, as base64, a third longer: 40 KB."""
PAGE_WIDTH_PX = 960
_QUALITIES = (80, 65, 50, 35)


def region_outline(polygon: Polygon, width: int, height: int) -> Picture:
    """The region's outline on a blank screen of the layout's size: BGR uint8 (height, width, 3)."""
    return outlined(np.full((height, width, 3), _SCREEN, np.uint8), polygon)


def outlined(picture: Picture, polygon: Polygon) -> Picture:
    """A copy of a BGR picture (height, width, 3) with the polygon's outline drawn on it."""
    drawn = picture.copy()
    thickness = max(1, round(max(drawn.shape) / 400))
    cv2.polylines(drawn, [np.asarray(polygon, np.int32)], True, _OUTLINE, thickness)
    return drawn


def contact_sheet(pictures: Sequence[Picture], columns: int, tile_px: int) -> Picture:
    """Preprocessed pictures side by side, row by row, in tiles of equal size.

    Args:
        pictures: square uint8, grey (n, n) or BGR (n, n, 3).
        columns: tiles a row.
        tile_px: side of a tile.

    Returns:
        BGR uint8 (rows * tile_px, columns * tile_px, 3); black where there is no picture.
    """
    rows = max(1, -(-len(pictures) // columns))
    sheet = np.zeros((rows * tile_px, columns * tile_px, 3), np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // columns * tile_px, place % columns * tile_px
        tile = np.asarray(cv2.resize(picture, (tile_px, tile_px), interpolation=cv2.INTER_AREA))
        color = tile if tile.ndim == 3 else tile[:, :, np.newaxis]
        sheet[top : top + tile_px, left : left + tile_px] = color
    return sheet


def with_time(picture: Picture, text: str, tile_px: int) -> Picture:
    """A square picture as a tile with a line of text in its lower left corner, such as its time.

    Args:
        picture: square uint8, grey (n, n) or BGR (n, n, 3).
        text: a few ASCII characters.
        tile_px: side of the tile.
    """
    tile = np.asarray(cv2.resize(picture, (tile_px, tile_px), interpolation=cv2.INTER_AREA), np.uint8)
    write(tile, text, (3, tile_px - 4))
    return tile


def write(picture: Picture, text: str, place: tuple[int, int]) -> None:
    """Write a line onto a picture, white on a black edge, so that it can be read on any ground."""
    for color, width in ((0, 3), (255, 1)):
        shade = (color, color, color)
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, _LETTERS, shade, width, cv2.LINE_AA)


def small_png(picture: Picture) -> bytes:
    """A PNG with 64 colours: speckle takes half the room of a full one.

    Args:
        picture: BGR (height, width, 3).
    """
    rgb = Image.fromarray(picture[:, :, ::-1])
    palette = rgb.quantize(_COLORS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    file = io.BytesIO()
    palette.save(file, "png")
    return file.getvalue()


def for_page(picture: Picture) -> bytes:
    """A WebP file of at most ``PAGE_BYTES``: quality goes first, then size. Equal pictures give equal bytes.

    Args:
        picture: BGR (height, width, 3).
    """
    rgb = Image.fromarray(picture[:, :, ::-1])
    scale = min(1.0, PAGE_WIDTH_PX / rgb.width)
    while True:
        size = max(1, round(rgb.width * scale)), max(1, round(rgb.height * scale))
        shown = rgb if size == rgb.size else rgb.resize(size, Image.Resampling.LANCZOS)
        for quality in _QUALITIES:
            file = io.BytesIO()
            shown.save(file, "webp", quality=quality, method=4)
            if file.tell() <= PAGE_BYTES or min(size) == 1:
                return file.getvalue()
        scale *= 0.8
