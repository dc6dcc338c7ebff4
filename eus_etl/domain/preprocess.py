"""From an extracted frame to model input: mask, crop, grey, inpaint, resize, CLAHE, pad, by a recipe.

Handles one picture at a time, and the geometry that maps its pixels to the frame's. Which frames and files,
and when, belongs to ``steps.preprocessed_frames``. Values stay 8 bit: normalising is the loader's job.
"""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.screen.overlays import Boxes, boxes_mask
from eus_etl.domain.screen.region import Polygon, mask
from eus_etl.settings import RecipeConfig

_CLAHE_TILES = (8, 8)
_INSIDE = 128
_INPAINT_RADIUS_PX = 3


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a frame's crop lies in a square output of ``size_px``; nothing is stretched.

    Attributes:
        crop_x, crop_y, crop_w, crop_h: the crop in the frame, px.
        scale: output pixels per frame pixel.
        pad_x, pad_y: columns left of and rows above the picture in the output.
        size_px: side of the output.
    """

    crop_x: int
    crop_y: int
    crop_w: int
    crop_h: int
    scale: float
    pad_x: int
    pad_y: int
    size_px: int

    @classmethod
    def of(cls, polygon: Polygon, size_px: int) -> Self:
        """The polygon's bounding box, centred in the output, its longer side filling it."""
        left, top = (int(low) for low in polygon.min(axis=0))
        crop_w, crop_h = (int(extent) + 1 for extent in np.ptp(polygon, axis=0))
        scale = size_px / max(crop_w, crop_h)
        width, height = _scaled(crop_w, scale), _scaled(crop_h, scale)
        return cls(left, top, crop_w, crop_h, scale, (size_px - width) // 2, (size_px - height) // 2, size_px)

    @property
    def width(self) -> int:
        """Width of the picture within the output, px."""
        return _scaled(self.crop_w, self.scale)

    @property
    def height(self) -> int:
        """Height of the picture within the output, px."""
        return _scaled(self.crop_h, self.scale)

    def to_output(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions (n, 2) in the frame to positions in the output; a pixel's centre is at a half."""
        return (points - (self.crop_x, self.crop_y)) * self.scale + (self.pad_x, self.pad_y)

    def to_frame(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inverse of ``to_output``."""
        return (points - (self.pad_x, self.pad_y)) / self.scale + (self.crop_x, self.crop_y)

    def cut(self, picture: Picture) -> Picture:
        """The crop of a frame, a view of it."""
        return picture[self.crop_y : self.crop_y + self.crop_h, self.crop_x : self.crop_x + self.crop_w]

    def resize(self, crop: Picture) -> Picture:
        """The crop at its size in the output: averaged where it shrinks, interpolated where it grows."""
        method = cv2.INTER_AREA if self.scale <= 1 else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(crop, (self.width, self.height), interpolation=method), np.uint8)

    def pad(self, picture: Picture) -> Picture:
        """The resized picture in the square, black around it."""
        right, below = self.size_px - self.width - self.pad_x, self.size_px - self.height - self.pad_y
        padded = cv2.copyMakeBorder(
            picture, self.pad_y, below, self.pad_x, right, cv2.BORDER_CONSTANT, value=(0, 0, 0)
        )
        return np.asarray(padded, np.uint8)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A preprocessed picture.

    Attributes:
        picture: uint8, (size, size) grey or (size, size, 3) BGR; 0 outside of the mask.
        mean: mean grey level inside the mask.
        std: standard deviation of grey inside the mask.
    """

    picture: Picture
    mean: float
    std: float


class Preprocessor:
    """Applies one recipe to the frames of one layout; may be used by several threads at once.

    Args:
        polygon: the layout's region, with at least three corners.
        width: width of the layout's pictures, px.
        height: their height, px.
        recipe: what to do.
        marks: boxes in the layout's pictures that are painted over.
    """

    def __init__(
        self, polygon: Polygon, width: int, height: int, recipe: RecipeConfig, marks: Boxes = ()
    ) -> None:
        self.geometry = Geometry.of(polygon, recipe.size_px)
        self._recipe = recipe
        self._shape = (height, width)
        self._crop_mask = self.geometry.cut(mask(polygon, width, height))
        marked = self.geometry.cut(boxes_mask(marks, width, height)) & self._crop_mask
        self._marked = marked if marked.any() else None
        # a pixel less than half inside counts as outside: so the output's border, too, shows nothing of the
        # screen
        self._mask = np.where(self.geometry.resize(self._crop_mask) >= _INSIDE, 255, 0).astype(np.uint8)

    def apply(self, picture: Picture) -> Prepared:
        """Mask, crop, grey, inpaint marks, resize, CLAHE, mask again (CLAHE lifts black), pad.

        Screen pixels outside of the polygon are set to 0 before anything mixes neighbours. Marks are painted
        over by Telea's fast marching (2004), from what lies around them.

        Args:
            picture: uint8 of the layout, BGR (height, width, 3), or grey (height, width) for a grey recipe.

        Raises:
            ValueError: the picture is not of the layout's size.
        """
        if picture.shape[:2] != self._shape:
            raise ValueError(
                f"a picture of {picture.shape[1]}x{picture.shape[0]} px, which is not the layout's size"
            )
        crop = self.geometry.cut(picture)
        if self._recipe.grey and crop.ndim == 3:
            crop = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.uint8)
        crop = _masked(crop, self._crop_mask)
        if self._marked is not None:
            crop = np.asarray(
                cv2.inpaint(crop, self._marked, _INPAINT_RADIUS_PX, cv2.INPAINT_TELEA), np.uint8
            )
        resized = self.geometry.resize(crop)
        if self._recipe.clahe_clip is not None:
            resized = _equalised(resized, self._recipe.clahe_clip)
        resized = _masked(resized, self._mask)
        grey = resized if resized.ndim == 2 else cv2.cvtColor(resized, cv2.COLOR_BGR2GRAY)
        mean, std = cv2.meanStdDev(grey, mask=self._mask)
        return Prepared(self.geometry.pad(resized), float(mean[0, 0]), float(std[0, 0]))


def _scaled(length_px: int, scale: float) -> int:
    return max(1, round(length_px * scale))


def _masked(picture: Picture, inside: Picture) -> Picture:
    if picture.ndim == 2:  # half the time of the mask
        return np.asarray(cv2.bitwise_and(picture, inside), np.uint8)
    return np.asarray(cv2.bitwise_and(picture, picture, mask=inside), np.uint8)


def _equalised(picture: Picture, clip: float) -> Picture:
    """CLAHE of the grey picture, or of the lightness of a coloured one."""
    clahe = cv2.createCLAHE(clip, _CLAHE_TILES)  # one of its own: it keeps state while it works
    if picture.ndim == 2:
        return np.asarray(clahe.apply(picture), np.uint8)
    lab = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2Lab))
    lab[:, :, 0] = clahe.apply(np.ascontiguousarray(lab[:, :, 0]))
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_Lab2BGR), np.uint8)
