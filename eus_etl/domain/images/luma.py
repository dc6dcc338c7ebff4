"""The brightness of a picture."""

from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.images.picture import Picture


class Luma(NamedTuple):
    """The brightness of a picture, as shown.

    Attributes:
        plane: (height, width).
        full_range: whether black is 0 and white 255; else they are 16 and 235 (ITU-R BT.601).
    """

    plane: NDArray[np.uint8]
    full_range: bool

    @classmethod
    def of(cls, picture: Picture) -> Self:
        """That of a picture in BGR."""
        return cls(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8), full_range=True)
