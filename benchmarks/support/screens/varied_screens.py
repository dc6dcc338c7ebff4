"""Made screens of many kinds of field, with what machines put around it and over its edge.

Unlike the screens of the synthetic hospital these are pictures only, drawn quickly. The same seed gives the
same screen.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.images.picture import Picture

VariedKind = Literal["linear", "trapezoid", "steered", "convex", "phased", "cut_off"]
KINDS: tuple[VariedKind, ...] = ("linear", "trapezoid", "steered", "convex", "phased", "cut_off")

_SIZES = ((640, 480), (800, 600), (1024, 768), (1280, 720), (720, 576), (480, 360))
_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class VariedScreen:
    """Pictures of one screen, and the truth.

    Attributes:
        shown: grey pictures (height, width).
        field: (height, width), whether a pixel lies in the field and shows it: what is drawn over the
            field's edge is taken out.
        beside: (height, width), whether a pixel belongs to what is written or drawn on the screen.
    """

    shown: list[Picture]
    field: NDArray[np.bool_]
    beside: NDArray[np.bool_]


def varied_screen(kind: VariedKind, seed: int, pictures: int = 12) -> VariedScreen:
    """A screen with a field of a kind, of any size, brightness and surroundings."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    width, height = _SIZES[rng.integers(len(_SIZES))]
    across, along = _beam_space(kind, rng, width, height)
    field = (np.abs(across) <= 1) & (along >= 0) & (along <= 1)
    blank, beside = _surroundings(rng, field)
    tissue = _tissue(rng, across, along)
    moving = rng.uniform(0.25, 1.0)
    quality = int(rng.integers(45, 92))
    shown = []
    still = _speckle(rng, field.shape)
    for _ in range(pictures):
        speckle = (1 - moving) * still + moving * _speckle(rng, field.shape)
        picture = blank.copy()
        seen = np.clip(tissue * np.exp(0.55 * speckle), 0, 255)
        picture[field & ~beside] = seen[field & ~beside].astype(np.uint8)
        _, encoded = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))
        shown.append(np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8))
    return VariedScreen(shown, field & ~beside, beside)


def _beam_space(
    kind: VariedKind, rng: np.random.Generator, width: int, height: int
) -> tuple[_Floats, _Floats]:
    """Of each pixel its place across (-1 to 1) and along (0 to 1) the beams."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    top, bottom = height * rng.uniform(0.08, 0.2), height * rng.uniform(0.75, 0.95)
    centre = width * rng.uniform(0.42, 0.58)
    along = (y - top) / (bottom - top)
    if kind in ("linear", "trapezoid", "steered"):
        half = width * rng.uniform(0.16, 0.3)
        slopes = {"linear": (0.0, 0.0), "trapezoid": (1.0, 1.0), "steered": (-1.0, 1.0)}[kind]
        left, right = (slope * np.tan(np.deg2rad(rng.uniform(7, 16))) for slope in slopes)
        if kind == "steered":
            left, right = right * -1, right
        low, high = centre - half - left * (y - top), centre + half + right * (y - top)
        return (2 * (x - low) / (high - low) - 1).astype(np.float32), along.astype(np.float32)
    half_angle = np.deg2rad(rng.uniform(36, 45) if kind == "phased" else rng.uniform(25, 36))
    depth = bottom - top
    inner = depth * (rng.uniform(0.02, 0.05) if kind == "phased" else rng.uniform(0.2, 0.45))
    apex = top - inner * np.cos(half_angle)
    across = np.arctan2(x - centre, y - apex) / half_angle
    along = (np.hypot(x - centre, y - apex) - inner) / (bottom - apex - inner)
    if kind == "cut_off":  # the machine cuts the sides of a wide field off
        reach = (bottom - apex) * np.sin(half_angle) * rng.uniform(0.7, 0.9)
        across[np.abs(x - centre) > reach] = 2
    return across.astype(np.float32), along.astype(np.float32)


def _tissue(rng: np.random.Generator, across: _Floats, along: _Floats) -> _Floats:
    """Brightness before speckle: attenuation, layers, cysts, a shadow, dark wings."""
    soft = cv2.GaussianBlur(rng.standard_normal(across.shape).astype(np.float32), (0, 0), 18)
    level = rng.uniform(30, 110) * np.exp(0.5 * soft / soft.std()) * np.exp(-rng.uniform(0.2, 1.6) * along)
    for _ in range(4):
        at, thick = rng.uniform(0.02, 0.95), rng.uniform(0.004, 0.02)
        level *= 1 + 1.5 * np.exp(-(((along - at + 0.03 * across**2) / thick) ** 2))
    for _ in range(3):
        inside = np.hypot((across - rng.uniform(-0.8, 0.8)) / 0.25, (along - rng.uniform(0.2, 0.9)) / 0.12)
        level[inside < 1] *= 0.06
    if rng.random() < 0.5:  # a shadow that reaches to the deepest sample
        at = rng.uniform(-0.7, 0.7)
        level[(np.abs(across - at) < 0.12) & (along > rng.uniform(0.2, 0.6))] *= 0.1
    if rng.random() < 0.5:  # a wing without contact
        side = rng.choice((-1, 1))
        level[side * across > rng.uniform(0.6, 0.85)] *= rng.uniform(0.05, 0.15)
    return np.asarray(level, np.float32)


def _speckle(rng: np.random.Generator, shape: tuple[int, ...]) -> _Floats:
    small = rng.standard_normal((shape[0] // 2 + 1, shape[1] // 2 + 1)).astype(np.float32)
    return np.asarray(cv2.resize(small, shape[::-1]) * 1.6, np.float32)


def _surroundings(rng: np.random.Generator, field: NDArray[np.bool_]) -> tuple[Picture, NDArray[np.bool_]]:
    """The screen without its field, and where something is written or drawn on it."""
    height, width = field.shape
    unit = height / 480
    x, y, box_width, box_height = cv2.boundingRect(field.astype(np.uint8))
    ground = int(rng.choice((0, 0, 0, 1, 12, 40)))
    blank = np.full(field.shape, ground, np.uint8)
    margin = round(rng.uniform(4, 20) * unit)
    blank[max(0, y - margin) : y + box_height + margin, max(0, x - margin) : x + box_width + margin] = 0
    ink = np.zeros(field.shape, np.uint8)
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.45 * unit
    if rng.random() < 0.5:
        blank[: round(36 * unit)] = np.maximum(blank[: round(36 * unit)], 45)
    for line, text in enumerate(("KREUZBERG ANNA 4711", "12.03.2021 10:22")):
        at = round(6 * unit), round((16 + 16 * line) * unit)
        cv2.putText(ink, text, at, font, scale, 230, 1, cv2.LINE_AA)
    for line in range(int(rng.integers(0, 8))):
        place = width - round(78 * unit), round((70 + 18 * line) * unit)
        cv2.putText(ink, f"GN {60 + line}", place, font, scale, 200, 1, cv2.LINE_AA)
    gap = round(rng.uniform(3, 12) * unit)
    for tick in range(9):  # a depth scale
        row = y + round(tick * (box_height - 1) / 8)
        ink[row : row + 2, x + box_width + gap : x + box_width + gap + round(5 * unit)] = 210
    if rng.random() < 0.7:  # a grey bar, beside the field or over its edge
        over = round(rng.uniform(-14, 6) * unit)
        bar = np.linspace(255, 20, box_height // 2).astype(np.uint8)[:, np.newaxis]
        left = max(0, x + over - round(12 * unit))
        ink[y + 8 : y + 8 + len(bar), left : left + round(12 * unit)] = bar
    if rng.random() < 0.6:  # the machine's mark at the upper left of the field
        centre = max(8, x + round(12 * unit)), max(8, y - round(12 * unit))
        cv2.circle(ink, centre, round(6 * unit), 220, 2)
    if rng.random() < 0.5:
        foot = height - round(18 * unit)
        blank[foot:] = 70
        cv2.putText(ink, "Gen  MB  THI  Page 1/3", (width // 4, height - 5), font, scale, 220, 1)
    drawn = ink > 0
    blank[drawn] = ink[drawn]
    return blank, cv2.dilate(drawn.astype(np.uint8), np.ones((2, 2), np.uint8)) > 0
