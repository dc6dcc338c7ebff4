"""Statistics of each cell of a frame, which replace its pixels once it is decoded.

The statistics add up: a region's follow from those of its cells, so that a region or a threshold can move
without reading an image again. ``CellGrid.score`` sums cells over a region. ``quality.scores`` adds scores
that compare frames, and turns scores into reasons; files belong to ``storage.cell_store``.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.cells.geometry import (
    GridGeometry,
    Integral,
    cells_of_copy,
    cells_of_hash,
    grid_geometry,
    means_of_integral,
)
from eus_etl.domain.images.luma import Luma
from eus_etl.domain.images.picture import Picture
from eus_etl.settings import GridConfig

__all__ = [
    "STATISTICS",
    "CellGrid",
    "Codes",
    "FrameCells",
    "GridGeometry",
    "GridScores",
    "codes_with_motion",
    "grid_geometry",
    "measure",
]

Codes = NDArray[np.uint8]

STATISTICS = ("brightness", "deviation", "sharpness", "motion", "color")
"""What a cell holds, in the order of the planes of ``CellGrid.codes``."""

_BRIGHTNESS, _DEVIATION, _SHARPNESS, _MOTION, _COLOR = range(5)
# The Laplacian of Gaussian is taken on the copy halved once more, at a fifth of the cost: so smooth a picture
# loses nothing by it. This sigma, in pixels of the half, makes up for the smoothing by halving and for the
# wider Laplacian: the mean square is that of sigma 2 on the copy, to 3 % on ultrasound, to 5 % where a small
# picture loses a line by it.
_LOG_OF_HALF = cv2.getGaussianKernel(7, 0.92, cv2.CV_32F)
_LAPLACIAN_OF_HALF = 1 / 4
_FRAMES_AT_ONCE = 1024

# One byte per statistic and cell. Brightness has steps of 1 grey level, deviation of 1/2. Motion is stored by
# its root: steps of 0.004 grey levels near standstill. Sharpness is stored by its logarithm: steps of 6 %.
_DEVIATION_SCALE = 2.0
_MOTION_SCALE = 15.9
_SHARPNESS_SCALE = 12.0
_SHARPNESS_UNIT = 1 / 64
# luma that is not of full range: ITU-R BT.601
_FULL_RANGE = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)
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
class GridScores:
    """Scores of a region, one float64 per frame; NaN where there is nothing to score.

    Attributes:
        brightness: mean grey level.
        contrast: standard deviation of grey.
        sharpness: mean square of the Laplacian of Gaussian (sigma 2 on the copy).
        motion: mean absolute change of grey to the kept frame before; NaN for a segment's first frame.
        color_fraction: share of colored pixels.
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
        codes: (frames, len(STATISTICS), rows, cols), a byte for each of ``STATISTICS``.
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
        share = self._shares(weights)
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

    def color_fraction(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """This one score alone, of every frame; arguments as for ``score``."""
        return self._mean(_COLOR, _DECODED[_COLOR], self._shares(weights))

    def _shares(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each cell's share of the region's pixels; NaN where the region has none."""
        pixels = (weights * self.geometry.counts).ravel()
        total = pixels.sum()
        return pixels / total if total > 0 else np.full_like(pixels, np.nan)

    def _mean(
        self, plane: int, values: NDArray[np.float64], share: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        # in slices: decoded values take eight times the room of their codes
        means = np.empty(self.frames)
        cells = np.flatnonzero(share)  # of a region, most cells of the screen are not
        for start in range(0, self.frames, _FRAMES_AT_ONCE):
            part = slice(start, start + _FRAMES_AT_ONCE)
            codes = self.codes[part, plane].reshape(-1, share.size).take(cells, axis=1)
            means[part] = np.asarray(cv2.LUT(codes, values)) @ share[cells]
        return means


@dataclass(frozen=True, slots=True)
class FrameCells:
    """What is measured on one picture by itself; motion needs the picture before.

    Attributes:
        geometry: how the cells lie.
        grey: the grey copy, (copy height, copy width).
        codes: (len(STATISTICS), rows, cols); motion is 0.
        dhash: difference hash, 64 bits: 8 x 8 comparisons of neighbours on a 9 x 8 copy.
    """

    geometry: GridGeometry
    grey: NDArray[np.uint8]
    codes: Codes
    dhash: int


def measure(picture: Picture, config: GridConfig, luma: Luma | None = None) -> FrameCells:
    """Measure the cells of one picture.

    Args:
        picture: BGR, (height, width, 3).
        config: width of the copy, side of a cell, and what counts as colored.
        luma: the picture's brightness where it is at hand; None has it made of the picture.
    """
    height, width = picture.shape[:2]
    geometry = grid_geometry(width, height, config)
    grey = _reduced_grey(luma or Luma.of(picture), geometry)
    sums, squares = (np.asarray(integral) for integral in cv2.integral2(grey))
    cells = cells_of_copy(geometry)
    brightness = means_of_integral(sums, cells)
    variance = means_of_integral(squares, cells) - brightness**2
    sharpness = _sharpness(grey, geometry)
    codes = np.zeros((len(STATISTICS), geometry.rows, geometry.cols), np.uint8)
    codes[_BRIGHTNESS] = _code(brightness)
    codes[_DEVIATION] = _code(_DEVIATION_SCALE * np.sqrt(np.maximum(variance, 0)))
    codes[_SHARPNESS] = _code(_SHARPNESS_SCALE * np.log2(1 + sharpness / _SHARPNESS_UNIT))
    codes[_COLOR] = _color(picture, geometry, config.color_chroma)
    return FrameCells(geometry, grey, codes, _dhash(sums, geometry))


def codes_with_motion(cells: FrameCells, before: FrameCells | None) -> Codes:
    """The codes of a frame, its change to the kept frame ``before`` of the same segment filled in."""
    if before is None:
        return cells.codes
    change = np.asarray(cv2.absdiff(cells.grey, before.grey), np.uint8)
    codes = cells.codes.copy()
    codes[_MOTION] = _code(_MOTION_SCALE * np.sqrt(cells.geometry.cell_means(change)))
    return codes


def _reduced_grey(luma: Luma, geometry: GridGeometry) -> NDArray[np.uint8]:
    """The copy on which statistics are taken, black 0 and white 255.

    Halved by averaging as often as it goes, then brought to size by linear interpolation: as true to the
    picture as averaging by the whole factor at once, at a fifth of its time.
    """
    size = (geometry.copy_width_px, geometry.copy_height_px)
    grey = luma.plane
    while grey.shape[1] >= 2 * size[0] and grey.shape[0] >= 2 * size[1]:
        grey = _halve(grey)
    grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR), np.uint8)
    return grey if luma.full_range else np.asarray(cv2.LUT(grey, _FULL_RANGE), np.uint8)


def _halve(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    half = (picture.shape[1] // 2, picture.shape[0] // 2)
    return np.asarray(cv2.resize(picture, half, interpolation=cv2.INTER_AREA), np.uint8)


def _sharpness(grey: NDArray[np.uint8], geometry: GridGeometry) -> NDArray[np.float64]:
    if min(grey.shape) < 2:
        return np.zeros((geometry.rows, geometry.cols))
    half = _halve(grey[: grey.shape[0] // 2 * 2, : grey.shape[1] // 2 * 2])
    smooth = cv2.sepFilter2D(half, cv2.CV_32F, _LOG_OF_HALF, _LOG_OF_HALF)
    edges = np.asarray(cv2.Laplacian(smooth, cv2.CV_32F, scale=_LAPLACIAN_OF_HALF), np.float32)
    return means_of_integral(np.asarray(cv2.integral(edges * edges)), cells_of_copy(geometry, 2))


def _color(picture: Picture, geometry: GridGeometry, threshold: int) -> Codes:
    # a share needs no average: a pixel of the picture for every sixteen of the copy stands for its neighbours
    size = (max(1, geometry.copy_width_px // 4), max(1, geometry.copy_height_px // 4))
    blue, green, red = cv2.split(cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST))
    chroma = cv2.subtract(cv2.max(cv2.max(blue, green), red), cv2.min(cv2.min(blue, green), red))
    _, colored = cv2.threshold(chroma, threshold, 255, cv2.THRESH_BINARY)
    return _code(means_of_integral(np.asarray(cv2.integral(colored)), cells_of_copy(geometry, 4)))


def _code(values: NDArray[np.floating]) -> Codes:
    return np.asarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _dhash(sums: Integral, geometry: GridGeometry) -> int:
    small = np.rint(means_of_integral(sums, cells_of_hash(geometry)))
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes())
