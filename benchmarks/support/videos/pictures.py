"""Saved images, read to be looked at."""

from pathlib import Path

from eus_etl.domain.images.codec import decode_image
from eus_etl.domain.images.picture import Picture


def read_picture(file: Path) -> Picture:
    """A saved image as it is: (height, width) or (height, width, 3)."""
    picture = decode_image(file.read_bytes())
    assert picture is not None, f"{file.name} holds no picture"
    return picture
