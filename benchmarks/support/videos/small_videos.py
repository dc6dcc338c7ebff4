"""Small videos made for tests: every picture carries its number, so that tests read pixels, not pts."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from numpy.typing import NDArray

Codec = Literal["libx264", "mpeg4", "mpeg2video"]

BITS = 10
MARGIN_PX = 8
MILLISECOND = Fraction(1, 1000)

_QUICK = {"bf": "2", "crf": "10", "preset": "ultrafast"}
"""At its usual preset x264 takes half of the time of many tests."""


def paint(number: int, width: int = 160, height: int = 96) -> NDArray[np.uint8]:
    """A grey RGB picture whose upper half shows ``number`` as bars, whose lower half is a ramp."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = np.linspace(40, 200, width, dtype=np.uint8)[np.newaxis, :, np.newaxis]
    for bit in range(BITS):
        bar = slice(bit * width // BITS, (bit + 1) * width // BITS)
        picture[: height // 2, bar] = 220 if number >> bit & 1 else 30
    return picture


def paint_noise(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """A numbered picture of so many bytes that a pack of a program stream holds no two."""
    picture = paint(number, width, height)
    lower = picture[height // 2 :]
    lower[:] = np.random.default_rng(number).integers(0, 255, lower.shape, np.uint8)
    return picture


def paint_field(number: int, width: int, height: int) -> NDArray[np.uint8]:
    """A numbered picture that moves everywhere but in a dark margin, as a field on its screen does."""
    speckle = np.random.default_rng(number).integers(-20, 20, (height, width, 1))
    picture = np.zeros((height, width, 3), np.uint8)
    field = slice(MARGIN_PX, -MARGIN_PX), slice(MARGIN_PX, -MARGIN_PX)
    picture[field] = np.clip(paint(number, width, height).astype(int) + speckle, 0, 255)[field]
    return picture


def read_number(picture: NDArray[np.uint8]) -> int:
    """The number that ``paint`` wrote, read back from a decoded or stored picture."""
    height, width = picture.shape[:2]
    row = picture[height // 4, :, 1].astype(int)
    return sum(int(row[(2 * bit + 1) * width // (2 * BITS)] > 125) << bit for bit in range(BITS))


def write_video(
    path: Path,
    pts: Sequence[int],
    time_base: Fraction = MILLISECOND,
    codec: Codec = "libx264",
    size: tuple[int, int] = (160, 96),
    options: dict[str, str] | None = None,
    rotation: int = 0,
    mirror: tuple[bool, bool] = (False, False),
    container_options: dict[str, str] | None = None,
    first: int = 0,
    painter: Callable[[int, int, int], NDArray[np.uint8]] = paint,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a video whose n-th shown picture is ``painter(first + n, width, height)`` at ``pts[n]``."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=25, options=_QUICK if options is None else options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = time_base
        stream.codec_context.time_base = time_base
        if rotation or any(mirror):
            stream.set_display_rotation(rotation, *mirror)
        for number, time in enumerate(pts, first):
            frame = av.VideoFrame.from_ndarray(painter(number, *size), format="rgb24")
            frame.pts, frame.time_base = time, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def evenly(step: int, count: int, start: int = 0) -> list[int]:
    """``count`` time stamps that lie ``step`` apart."""
    return list(range(start, start + step * count, step))
