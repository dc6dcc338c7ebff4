"""Encodes pictures as image files and decodes them; equal pictures give equal bytes."""

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.images.picture import Picture
from eus_etl.settings import ImageConfig

_CHROMA = {
    "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
}
Channels = Literal["grey", "bgr", "stored"]
_FLAGS: dict[Channels, int] = {
    "grey": cv2.IMREAD_GRAYSCALE,
    "bgr": cv2.IMREAD_COLOR,
    "stored": cv2.IMREAD_UNCHANGED,
}
_ENDS = (b"\xff\xd9", b"IEND\xaeB`\x82")
"""Whole JPEG and PNG files end so."""

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


def encode_png(picture: Picture, options: Sequence[int] = ()) -> bytes:
    """The bytes of a PNG file.

    Args:
        picture: grey or BGR.
        options: pairs of OpenCV's ``IMWRITE_PNG_...`` and a value; none for OpenCV's defaults.
    """
    return cv2.imencode(".png", picture, options)[1].tobytes()


def decode_image(data: bytes, channels: Channels = "stored") -> Picture | None:
    """The picture in an image file's bytes; None where they hold none, or not all of it.

    Args:
        data: a JPEG or PNG file.
        channels: ``grey`` gives (height, width), ``bgr`` (height, width, 3), ``stored`` either.
    """
    if not data.endswith(_ENDS):
        return None  # decoders fill with grey what was cut off
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS[channels])
    return None if picture is None else np.asarray(picture, np.uint8)
