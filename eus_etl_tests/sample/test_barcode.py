"""The bar code survives what images and videos go through, and never lies."""

from datetime import datetime
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.sample import barcode
from eus_etl.sample.encode import write_video
from eus_etl.sample.plan import Codec, Recording

numbers = st.integers(0, 2**20 - 1)
times_ms = st.integers(-(2**27), 2**27 - 1)


def noise(seed: int, shape: tuple[int, ...] = (240, 320, 3)) -> npt.NDArray[np.uint8]:
    """A picture that is hard to compress around the bar."""
    picture = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.5), np.uint8)


@given(number=numbers, procedure_ms=times_ms, seed=st.integers(0, 99))
def test_comes_back_from_a_jpeg(number: int, procedure_ms: int, seed: int) -> None:
    picture = noise(seed)
    barcode.draw(picture, number, procedure_ms)
    encoded, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    assert encoded
    expected = barcode.Barcode(number, procedure_ms)
    for flag in (cv2.IMREAD_COLOR, cv2.IMREAD_GRAYSCALE):
        assert barcode.read(np.asarray(cv2.imdecode(data, flag))) == expected


@pytest.mark.parametrize(
    ("codec", "container"), [("libx264", "mp4"), ("mpeg2video", "vob"), ("mjpeg", "avi")]
)
def test_comes_back_from_a_video(tmp_path: Path, codec: Codec, container: str) -> None:
    recording = Recording(("v",), codec, container, 25, 2)
    pictures = [noise(number) for number in range(50)]
    for number, picture in enumerate(pictures):
        barcode.draw(picture, number, number * 40 - 1000)
    write_video(tmp_path / "v", recording, (320, 240), pictures, datetime(2025, 3, 3))
    with av.open(str(tmp_path / "v")) as video:
        read = [barcode.read(frame.to_ndarray(format="bgr24")) for frame in video.decode(video=0)]
    assert read == [barcode.Barcode(number, number * 40 - 1000) for number in range(50)]


@given(number=numbers, procedure_ms=times_ms, cell=st.integers(0, barcode.COLUMNS * barcode.ROWS - 1))
def test_one_wrong_cell_is_noticed(number: int, procedure_ms: int, cell: int) -> None:
    picture = np.zeros((barcode.HEIGHT_PX, 320), np.uint8)
    barcode.draw(picture, number, procedure_ms)
    row, column = divmod(cell, barcode.COLUMNS)
    x = barcode.LEFT_PX + column * barcode.CELL_PX
    block = picture[row * barcode.CELL_PX :, x:][: barcode.CELL_PX, : barcode.CELL_PX]
    block[...] = 255 - block
    assert barcode.read(picture) is None


@pytest.mark.parametrize("level", [0, 128, 255])
def test_no_bar_is_no_bar(level: int) -> None:
    assert barcode.read(np.full((240, 320, 3), level, np.uint8)) is None
    assert barcode.read(np.full((10, 320), level, np.uint8)) is None
    assert barcode.read(noise(1)) is None


@pytest.mark.parametrize(("number", "procedure_ms"), [(2**20, 0), (-1, 0), (0, 2**27), (0, -(2**27) - 1)])
def test_what_does_not_fit_is_refused(number: int, procedure_ms: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        barcode.draw(noise(1), number, procedure_ms)


def test_a_small_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        barcode.draw(np.zeros((240, 100), np.uint8), 1, 1)
