"""Display layouts: stretches of a segment with one arrangement of the screen.

Cuts where the screen around the picture changes: two pictures side by side, a page of results, another
depth. What an arrangement looks like and its signature belong to ``appearance``, what follows for a
frame's status to ``quality``, where its ultrasound picture is to ``region``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.cells.statistics import CellGrid
from eus_etl.domain.screen.appearance import (
    Appearance,
    CellStates,
    Screen,
    cell_states,
    difference,
    looks_of,
    screen_of,
    signature_of,
)

Rows = NDArray[np.intp]

_STEADY = 2
"""A cell counts at a border only if it kept its state for so many changes of frame before and after."""

_JUMP = 0.015
"""A border is examined where this share of the cells changes state at once."""

_FLASH_S = 0.7
"""What is shown for less long is no layout."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A stretch of a segment with one arrangement of the screen.

    Attributes:
        first_row, last_row: rows of the segment's grid, both included.
        screen: ``ultrasound``, ``split`` (two pictures side by side) or ``report`` (a page without one).
        signature: of the arrangement, see ``screens.signature_of``; stretches of one arrangement share it.
    """

    first_row: int
    last_row: int
    screen: Screen
    signature: str


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Rows that show a screen, and what they have shown."""

    rows: Rows
    looks: Appearance

    def __add__(self, other: "_Stretch") -> "_Stretch":
        return _Stretch(np.concatenate([self.rows, other.rows]), self.looks + other.looks)


def cut_layouts(grid: CellGrid, video_s: NDArray[np.float64]) -> list[Layout]:
    """Cut a segment into its layouts, in order and without gaps.

    Borders are sought where many cells change their state (dark, lit or flat) at once, each steady
    before and after. Stretches between them that do not contradict each other (``appearance.difference``) are
    joined, the most alike first; those left are grouped, so that an arrangement that returns is
    recognised. Frames without any screen (black, or an endoscope's view) belong to the layout that they
    interrupt.

    Args:
        grid: the segment's cells, at least one frame.
        video_s: presentation time of each frame.
    """
    states = cell_states(grid)
    seen = np.flatnonzero(~states.blind) if not states.blind.all() else np.arange(grid.frames)
    parts = np.split(seen, _borders(states, seen))
    stretches = _joined([_Stretch(rows, looks_of(states, rows)) for rows in parts])
    stretches = _joined(_without_flashes(stretches, video_s))
    groups = _groups(stretches)
    layouts = []
    first = 0
    for group, members in groupby(range(len(stretches)), key=lambda number: groups[number]):
        following = max(members) + 1
        stop = int(stretches[following].rows[0]) if following < len(stretches) else grid.frames
        layouts.append((first, stop - 1, group))
        first = stop
    named = {}
    for group in set(groups):
        shown = [stretch for stretch, own in zip(stretches, groups, strict=True) if own == group]
        whole = sum(shown[1:], shown[0])
        screen = screen_of(whole.looks, alone=len(set(groups)) == 1)
        named[group] = screen, signature_of(grid.geometry, whole.looks, screen)
    return [Layout(first, last, *named[group]) for first, last, group in layouts]


def _borders(states: CellStates, seen: Rows) -> Rows:
    """Places in ``seen`` before which the screen may have changed."""
    state = states.state[seen].reshape(len(seen), -1)
    kept = state[1:] == state[:-1]
    steady = np.ones((_STEADY, state.shape[1]), np.bool_)
    around = np.concatenate([steady, kept, steady])
    jumped = ~kept & (state[1:] != 0) & (state[:-1] != 0)
    changes = len(kept)
    for beside in (*range(_STEADY), *range(_STEADY + 1, 2 * _STEADY + 1)):
        jumped &= around[beside : beside + changes]
    return np.flatnonzero(jumped.mean(axis=1) > _JUMP) + 1


def _joined(stretches: list[_Stretch]) -> list[_Stretch]:
    """Neighbours that do not contradict each other made one, the most alike first."""
    differences = [difference(one.looks, other.looks) for one, other in pairwise(stretches)]
    while differences and min(differences) < 1:
        at = int(np.argmin(differences))
        stretches[at : at + 2] = [stretches[at] + stretches[at + 1]]
        del differences[at]
        for place in (at - 1, at):
            if 0 <= place < len(differences):
                differences[place] = difference(stretches[place].looks, stretches[place + 1].looks)
    return stretches


def _without_flashes(stretches: list[_Stretch], video_s: NDArray[np.float64]) -> list[_Stretch]:
    """Those that are shown long enough; all where none is."""
    starts = [video_s[stretch.rows[0]] for stretch in stretches]
    lengths = np.diff([*starts, video_s[-1]])
    kept = [stretch for stretch, length_s in zip(stretches, lengths, strict=True) if length_s >= _FLASH_S]
    return kept or stretches


def _groups(stretches: Sequence[_Stretch]) -> list[int]:
    """The arrangement that each stretch shows, numbered in the order of appearance."""
    known: list[Appearance] = []
    groups = []
    for stretch in stretches:
        differences = [difference(looks, stretch.looks) for looks in known]
        if differences and min(differences) < 1:
            group = int(np.argmin(differences))
            known[group] += stretch.looks
        else:
            group = len(known)
            known.append(stretch.looks)
        groups.append(group)
    return groups
