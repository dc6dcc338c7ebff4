"""How cells lie on a picture, on the copy of it that is measured, and on a mask.

What is measured in a cell belongs to ``statistics``.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.settings import GridConfig

Integral = NDArray[np.integer | np.floating]
"""The integral image of a plane, a row and a column larger, in whatever type OpenCV gives it."""


@dataclass(frozen=True, slots=True)
class GridGeometry:
    """How cells lie on pictures of one size.

    Statistics are taken on a copy of the picture that is ``copy_width_px`` wide, in square cells of side
    ``block_px``; cells at the right and lower border may be cut.
    """

    width_px: int
    height_px: int
    copy_width_px: int
    copy_height_px: int
    block_px: int

    @property
    def rows(self) -> int:
        """Number of rows of cells."""
        return -(-self.copy_height_px // self.block_px)

    @property
    def cols(self) -> int:
        """Number of columns of cells."""
        return -(-self.copy_width_px // self.block_px)

    @property
    def counts(self) -> NDArray[np.float64]:
        """Pixels of the copy in each cell, (rows, cols)."""
        return cells_of_copy(self).pixels

    @property
    def x_edges_px(self) -> NDArray[np.float64]:
        """Borders of the columns of cells in pixels of the picture, cols + 1 of them."""
        return np.asarray(_cell_edges(self)[1] * self.width_px / self.copy_width_px, np.float64)

    @property
    def y_edges_px(self) -> NDArray[np.float64]:
        """Borders of the rows of cells in pixels of the picture, rows + 1 of them."""
        return np.asarray(_cell_edges(self)[0] * self.height_px / self.copy_height_px, np.float64)

    def cell_weights(self, mask: NDArray[np.uint8] | NDArray[np.bool_]) -> NDArray[np.float64]:
        """Share of each cell, 0 to 1, that lies inside ``mask``.

        Args:
            mask: (height_px, width_px) of the picture, not zero inside.
        """
        inside = (np.asarray(mask) != 0).astype(np.float32)
        size = (self.copy_width_px, self.copy_height_px)
        copy = np.asarray(cv2.resize(inside, size, interpolation=cv2.INTER_AREA), np.float32)
        return self.cell_means(copy)

    def cell_means(self, plane: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float64]:
        """Mean of each cell of a plane of the copy: (copy height, copy width) to (rows, cols)."""
        return means_of_integral(np.asarray(cv2.integral(plane)), cells_of_copy(self))


class Cells(NamedTuple):
    """Where the cells lie in a plane, and how many of its pixels each has.

    Attributes:
        corners: (rows + 1, cols + 1), where the corners of cells lie in the plane's integral image, flat.
        pixels: (rows, cols), pixels of each cell; of one that has none 1, so that it counts for nothing.
    """

    corners: NDArray[np.intp]
    pixels: NDArray[np.float64]


def _cells_between(row_edges: NDArray[np.intp], col_edges: NDArray[np.intp]) -> Cells:
    corners = row_edges[:, None] * (col_edges[-1] + 1) + col_edges
    pixels = np.maximum(np.outer(np.diff(row_edges), np.diff(col_edges)), 1).astype(np.float64)
    for shared in (corners, pixels):
        shared.flags.writeable = False
    return Cells(corners, pixels)


@lru_cache
def _cell_edges(geometry: GridGeometry) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Borders of the rows and of the columns of cells on the copy, px."""
    rows = np.arange(geometry.rows + 1, dtype=np.intp) * geometry.block_px
    cols = np.arange(geometry.cols + 1, dtype=np.intp) * geometry.block_px
    return np.minimum(rows, geometry.copy_height_px), np.minimum(cols, geometry.copy_width_px)


@lru_cache
def cells_of_copy(geometry: GridGeometry, reduced: int = 1) -> Cells:
    """The cells on the copy, or on what is ``reduced`` times smaller in both directions."""
    rows, cols = _cell_edges(geometry)
    return _cells_between(rows // reduced, cols // reduced)


@lru_cache
def cells_of_hash(geometry: GridGeometry) -> Cells:
    """The 8 rows of 9 cells that a difference hash compares, on the copy."""
    rows = np.linspace(0, geometry.copy_height_px, 9).astype(np.intp)
    cols = np.linspace(0, geometry.copy_width_px, 10).astype(np.intp)
    return _cells_between(rows, cols)


def means_of_integral(integral: Integral, cells: Cells) -> NDArray[np.float64]:
    """Mean of each cell of a plane, of which the integral image is given."""
    corners = integral.take(cells.corners)
    bands = corners[1:] - corners[:-1]
    return np.asarray((bands[:, 1:] - bands[:, :-1]) / cells.pixels, np.float64)


def grid_geometry(width_px: int, height_px: int, config: GridConfig) -> GridGeometry:
    """Lay cells on pictures of this size; a picture narrower than the copy would be is not enlarged."""
    copy_width = min(config.width_px, width_px)
    copy_height = max(1, round(height_px * copy_width / width_px))
    return GridGeometry(width_px, height_px, copy_width, copy_height, config.block_px)
