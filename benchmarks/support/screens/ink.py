"""Names, dates and numbers in the letters of many machines, drawn over pictures.

Pillow's letters are those of a desktop, OpenCV's those of a frame grabber. ``planted_strings`` says where and
when they show.
"""

import random
from dataclasses import dataclass
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from eus_etl.domain.images.picture import Picture

Box = tuple[int, int, int, int]
"""x, y, width, height, in px of the screen."""

FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSerif.ttf",
    "STIXGeneral.ttf",
    "cmss10.ttf",
)
STROKES = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_PLAIN)
SIZES_PX = (14, 17, 20, 24, 30, 40)
COLORS = {
    "white": (255, 255, 255),
    "grey": (190, 190, 190),
    "yellow": (80, 235, 255),
    "green": (90, 255, 120),
    "cyan": (255, 230, 90),
    "orange": (60, 165, 255),
    "red": (70, 70, 255),
}
_NAMES = (
    "SHARMA",
    "Mueller",
    "KUMARI",
    "Fernandes",
    "THOMPSON",
    "Okafor",
    "NAKAMURA",
    "Lindqvist",
    "Banerjee",
    "O'CONNOR",
    "Gonzalez",
)
_GIVEN = ("Anita", "JANE", "Pieter", "ROHAN", "Maria", "Keiko")
_MONTHS = ("JAN", "MAR", "MAY", "JUN", "SEP", "DEC")
_MARGIN_PX = 2


@dataclass(frozen=True)
class Look:
    """How a string is drawn.

    Attributes:
        font: file of a font, or the number of one of OpenCV's.
        size_px: height of the letters' line.
        color: BGR.
        plate: BGR of a plate behind the letters; None for none.
    """

    font: str | int
    size_px: int
    color: tuple[int, int, int]
    plate: tuple[int, int, int] | None = None

    def __str__(self) -> str:
        name = self.font.partition(".")[0] if isinstance(self.font, str) else f"hershey {self.font}"
        return f"{name} {self.size_px} px {self.color}" + (f" on {self.plate}" if self.plate else "")


def any_text(rng: random.Random) -> str:
    """A name, a date, a record number or a time of day."""
    day, month, year = rng.randint(10, 28), rng.randint(10, 12), rng.randint(1940, 2026)
    hour, minute, second = rng.randint(10, 23), rng.randint(10, 59), rng.randint(10, 59)
    return rng.choice(
        [
            f"{rng.choice(_NAMES)} {rng.choice(_GIVEN)}",
            f"{rng.choice(_NAMES)}, {rng.choice(_GIVEN)}",
            rng.choice(_NAMES),
            f"ID {rng.randint(10**6, 10**7)}",
            f"MRN{rng.randint(10**5, 10**6)}",
            f"{day}.{month}.{year}",
            f"{year}-{month}-{day}",
            f"{day} {rng.choice(_MONTHS)} {year}",
            f"{hour}:{minute}:{second} {day}/{month}/{year}",
        ]
    )


def any_look(rng: random.Random, plate_share: float = 0.15, sizes_px: tuple[int, ...] = SIZES_PX) -> Look:
    """Letters of any kind; a share of them dark, on a plate."""
    font: str | int = rng.choice(FONTS) if rng.random() < 0.7 else rng.choice(STROKES)
    color = COLORS[rng.choice(list(COLORS))]
    if rng.random() < plate_share:
        return Look(font, rng.choice(sizes_px), (10, 10, 10), color)
    return Look(font, rng.choice(sizes_px), color)


def extent(text: str, look: Look) -> tuple[int, int]:
    """Width and height of the text's box, a small margin included, in px."""
    if isinstance(look.font, str):
        left, top, right, bottom = _font(look).getbbox(text)
        return round(right - left) + 2 * _MARGIN_PX, round(bottom - top) + 2 * _MARGIN_PX
    (width, height), below = cv2.getTextSize(text, look.font, _scale(look), _thickness(look))
    return width + 2 * _MARGIN_PX, height + below + 2 * _MARGIN_PX


def write(picture: Picture, text: str, place: tuple[int, int], look: Look, opacity: float = 1.0) -> None:
    """Draw a text into a BGR picture, in place.

    Args:
        picture: (h, w, 3) uint8.
        text: the text.
        place: left and top of its box; the part that lies off the picture is left out.
        look: the letters.
        opacity: 0 to 1, for what fades.
    """
    width, height = extent(text, look)
    x, y = place
    left, top = max(0, x), max(0, y)
    right, bottom = min(picture.shape[1], x + width), min(picture.shape[0], y + height)
    if left >= right or top >= bottom:
        return
    under = cv2.copyMakeBorder(
        picture[top:bottom, left:right],
        top - y,
        y + height - bottom,
        left - x,
        x + width - right,
        cv2.BORDER_REPLICATE,
    )
    drawn = _drawn(np.ascontiguousarray(under), text, look)
    mixed = cv2.addWeighted(drawn, opacity, under, 1 - opacity, 0) if opacity < 1 else drawn
    picture[top:bottom, left:right] = mixed[top - y : bottom - y, left - x : right - x]


def _drawn(under: Picture, text: str, look: Look) -> Picture:
    if look.plate is not None:
        under[:] = look.plate
    if isinstance(look.font, str):
        font = _font(look)
        left, top, _, _ = font.getbbox(text)
        canvas = Image.fromarray(np.ascontiguousarray(under[:, :, ::-1]))
        place = _MARGIN_PX - left, _MARGIN_PX - top
        ImageDraw.Draw(canvas).text(place, text, fill=look.color[::-1], font=font)
        return np.ascontiguousarray(np.asarray(canvas, np.uint8)[:, :, ::-1])
    (_, height), _ = cv2.getTextSize(text, look.font, _scale(look), _thickness(look))
    place = _MARGIN_PX, height + _MARGIN_PX
    cv2.putText(under, text, place, look.font, _scale(look), look.color, _thickness(look), cv2.LINE_AA)
    return under


def _font(look: Look) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / str(look.font)), look.size_px)


def _scale(look: Look) -> float:
    return look.size_px / (22 if look.font == cv2.FONT_HERSHEY_PLAIN else 32) * 1.15


def _thickness(look: Look) -> int:
    return 1 if look.size_px < 30 else 2
