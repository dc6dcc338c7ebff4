"""How alike two looks are once one is zoomed and shifted onto the other."""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from eus_etl.domain.release.likeness import SIDE, Looks

_ZOOMS = (0.9, 1.0, 1.1)
_REACH = 3  # cells: a crop of a tenth moves the centre of the texture by less
_OVERLAP = 0.7  # of the smaller region; less is too little to judge by
_CELLS = SIDE * SIDE
_BATCH = 64

Singles = NDArray[np.float32]


def likeness(one: Looks, others: Looks, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """The highest correlation of each pair, over zooms and shifts; at most 1, and 0 where nothing overlaps.

    All sums are of whole numbers below 2^24, which float32 adds up without rounding, in whatever order.

    Args:
        one: n looks.
        others: m looks.
        pairs: (p, 2): index into ``one``, sorted, and into ``others``.
    """
    found = np.zeros(len(pairs), np.float64)
    owners, starts = np.unique(pairs[:, 0], return_index=True)
    ends = [*starts[1:], len(pairs)]
    for first in range(0, len(owners), _BATCH):
        batch = owners[first : first + _BATCH]
        moved = _moved(one.at(batch))
        for (texture, inside), owner, at in zip(moved, batch, range(first, len(owners)), strict=False):
            span = slice(starts[at], ends[at])
            other = others.at(pairs[span, 1])
            size = int(one.inside[owner].sum())
            found[span] = _best(texture, inside, size, other)
    return found


def _best(texture: Singles, inside: Singles, size: int, others: Looks) -> NDArray[np.float64]:
    other = others.texture.reshape(len(others), _CELLS).astype(np.float32)
    within = others.inside.reshape(len(others), _CELLS).astype(np.float32)
    product = (texture @ other.T).astype(np.float64)
    mine = ((texture * texture) @ within.T).astype(np.float64)
    theirs = (inside @ (other * other).T).astype(np.float64)
    enough = inside @ within.T >= _OVERLAP * np.minimum(size, others.inside.sum(axis=(1, 2)))
    alike = np.where(enough, product / np.sqrt(np.maximum(mine * theirs, 1.0)), 0.0)
    return np.asarray(np.maximum(alike.max(axis=0), 0.0), np.float64)


def _moved(looks: Looks) -> Iterator[tuple[Singles, Singles]]:
    """For each look its texture and inside, zoomed and shifted in all ways: (ways, cells) each."""
    zoomed = []
    for zoom in _ZOOMS:
        inside = _zoomed(looks.inside.astype(np.float64), zoom) > 0.98
        texture = np.rint(_zoomed(looks.texture.astype(np.float64), zoom)) * inside
        zoomed.append((texture, inside))
    padding = ((0, 0), (0, 0), (_REACH, _REACH), (_REACH, _REACH))
    textures = np.pad(np.stack([texture for texture, _ in zoomed], 1).astype(np.float32), padding)
    insides = np.pad(np.stack([inside for _, inside in zoomed], 1).astype(np.float32), padding)
    for texture, within in zip(textures, insides, strict=True):
        yield _shifted(texture), _shifted(within)


def _shifted(padded: Singles) -> Singles:
    return sliding_window_view(padded, (SIDE, SIDE), axis=(1, 2)).reshape(-1, _CELLS)


def _zoomed(values: NDArray[np.float64], zoom: float) -> NDArray[np.float64]:
    """(n, SIDE, SIDE) zoomed about the middle, linearly between cells; 0 beyond the edge."""
    middle = (SIDE - 1) / 2
    at = np.clip((np.arange(SIDE) - middle) / zoom + middle + 1, 0, SIDE + 0.999)
    low = np.floor(at).astype(np.int64)
    part = at - low
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)))
    rows = padded[:, low] * (1 - part)[:, None] + padded[:, low + 1] * part[:, None]
    return np.asarray(rows[:, :, low] * (1 - part) + rows[:, :, low + 1] * part)
