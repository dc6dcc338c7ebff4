"""What an arrangement of the screen looks like: which cells are ever lit, which move, what follows from that.

Uses the stored cells alone. Where one arrangement gives way to another belongs to ``layouts``, the outline of
the ultrasound picture to ``region``.
"""

import re
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.cells.statistics import STATISTICS, CellGrid, GridGeometry

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]

Screen = Literal["ultrasound", "split", "report"]
"""What a layout shows: one ultrasound picture, two side by side, or a page of text."""

DARK, LIT, FLAT = 1, 2, 3

# Codes as the grid stores them, see ``grid``: grey levels, half grey levels of deviation.
_DARK_BRIGHTNESS, _DARK_DEVIATION = 8, 6
_LIT_BRIGHTNESS, _LIT_DEVIATION = 16, 16
_FLAT_DEVIATION, _FLAT_COLOR = 2, 128
_STROKES = 2
"""Code of deviation over that of brightness where both are equal: speckle deviates by half its mean."""

_MOVING = 19
"""Code of a mean absolute change by 1.4 grey levels: compression makes text flicker by less."""

_BLACK_SHARE = 0.02
_BLACK_OF_USUAL = 0.15
"""A frame with less lit than this share of what is lit usually shows no screen, whatever mark is left."""

_COLOR_SHARE = 0.2
"""So much more of the screen in colour than at its least: an endoscope's view, or a large Doppler box."""

_NEVER, _MOSTLY = 0.02, 0.7
_OFTEN = 0.3  # an encoder that refreshes a still page once a second changes one frame in six at 5 Hz
_MOVED = 0.025
_NEW_MARKS = 0.08
_ONE_SIDED = 0.1
_STILL_MOVING = 0.04
_PAPER = 0.5
_PICTURE_SHARE, _PICTURE_BESIDE_OTHERS_SHARE = 0.03, 0.12
_ALIKE = 0.7

_SIGNATURE_FIELDS = (16, 8)
_SIGNATURE = re.compile(r"([1-9][0-9]{0,5}x[1-9][0-9]{0,5})-([0-9a-f]{32})")
SAME_SCREEN_BITS = 6
"""Signatures that differ by at most this belong to one screen; docs/quality.md has the measured distances."""


@dataclass(frozen=True, slots=True)
class CellStates:
    """The states of all cells of a segment.

    Attributes:
        state: uint8 (frames, rows, cols): ``DARK``; ``LIT`` with some texture, as ultrasound and text are;
            ``FLAT``, lit without any, as paper is; or 0 if none of these clearly.
        strokes: (frames, rows, cols), whether it holds bright strokes on black, as text does.
        moving: (frames, rows, cols), whether the cell changed since the frame before.
        blind: (frames,), whether the frame shows no screen at all: black, or an endoscope's view.
    """

    state: NDArray[np.uint8]
    strokes: Flags
    moving: Flags
    blind: Flags


@dataclass(frozen=True, slots=True)
class Appearance:
    """What frames of one arrangement have shown, as counts of frames a cell: those of stretches add up.

    Attributes:
        frames: number of frames.
        lit: (rows, cols), in how many of them a cell was lit.
        flat: (rows, cols), in how many it was flat.
        strokes: (rows, cols), in how many it held strokes.
        moving: (rows, cols), in how many it was lit and moved.
    """

    frames: int
    lit: Counts
    flat: Counts
    strokes: Counts
    moving: Counts

    def __add__(self, other: "Appearance") -> "Appearance":
        return Appearance(
            self.frames + other.frames,
            self.lit + other.lit,
            self.flat + other.flat,
            self.strokes + other.strokes,
            self.moving + other.moving,
        )

    @property
    def never_lit(self) -> Flags:
        """Cells that were next to never lit."""
        return self.lit <= _NEVER * self.frames

    @property
    def mostly_lit(self) -> Flags:
        """Cells that were lit in most frames."""
        return self.lit >= _MOSTLY * self.frames

    @property
    def moves(self) -> Flags:
        """Cells that moved in a good part of the frames."""
        return self.moving > _OFTEN * self.frames

    @property
    def is_still(self) -> bool:
        """Whether next to nothing moves; a clock may."""
        return bool(self.moves.mean() < _STILL_MOVING)

    @property
    def is_paper(self) -> bool:
        """Whether nothing moves, and most of what can be seen is flat."""
        flat = self.flat >= _MOSTLY * self.frames
        return self.is_still and bool(flat.sum() > _PAPER * (flat | self.mostly_lit).sum())

    @property
    def is_split(self) -> bool:
        """Whether the two largest patches of texture have one shape and lie side by side."""
        patches = _patches(self.mostly_lit, _PICTURE_SHARE)
        return len(patches) > 1 and _alike(*patches[:2])

    @property
    def texture(self) -> Flags:
        """Cells that were mostly lit, and not by strokes."""
        return self.mostly_lit & (self.strokes < _MOSTLY * self.frames)


def cell_states(grid: CellGrid) -> CellStates:
    """The states of all cells of a segment."""
    planes = (
        grid.codes[:, STATISTICS.index(name)] for name in ("brightness", "deviation", "motion", "color")
    )
    brightness, deviation, motion, color = planes
    state = np.zeros(brightness.shape, np.uint8)
    state[(brightness < _DARK_BRIGHTNESS) & (deviation < _DARK_DEVIATION)] = DARK
    state[(brightness >= _LIT_BRIGHTNESS) | (deviation >= _LIT_DEVIATION)] = LIT
    flat = (brightness >= _LIT_BRIGHTNESS) & (deviation < _FLAT_DEVIATION) & (color < _FLAT_COLOR)
    state[flat] = FLAT
    lit = (state >= LIT).mean(axis=(1, 2))
    colored = color.mean(axis=(1, 2)) / 255
    black = lit < max(_BLACK_SHARE, _BLACK_OF_USUAL * float(np.quantile(lit, 0.75)))
    least = np.quantile(colored[~black], 0.1) if (~black).any() else 0.0
    strokes = deviation > _STROKES * brightness.astype(np.uint16)
    return CellStates(state, strokes, motion > _MOVING, black | (colored > least + _COLOR_SHARE))


def looks_of(states: CellStates, rows: NDArray[np.intp]) -> Appearance:
    """What these frames have shown; the first one's motion is that of the change to them."""
    state = states.state[rows]
    lit = state == LIT
    moving = lit[1:] & states.moving[rows[1:]]
    return Appearance(
        len(rows),
        lit.sum(axis=0),
        (state == FLAT).sum(axis=0),
        states.strokes[rows].sum(axis=0),
        moving.sum(axis=0),
    )


def difference(one: Appearance, other: Appearance) -> float:
    """How far two looks contradict each other: from 1 on they are two arrangements.

    Ultrasound that gets darker or lighter, freezes or loses its contact contradicts nothing: it lights what
    was dark, or the other way round, but not both. Another arrangement lights places that were never lit,
    and leaves others dark for good; or shows marks that stand still where all was black. Where a recording
    shows nothing but the picture, a page or two pictures on its place only leave some of it dark: these are
    known by their shape.
    """
    appeared = one.never_lit & other.mostly_lit
    vanished = other.never_lit & one.mostly_lit
    marks = (appeared & ~other.moves) | (vanished & ~one.moves)
    exchanged = min(appeared.mean(), vanished.mean()) / _MOVED
    one_sided = max(appeared.mean(), vanished.mean()) / _ONE_SIDED
    if one_sided >= 1 and (one.is_split, one.is_paper) == (other.is_split, other.is_paper):
        one_sided = 0.0
    return float(max(exchanged, marks.mean() / _NEW_MARKS, one_sided if one_sided >= 1 else 0))


def screen_of(looks: Appearance, *, alone: bool) -> Screen:
    """What frames of one arrangement show: ``ultrasound``, ``split`` or ``report``.

    A report is still, and is paper or has no large patch of texture: lines of text are thin. Two
    pictures side by side are two large patches of one shape. In doubt it is ultrasound: a small picture that
    is frozen, where no other arrangement is shown.

    Args:
        looks: their appearance.
        alone: whether the segment shows no other arrangement.
    """
    smallest = _PICTURE_SHARE if alone else _PICTURE_BESIDE_OTHERS_SHARE
    seen = looks.mostly_lit.mean() > _BLACK_SHARE
    if looks.is_paper or (seen and looks.is_still and not _patches(looks.texture, smallest)):
        return "report"
    return "split" if looks.is_split else "ultrasound"


def _without_thin(cells: Flags) -> NDArray[np.uint8]:
    """Cells (rows, cols) without what is thinner than three of them: lines of text, scales, bars."""
    opened = cv2.morphologyEx(cells.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return np.asarray(opened, np.uint8)


def _patches(cells: Flags, smallest: float) -> list[Flags]:
    """Connected patches of cells (rows, cols) that are nowhere thin, the largest first.

    Those below ``smallest``, a share of all cells, are left out.
    """
    _count, labels, stats, _centres = cv2.connectedComponentsWithStats(_without_thin(cells), connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    order = [1 + int(at) for at in np.argsort(-areas) if areas[at] >= smallest * cells.size]
    return [np.asarray(labels == number) for number in order]


def _alike(one: Flags, other: Flags) -> bool:
    """Whether two patches have one shape and lie side by side."""
    (top, left), (other_top, other_left) = (np.argwhere(patch).min(axis=0) for patch in (one, other))
    moved = np.roll(one, (other_top - top, other_left - left), axis=(0, 1))
    apart = not (one.any(axis=0) & other.any(axis=0)).any()
    return bool(apart and (moved & other).sum() >= _ALIKE * (moved | other).sum())


def signature_of(geometry: GridGeometry, looks: Appearance, screen: Screen) -> str:
    """``<width>x<height>-<32 hex digits>``: alike wherever the same machine shows the same arrangement.

    A bit for each of 16 x 8 fields of the screen: whether more than half of it was ever lit, without what
    is thin. So it holds where the pictures lie and how large they are, not what names and numbers are
    written beside them. Of a report it is where the text is, so that a page is not taken for a picture
    that fills the screen.

    Args:
        geometry: how the cells lie on the picture.
        looks: the appearance of its frames.
        screen: what ``screen_of`` gives for them.
    """
    cells = looks.mostly_lit if screen == "report" else _without_thin(~looks.never_lit)
    fields = cv2.resize(cells.astype(np.float32), _SIGNATURE_FIELDS, interpolation=cv2.INTER_AREA)
    bits = np.packbits(np.asarray(fields) > 0.5).tobytes().hex()
    return f"{geometry.width_px}x{geometry.height_px}-{bits}"


def signature_distance(one: str, other: str) -> int | None:
    """Bits in which two signatures differ; None where their screens differ in size.

    Raises:
        ValueError: one of them is no signature.
    """
    (size, bits), (other_size, other_bits) = _parsed(one), _parsed(other)
    return (bits ^ other_bits).bit_count() if size == other_size else None


def is_signature(text: str) -> bool:
    """Whether a text is a signature as ``signature_of`` writes them."""
    return _SIGNATURE.fullmatch(text) is not None


def picture_size(signature: str) -> tuple[int, int]:
    """Width and height in px of the pictures of a screen.

    Raises:
        ValueError: it is no signature.
    """
    width, height = _parsed(signature)[0].split("x")
    return int(width), int(height)


def same_screen(one: str, other: str) -> bool:
    """Whether two signatures are of one screen.

    Raises:
        ValueError: one of them is no signature.
    """
    apart = signature_distance(one, other)
    return apart is not None and apart <= SAME_SCREEN_BITS


def _parsed(signature: str) -> tuple[str, int]:
    found = _SIGNATURE.fullmatch(signature)
    if not found:
        raise ValueError("not a signature as layouts.csv shows it: <width>x<height>-<32 hex digits>")
    return found[1], int(found[2], 16)
