"""Pictures to image files and back, as the configuration asks; equal pictures give equal bytes."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.video.types import Picture
from eus_etl.settings import ImageConfig

_CHROMA = {
    "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
}
_PNG_EFFORT = 1  # more costs several times the time and saves a few percent on ultrasound


def encode_image(picture: Picture, config: ImageConfig) -> NDArray[np.uint8]:
    """The bytes of an image file.

    Args:
        picture: BGR, (height, width, 3).
        config: format, and for JPEG quality and chroma subsampling.
    """
    if config.format == "jpg":
        options = [
            cv2.IMWRITE_JPEG_QUALITY,
            config.quality,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
            _CHROMA[config.chroma],
        ]
    else:
        options = [cv2.IMWRITE_PNG_COMPRESSION, _PNG_EFFORT]
    encoded, data = cv2.imencode(f".{config.format}", picture, options)
    if not encoded:
        raise ValueError(f"a picture of {picture.shape} cannot be stored as {config.format}")
    return np.asarray(data, np.uint8)


def read_image(path: Path) -> Picture:
    """An image file as BGR, (height, width, 3).

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds no picture.
    """
    picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{path.name} holds no picture")
    return np.asarray(picture, np.uint8)
