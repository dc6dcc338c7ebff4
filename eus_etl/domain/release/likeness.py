"""What a picture looks like, in few numbers that survive a copy: encoded again, scaled, cropped, brightened.

The numbers are of the texture inside the masked region, never of its outline, which all pictures of a scanner
share. They are the same on every machine: nothing is summed in an order that a library chooses. Which
pictures are compared, and what counts as a leak, is decided in ``leaks``.
"""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.images.picture import Picture

SIDE = 32
"""Cells along each side of a look."""

POOLED = 128
"""Numbers of a pooled look."""

_SMALL_PX = 64
_DARK = 6  # grey levels: darker ones are outside of the mask, or hold no texture
_HALF = SIDE // 2
_RADIUS = 9.5  # cells: mean distance of texture from its centre, once the picture is scaled by it
_FLOOR = 2.0  # grey levels: fainter texture is mostly noise of the encoding
_STEPS = 40.0  # of a look, for each deviation
_MOST = 3.0  # deviations
_CLEAR, _TEXTURED = (
    0.5,
    0.1,
)  # deviations of texture that is clearly there; real pictures hold a quarter of it
_LIT = 8
_AT_ONCE = 1024

Floats = NDArray[np.float64]
Bytes = NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Looks:
    """The looks of n pictures.

    Attributes:
        texture: (n, SIDE, SIDE), int8: by how much each cell is brighter than its surroundings, in units of
            the usual difference there; 0 outside. The picture is scaled and shifted so that its texture has
            the same centre and extent whatever was cropped around it.
        inside: (n, SIDE, SIDE), bool: cells wholly inside the region.
    """

    texture: Bytes
    inside: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.texture)

    @classmethod
    def of(cls, pictures: NDArray[np.uint8]) -> Self:
        """The looks of pictures that ``shrink`` made, (n, side, side)."""
        if not len(pictures):
            return cls(np.zeros((0, SIDE, SIDE), np.int8), np.zeros((0, SIDE, SIDE), np.bool_))
        regions = np.stack([_region(picture) for picture in pictures])
        pictures = pictures & regions
        whole = _relief(_quartered(pictures), _quartered(regions))
        across, down, radius = _extent(np.minimum(np.abs(whole[0]), 1.5))
        scale = _RADIUS / radius
        grey = _resampled(pictures, across, down, scale)
        weight = _resampled(regions, across, down, scale)
        relief, inside = _relief(grey, weight)
        textured = (np.abs(relief) > _CLEAR).sum(axis=(1, 2)) >= _TEXTURED * inside.sum(axis=(1, 2))
        relief = relief * textured[:, None, None]  # what is left otherwise is the outline
        return cls(np.rint(relief * _STEPS).astype(np.int8), inside)

    @classmethod
    def joined(cls, parts: "list[Looks]") -> Self:
        """The looks of all parts, in order."""
        if not parts:
            return cls.of(np.zeros((0, _SMALL_PX, _SMALL_PX), np.uint8))
        return cls(
            np.concatenate([part.texture for part in parts]), np.concatenate([part.inside for part in parts])
        )

    def mirrored(self) -> Self:
        """The looks of the pictures, left and right exchanged."""
        return type(self)(self.texture[:, :, ::-1], self.inside[:, :, ::-1])

    def at(self, index: NDArray[np.int64]) -> Self:
        """Some of the looks."""
        return type(self)(self.texture[index], self.inside[index])

    def pooled(self) -> NDArray[np.uint8]:
        """(n, POOLED): where there is bright and where dark texture, so roughly that shifts change little."""
        if len(self) > _AT_ONCE:
            parts = [slice(at, at + _AT_ONCE) for at in range(0, len(self), _AT_ONCE)]
            return np.concatenate([type(self)(self.texture[p], self.inside[p]).pooled() for p in parts])
        texture = self.texture.astype(np.int32)
        halves = [np.maximum(texture, 0), np.maximum(-texture, 0)]
        pooled = []
        for half in halves:
            smooth = _spread(_spread(half.astype(np.float64), 1), 1) / 81
            cells = smooth.reshape(len(texture), 8, SIDE // 8, 8, SIDE // 8)
            pooled.append(_added(cells, (2, 4)) / (SIDE // 8) ** 2)
        strength = np.sqrt(np.concatenate([part.reshape(len(texture), -1) for part in pooled], axis=1))
        return np.asarray(np.rint(np.minimum(strength * 16, 255)), np.uint8)


def shrink(picture: Picture) -> NDArray[np.uint8]:
    """A masked picture, grey or BGR, square, at the size that ``Looks.of`` wants."""
    grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(grey, (_SMALL_PX, _SMALL_PX), interpolation=cv2.INTER_AREA), np.uint8)


def _region(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """255 within the hull of what is lit, but for pixels on its border, which are lit in part."""
    lit = cv2.findNonZero((picture > _DARK).astype(np.uint8))
    region = np.zeros_like(picture)
    if lit is not None and len(lit) >= _LIT:
        cv2.fillConvexPoly(region, cv2.convexHull(lit), 255)
    return np.asarray(cv2.erode(region, np.ones((3, 3), np.uint8)), np.uint8)


def _quartered(pictures: NDArray[np.uint8]) -> Floats:
    """(n, SIDE, SIDE): the mean over blocks."""
    step = pictures.shape[1] // SIDE
    blocks = pictures.astype(np.float64).reshape(len(pictures), SIDE, step, SIDE, step)
    return np.asarray(_added(blocks, (2, 4)) / step**2)


def _added(values: Floats, axes: tuple[int, ...]) -> Floats:
    """The sum over axes, added one by one."""
    for axis in sorted(axes, reverse=True):
        parts = np.moveaxis(values, axis, 0)
        total = parts[0].copy()
        for part in parts[1:]:
            total += part
        values = total
    return values


def _spread(values: Floats, reach: int) -> Floats:
    """The sum over (2 reach + 1)^2 cells around each; nothing lies outside."""
    for axis in (1, 2):
        padding = [(0, 0), (0, 0), (0, 0)]
        padding[axis] = (reach, reach)
        padded = np.pad(values, padding)
        total = np.zeros_like(values)
        for start in range(2 * reach + 1):
            window = [slice(None)] * 3
            window[axis] = slice(start, start + SIDE)
            total += padded[tuple(window)]
        values = total
    return values


def _relief(grey: Floats, weight: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """How much brighter than its surroundings each cell is, in usual differences; what is wholly inside."""
    weight = weight / 255  # outside is black: grey is weighted already
    near = (_spread(grey, 1) + grey) / np.maximum(_spread(weight, 1) + weight, 1e-6)
    far = _spread(_spread(grey, 2), 2) / np.maximum(_spread(_spread(weight, 2), 2), 1e-6)
    difference = np.where(weight > 0.5, near - far, 0.0)
    usual = np.sqrt(
        _spread(_spread(difference**2 * weight, 3), 3) / np.maximum(_spread(_spread(weight, 3), 3), 1e-6)
    )
    full = (weight > 0.98).astype(np.float64)
    inside = _spread(full, 0) >= 1
    relief = np.clip(difference / (usual + _FLOOR), -_MOST, _MOST)
    return np.where(inside, relief, 0.0), inside


def _extent(strength: Floats) -> tuple[Floats, Floats, Floats]:
    """Centre (cells across and down) and mean radius of the texture of each picture."""
    place = np.arange(SIDE, dtype=np.float64)
    total = _added(strength, (1, 2)) + 1e-6
    across = (_added(strength * place, (1, 2)) + 1e-6 * _HALF) / total
    down = (_added(strength * place[:, None], (1, 2)) + 1e-6 * _HALF) / total
    far = (place - across[:, None, None]) ** 2 + (place[:, None] - down[:, None, None]) ** 2
    radius = np.sqrt((_added(strength * far, (1, 2)) + 1e-6 * _RADIUS**2) / total)
    return across, down, np.clip(radius, 3.0, 14.0)


def _resampled(pictures: NDArray[np.uint8], across: Floats, down: Floats, scale: Floats) -> Floats:
    """(n, SIDE, SIDE): each picture scaled about its centre, which comes to the middle; 0 outside of it."""
    step = pictures.shape[1] / SIDE
    # four samples for each cell
    offset = (np.arange(2 * SIDE) + 0.5) / 2 - 0.5 - (_HALF - 0.5)
    columns = (across[:, None] + offset / scale[:, None] + 0.5) * step - 0.5
    rows = (down[:, None] + offset / scale[:, None] + 0.5) * step - 0.5
    sampled = _interpolated(_interpolated(pictures.astype(np.float64), rows), columns, across=True)
    blocks = sampled.reshape(len(pictures), SIDE, 2, SIDE, 2)
    return _added(blocks, (2, 4)) / 4


def _interpolated(pictures: Floats, at: Floats, across: bool = False) -> Floats:
    """Linearly between rows (or columns) at positions (n, m); 0 beyond the picture."""
    if across:
        return _interpolated(pictures.swapaxes(1, 2), at).swapaxes(1, 2)
    padded = np.pad(pictures, ((0, 0), (1, 1), (0, 0)))
    clipped = np.clip(at + 1, 0, pictures.shape[1] + 0.999)
    low = np.floor(clipped).astype(np.int64)
    part = (clipped - low)[:, :, None]
    which = np.arange(len(pictures))[:, None]
    return np.asarray(padded[which, low] * (1 - part) + padded[which, low + 1] * part)
