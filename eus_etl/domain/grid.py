"""Statistics of each cell of a frame: what stands in for the pixels once a frame is decoded.

The statistics add up: those of any region follow from those of its cells, so that a region or a threshold
can move without an image being read again. Scores are defined here; what follows from a score (blurred,
frozen) does not belong here, nor do files (``storage.grids``).
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.settings import GridConfig

Codes = NDArray[np.uint8]

STATISTICS = ("brightness", "deviation", "sharpness", "motion", "color")
"""What a cell holds, in the order of the planes of ``CellGrid.codes``."""

_BRIGHTNESS, _DEVIATION, _SHARPNESS, _MOTION, _COLOR = range(5)
_LOG_SIGMA = 2.0
_FRAMES_AT_ONCE = 1024

# One byte a statistic and cell. Brightness has steps of 1 grey level, deviation of 1/2. Motion is stored by
# its root: steps of 0.004 grey levels near standstill. Sharpness is stored by its logarithm: steps of 6 %.
_DEVIATION_SCALE = 2.0
_MOTION_SCALE = 15.9
_SHARPNESS_SCALE = 12.0
_SHARPNESS_UNIT = 1 / 64
_BYTES = np.arange(256, dtype=np.float64)
_DECODED: NDArray[np.float64] = np.stack(
    [
        _BYTES,
        _BYTES / _DEVIATION_SCALE,
        (np.exp2(_BYTES / _SHARPNESS_SCALE) - 1) * _SHARPNESS_UNIT,
        (_BYTES / _MOTION_SCALE) ** 2,
        _BYTES / 255,
    ]
)


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
        heights = np.diff(self._edges(self.rows, self.copy_height_px))
        widths = np.diff(self._edges(self.cols, self.copy_width_px))
        return np.outer(heights, widths)

    @property
    def x_edges_px(self) -> NDArray[np.float64]:
        """Borders of the columns of cells in pixels of the picture, cols + 1 of them."""
        return self._edges(self.cols, self.copy_width_px) * self.width_px / self.copy_width_px

    @property
    def y_edges_px(self) -> NDArray[np.float64]:
        """Borders of the rows of cells in pixels of the picture, rows + 1 of them."""
        return self._edges(self.rows, self.copy_height_px) * self.height_px / self.copy_height_px

    def cell_weights(self, mask: NDArray[np.uint8] | NDArray[np.bool_]) -> NDArray[np.float64]:
        """Share of each cell, 0 to 1, that lies inside ``mask``.

        Args:
            mask: (height_px, width_px) of the picture, not zero inside.
        """
        inside = (np.asarray(mask) != 0).astype(np.float32)
        size = (self.copy_width_px, self.copy_height_px)
        copy = np.asarray(cv2.resize(inside, size, interpolation=cv2.INTER_AREA), np.float32)
        return self.cell_means(copy).astype(np.float64)

    def cell_means(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """Mean of each cell of a plane of the copy: (copy height, copy width) to (rows, cols)."""
        below = self.rows * self.block_px - self.copy_height_px
        right = self.cols * self.block_px - self.copy_width_px
        padded = plane
        if below or right:
            padded = np.pad(plane, ((0, below), (0, right)))
        means = np.asarray(cv2.resize(padded, (self.cols, self.rows), interpolation=cv2.INTER_AREA))
        # cut cells: their mean is that of their own pixels, without the padding
        return np.asarray(means * (self.block_px**2 / self.counts), np.float32)

    def _edges(self, cells: int, copy_px: int) -> NDArray[np.float64]:
        return np.minimum(np.arange(cells + 1) * self.block_px, copy_px).astype(np.float64)


@dataclass(frozen=True, slots=True)
class GridScores:
    """Scores of a region, one float64 a frame; NaN where there is nothing to score.

    Attributes:
        brightness: mean grey level.
        contrast: standard deviation of grey.
        sharpness: mean square of the Laplacian of Gaussian (sigma 2 on the copy).
        motion: mean absolute change of grey to the kept frame before; NaN for a segment's first frame.
        color_fraction: share of coloured pixels.
    """

    brightness: NDArray[np.float64]
    contrast: NDArray[np.float64]
    sharpness: NDArray[np.float64]
    motion: NDArray[np.float64]
    color_fraction: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CellGrid:
    """The cells of all kept frames of one segment: a stretch of equal picture size.

    Attributes:
        segment: number of the segment within its video, from 0.
        geometry: how the cells lie on the picture.
        codes: (frames, 5, rows, cols), a byte for each of ``STATISTICS``.
    """

    segment: int
    geometry: GridGeometry
    codes: Codes

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.codes)

    def statistic(self, name: str) -> NDArray[np.float32]:
        """One of ``STATISTICS`` for each frame and cell: (frames, rows, cols), in the units of scores.

        Motion of the first frame is NaN.
        """
        plane = STATISTICS.index(name)
        values: NDArray[np.float32] = _DECODED[plane].astype(np.float32)[self.codes[:, plane]]
        if plane == _MOTION:
            values[:1] = np.nan
        return values

    def score(self, weights: NDArray[np.float64]) -> GridScores:
        """Score a region in every frame.

        Args:
            weights: (rows, cols), the share of each cell that lies inside, as ``cell_weights`` gives it.
        """
        pixels = (weights * self.geometry.counts).ravel()
        total = pixels.sum()
        share = pixels / total if total > 0 else np.full_like(pixels, np.nan)
        brightness = self._mean(_BRIGHTNESS, _DECODED[_BRIGHTNESS], share)
        square = self._mean(_BRIGHTNESS, _DECODED[_BRIGHTNESS] ** 2, share)
        square += self._mean(_DEVIATION, _DECODED[_DEVIATION] ** 2, share)
        motion = self._mean(_MOTION, _DECODED[_MOTION], share)
        motion[:1] = np.nan
        return GridScores(
            brightness=brightness,
            contrast=np.sqrt(np.maximum(square - brightness**2, 0)),
            sharpness=self._mean(_SHARPNESS, _DECODED[_SHARPNESS], share),
            motion=motion,
            color_fraction=self._mean(_COLOR, _DECODED[_COLOR], share),
        )

    def _mean(
        self, plane: int, values: NDArray[np.float64], share: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        # in slices: decoded values take eight times the room of their codes
        means = np.empty(self.frames)
        for start in range(0, self.frames, _FRAMES_AT_ONCE):
            part = slice(start, start + _FRAMES_AT_ONCE)
            codes = self.codes[part, plane]
            means[part] = values[codes].reshape(len(codes), share.size) @ share
        return means


@dataclass(frozen=True, slots=True)
class FrameCells:
    """What is measured on one picture by itself; motion needs the picture before.

    Attributes:
        geometry: how the cells lie.
        grey: the grey copy, (copy height, copy width).
        codes: (5, rows, cols); motion is 0.
        dhash: difference hash, 16 hex digits: 8 x 8 comparisons of neighbours on a 9 x 8 copy.
    """

    geometry: GridGeometry
    grey: NDArray[np.uint8]
    codes: Codes
    dhash: str


def grid_geometry(width_px: int, height_px: int, config: GridConfig) -> GridGeometry:
    """Lay cells on pictures of this size; a picture narrower than the copy would be is not enlarged."""
    copy_width = min(config.width_px, width_px)
    copy_height = max(1, round(height_px * copy_width / width_px))
    return GridGeometry(width_px, height_px, copy_width, copy_height, config.block_px)


def measure(picture: NDArray[np.uint8], config: GridConfig) -> FrameCells:
    """Measure the cells of one picture.

    Args:
        picture: BGR, (height, width, 3).
        config: width of the copy, side of a cell, and what counts as coloured.
    """
    height, width = picture.shape[:2]
    geometry = grid_geometry(width, height, config)
    copy = _reduce(picture, geometry)
    blue, green, red = cv2.split(copy)
    chroma = cv2.subtract(cv2.max(cv2.max(blue, green), red), cv2.min(cv2.min(blue, green), red))
    colored = (chroma > config.color_chroma).astype(np.float32)
    grey = np.asarray(cv2.cvtColor(copy, cv2.COLOR_BGR2GRAY), np.uint8)
    level = grey.astype(np.float32)
    edges = np.asarray(cv2.Laplacian(cv2.GaussianBlur(level, (0, 0), _LOG_SIGMA), cv2.CV_32F), np.float32)
    brightness, square, sharpness, color = (
        geometry.cell_means(plane) for plane in (level, level * level, edges * edges, colored)
    )
    codes = np.zeros((len(STATISTICS), geometry.rows, geometry.cols), np.uint8)
    codes[_BRIGHTNESS] = _code(brightness)
    codes[_DEVIATION] = _code(_DEVIATION_SCALE * np.sqrt(np.maximum(square - brightness**2, 0)))
    codes[_SHARPNESS] = _code(_SHARPNESS_SCALE * np.log2(1 + sharpness / _SHARPNESS_UNIT))
    codes[_COLOR] = _code(color * 255)
    return FrameCells(geometry, grey, codes, _dhash(grey))


def codes_with_motion(cells: FrameCells, before: FrameCells | None) -> Codes:
    """The codes of a frame, its change to the kept frame ``before`` of the same segment filled in."""
    if before is None:
        return cells.codes
    change = cv2.absdiff(cells.grey, before.grey).astype(np.float32)
    codes = cells.codes.copy()
    codes[_MOTION] = _code(_MOTION_SCALE * np.sqrt(cells.geometry.cell_means(change)))
    return codes


def _reduce(picture: NDArray[np.uint8], geometry: GridGeometry) -> NDArray[np.uint8]:
    """The copy on which statistics are taken.

    Halved by averaging as often as it goes, then brought to size by linear interpolation: as true to the
    picture as averaging by the whole factor at once, at a fifth of its time.
    """
    size = (geometry.copy_width_px, geometry.copy_height_px)
    while picture.shape[1] >= 2 * size[0] and picture.shape[0] >= 2 * size[1]:
        picture = _halve(picture)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _halve(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    half = (picture.shape[1] // 2, picture.shape[0] // 2)
    return np.asarray(cv2.resize(picture, half, interpolation=cv2.INTER_AREA), np.uint8)


def _code(values: NDArray[np.floating]) -> Codes:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _dhash(grey: NDArray[np.uint8]) -> str:
    while min(grey.shape) >= 128:
        grey = _halve(grey)
    small = np.asarray(cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA))
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes().hex()
