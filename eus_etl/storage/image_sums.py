"""The checksums of a video's extracted images, taken before they reach the disk."""

from collections.abc import Mapping
from pathlib import Path

from eus_etl.storage.files.checksums import format_sums, parse_sums

_IMAGE_SUMS = "images.sha256"


def write_image_sums(state: Path, sums: Mapping[str, str]) -> None:
    """List the SHA-256 of a video's images by file name, in a state folder that is not published yet."""
    (state / _IMAGE_SUMS).write_text(format_sums(sums))


def load_image_sums(state: Path) -> dict[str, str] | None:
    """File names of a video's images to their SHA-256; None where an earlier version extracted it.

    Raises:
        ValueError: the list is damaged.
    """
    try:
        return parse_sums((state / _IMAGE_SUMS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
