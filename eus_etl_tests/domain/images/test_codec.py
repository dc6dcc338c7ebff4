from pathlib import Path

import cv2
import numpy as np

from benchmarks.support.videos.pictures import read_picture
from benchmarks.support.videos.small_videos import paint, read_number
from eus_etl.domain.images.codec import decode_image, encode_image, encode_png
from eus_etl.settings import ImageConfig


def test_png_loses_nothing(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (33, 47, 3), np.uint8)
    path = tmp_path / "picture.png"
    path.write_bytes(encode_image(picture, ImageConfig(format="png")).data)
    assert (read_picture(path) == picture).all()


def test_jpeg_quality_and_chroma_are_those_of_the_configuration(tmp_path: Path) -> None:
    picture = paint(5)
    picture[50:, ::2] = (0, 0, 255)
    sizes = {}
    for chroma in ("420", "422", "444"):
        for quality in (60, 95):
            config = ImageConfig.model_validate({"quality": quality, "chroma": chroma})
            data = encode_image(picture, config).tobytes()
            assert data == encode_image(picture, config).tobytes()
            path = tmp_path / f"{chroma}-{quality}.jpg"
            path.write_bytes(data)
            assert read_number(read_picture(path)) == 5
            sizes[chroma, quality] = len(data)
            frame_header = data.index(b"\xff\xc0")
            assert data[frame_header + 11] == {"420": 0x22, "422": 0x21, "444": 0x11}[chroma]
    assert sizes["420", 60] < sizes["420", 95] < sizes["444", 95]


def test_the_default_jpeg_is_close_to_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(encode_image(paint(77), ImageConfig()).data)
    assert cv2.PSNR(read_picture(path), paint(77)) > 40


def test_bytes_without_a_picture_give_none() -> None:
    assert decode_image(b"no image") is None
    assert decode_image(b"") is None


def test_grey_and_color_as_asked_or_as_stored() -> None:
    grey = encode_png(np.full((4, 6), 7, np.uint8))
    shapes = [decode_image(grey, "bgr"), decode_image(grey, "grey"), decode_image(grey)]
    assert [picture is not None and picture.shape for picture in shapes] == [(4, 6, 3), (4, 6), (4, 6)]
