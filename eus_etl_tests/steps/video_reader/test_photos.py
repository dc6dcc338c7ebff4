"""Photos among the uploads: refused, or one whole frame, shown upright."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.support.videos.pictures import read_picture
from benchmarks.support.videos.small_videos import paint, read_number
from eus_etl.steps.video_reader.reader import extract_apart, probe_apart
from eus_etl_tests.support.videos.refusals import KEEP_STILLS, READING, photos, refusal


@pytest.mark.parametrize("kind", ["png", "jpg without its ending", "webp", "tiff", "bmp"])
def test_a_photo_is_refused_or_one_whole_frame(tmp_path: Path, kind: str) -> None:
    photo = photos(tmp_path)[kind]
    assert refusal(photo) == "still_image"
    images = tmp_path / "images"
    images.mkdir()
    made = extract_apart(photo, "v1", images, None, KEEP_STILLS, READING)
    (image,) = images.iterdir()
    assert made.frames["video_s"].to_list() == [0.0]
    assert read_number(read_picture(image)) == 7
    assert probe_apart(photo, "v1", KEEP_STILLS, READING).width == 160


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_photo_is_shown_upright(tmp_path: Path, orientation: int) -> None:
    turned = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(paint(7), turned)))
    stored.save(tmp_path / "upload.jpg", exif=exif, quality=95)
    images = tmp_path / "images"
    images.mkdir()
    extract_apart(tmp_path / "upload.jpg", "v1", images, None, KEEP_STILLS, READING)
    (image,) = images.iterdir()
    assert read_picture(image).shape == (96, 160, 3)
    assert read_number(read_picture(image)) == 7


def test_a_coded_photo_of_a_phone_is_refused(tmp_path: Path) -> None:
    photo = tmp_path / "upload.heic"
    Image.fromarray(paint(7)).save(photo, format="AVIF")
    assert refusal(photo) == "still_image"
