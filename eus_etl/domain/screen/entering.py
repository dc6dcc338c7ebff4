"""Frames in which something may have entered the ultrasound picture: a label, a window, a page, a code.

Uses the stored cells alone, of every extracted frame. What is drawn onto a picture makes the grey levels of
its cells deviate at once by more than speckle that moves, or colors them: in two cells side by side by much,
or in four by a good part. Fast probes and flow do that too, in one frame of ten or twenty: so these frames
are only asked for, and their pixels decide (``steps.entering``).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.cells.statistics import STATISTICS, CellGrid
from eus_etl.domain.screen.overlays import Boxes

Flags = NDArray[np.bool_]
Levels = NDArray[np.int16]

# in codes of deviation, half grey levels: of 1,417 frames of real clips without anything drawn one in eight
# reaches either, of 392 things drawn over them all but 6: docs/quality.md
_TWO_CELLS, _FOUR_CELLS = 32, 12
_INSIDE = 0.5
# color that comes to a cell more often than once in so many frames is flow: it comes with each heartbeat
_FLOW_FRAMES = 25
_FLOOR, _MOST_BY_GAIN = 4.0, 2.0


def sudden_changes(grid: CellGrid, weights: NDArray[np.float64]) -> Levels:
    """By how much more each cell deviates than in the two frames before, beyond what all cells do at once.

    Args:
        grid: the cells of one stretch of frames.
        weights: (rows, cols), the share of each cell that lies inside the region.

    Returns:
        (frames, rows, cols), in half grey levels; 0 outside of the region and in the first frame.
    """
    deviation = grid.codes[:, STATISTICS.index("deviation")].astype(np.int16)
    inside = weights >= _INSIDE
    change = np.zeros_like(deviation)
    if grid.frames < 2 or not inside.any():
        return change
    before = deviation[:-1]
    # a gain that is turned up raises all of them by one factor; a page of text does more than that
    factors = (deviation[1:, inside] + _FLOOR) / (before[:, inside] + _FLOOR)
    common = np.clip(np.median(factors, axis=1), 1, _MOST_BY_GAIN)
    change[1:] = deviation[1:] - _highest_before(deviation) * common[:, None, None]
    change[:, ~inside] = 0
    return change


def sudden_color(grid: CellGrid, weights: NDArray[np.float64]) -> Levels:
    """By how much more of each cell is colored than in the two frames before, beyond what it often gets.

    Letters may be as bright as what lies behind them.

    Args:
        grid: the cells of one stretch of frames.
        weights: (rows, cols), the share of each cell that lies inside the region.

    Returns:
        (frames, rows, cols), in 255ths of the cell; 0 outside of the region and in the first frame.
    """
    color = grid.codes[:, STATISTICS.index("color")].astype(np.int16)
    change = np.zeros_like(color)
    if grid.frames < 2:
        return change
    rise = color[1:] - _highest_before(color)
    often = max(0, len(rise) - 2 - grid.frames // _FLOW_FRAMES)
    change[1:] = rise - np.maximum(np.partition(rise, often, axis=0)[often], 0)
    change[:, weights < _INSIDE] = 0
    return change


def _highest_before(codes: Levels) -> Levels:
    """The higher code of the two frames before each frame but the first: (frames - 1, rows, cols)."""
    highest = codes[:-1].copy()
    highest[1:] = np.maximum(codes[1:-1], codes[:-2])
    return highest


def may_have_entered(change: Levels) -> Flags:
    """In which frames something may have entered, by ``sudden_changes`` or ``sudden_color``: (frames,)."""
    return (_beside(change, 2) >= _TWO_CELLS) | (_beside(change, 4) >= _FOUR_CELLS)


def cells_that_changed(change: Levels) -> Flags:
    """Which cells of one frame (rows, cols) belong to what may have entered."""
    found = np.zeros(change.shape, np.bool_)
    for side, least in ((2, _TWO_CELLS), (4, _FOUR_CELLS)):
        runs = _runs(change[None], side)[0] >= least
        for shift in range(side):
            found[:, shift : shift + runs.shape[1]] |= runs
    return found


def _beside(change: Levels, side: int) -> NDArray[np.int16]:
    """The largest change that ``side`` cells in a row share, of each frame."""
    runs = _runs(change, side)
    return np.asarray(runs.reshape(len(runs), -1).max(axis=1, initial=0), np.int16)


def _runs(change: Levels, side: int) -> Levels:
    columns = max(0, change.shape[2] - side + 1)
    lowest = change[:, :, :columns].copy()
    for shift in range(1, side):
        np.minimum(lowest, change[:, :, shift : shift + columns], out=lowest)
    return lowest


@dataclass(frozen=True, slots=True)
class Covered:
    """Frames in which something else is in the region.

    Attributes:
        first_row, last_row: rows of the segment's grid, both included.
        boxes: around what was seen, x, y, width, height in picture pixels.
    """

    first_row: int
    last_row: int
    boxes: Boxes


def format_rows(covered: Sequence[Covered]) -> str | None:
    """``first-last first-last ...``, as tables hold rows; None for none. ``parse_rows`` reads it."""
    return " ".join(f"{one.first_row}-{one.last_row}" for one in covered) or None


def parse_rows(text: str | None) -> NDArray[np.intp]:
    """All rows of ``first-last first-last ...``; none from None."""
    spans = [span.split("-") for span in (text or "").split()]
    rows = [np.arange(int(first), int(last) + 1, dtype=np.intp) for first, last in spans]
    return np.concatenate(rows) if rows else np.empty(0, np.intp)
