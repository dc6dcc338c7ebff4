"""Uploads that the video reader may refuse: photos, and why it refuses a file."""

from pathlib import Path

import pytest
from PIL import Image, ImageCms

from benchmarks.support.videos.small_videos import paint
from eus_etl.errors import VideoUnreadableError
from eus_etl.settings import ExtractionConfig, ReadingConfig
from eus_etl.steps.video_reader.reader import probe_apart

EXTRACTION = ExtractionConfig(frame_rate_hz=None)
KEEP_STILLS = ExtractionConfig(frame_rate_hz=None, still_images="keep")
READING = ReadingConfig()


def refusal(path: Path, extraction: ExtractionConfig = EXTRACTION, reading: ReadingConfig = READING) -> str:
    with pytest.raises(VideoUnreadableError) as refused:
        probe_apart(path, "v1", extraction, reading)
    assert path.stem not in str(refused.value)
    return refused.value.reason


def photos(folder: Path) -> dict[str, Path]:
    """The same numbered picture as photos of every kind, with what cameras put into them."""
    picture = Image.fromarray(paint(7))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 1, "camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    made = {}
    for ending in ("png", "jpg", "webp", "tiff", "bmp"):
        made[ending] = folder / f"upload.{ending}"
        picture.save(made[ending], exif=exif, icc_profile=profile)
    made["jpg without its ending"] = made["jpg"].rename(folder / "upload")
    return made
