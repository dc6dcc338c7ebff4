"""How a decoded picture is rotated and mirrored for display: the container's display matrix, applied.

The matrix maps a point (x, y) of the picture to (a x + c y, b x + d y) on the screen, both with y downwards
(FFmpeg, ``libavutil/display.h``). Only quarter turns, with or without mirroring, are supported.
"""

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame

from eus_etl.domain.images.picture import Picture

# PyAV frees metadata of side data (of ICC profiles, for one) twice: when the side data go and when the frame
# goes. One of each size and rotation is kept for good.
_looked_at: list[SideDataContainer] = []


@dataclass(frozen=True, slots=True)
class Orientation:
    """First whether to transpose, then whether to flip columns and rows."""

    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @property
    def mirrored(self) -> bool:
        """Whether it mirrors, which no rotation alone does."""
        return self.transposed ^ self.flip_x ^ self.flip_y

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise, 0 to 270; of a mirrored picture those before its columns are flipped."""
        flip_x = self.flip_x ^ self.mirrored
        if self.transposed:
            return 270 if flip_x else 90
        return 180 if flip_x else 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height as shown of a picture of this size."""
        return (height, width) if self.transposed else (width, height)

    def apply(self, picture: Picture) -> Picture:
        """The picture, oriented for display."""
        shown = cv2.transpose(picture) if self.transposed else picture
        if self.flip_x or self.flip_y:
            shown = cv2.flip(shown, {(True, False): 1, (False, True): 0}.get((self.flip_x, self.flip_y), -1))
        return np.asarray(shown, np.uint8)


def orientation_of(frame: VideoFrame, photo: bool = False) -> Orientation:
    """The orientation that a frame's display matrix asks for; upright where it has none.

    Not for every frame: PyAV keeps a frame in memory once its side data were read.
    """
    if photo:  # cameras add side data that PyAV does not know, or frees twice
        return _rotated(frame)
    try:
        side_data = cast(SideDataContainer, frame.side_data)
    except ValueError:  # a kind unknown to PyAV
        return _rotated(frame)
    _looked_at.append(side_data)
    matrix = side_data.get(SideDataType.DISPLAYMATRIX)
    if matrix is None:
        return Orientation()
    a, b, _, c, d = (int(entry) for entry in np.frombuffer(bytes(matrix), np.int32)[:5])
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(transposed=True, flip_x=c < 0, flip_y=b < 0)
    return Orientation(flip_x=a < 0, flip_y=d < 0)


def _rotated(frame: VideoFrame) -> Orientation:
    """What the rotation of the display matrix alone says."""
    turns = round(frame.rotation / 90) % 4
    return Orientation(transposed=turns % 2 == 1, flip_x=turns in (2, 3), flip_y=turns in (1, 2))
