"""Copies of a recording as they come into a study: encoded again, scaled, cropped, brightened, mirrored."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
_RATE_HZ = 25


def _scaled(picture: Picture) -> Picture:
    return np.asarray(cv2.resize(picture, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA), np.uint8)


def _cropped(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    return picture[round(0.06 * height) : round(0.96 * height), round(0.03 * width) : round(0.93 * width)]


def _brightened(picture: Picture) -> Picture:
    return np.clip(picture * 1.25 + 12.0 * (picture > 8), 0, 255).astype(np.uint8)


def _mirrored(picture: Picture) -> Picture:
    return picture[:, ::-1]


CHANGES: Mapping[str, tuple[int, Callable[[Picture], Picture]]] = {
    "encoded_again": (35, lambda picture: picture),
    "scaled": (20, _scaled),
    "cropped": (20, _cropped),
    "brightened": (20, _brightened),
    "mirrored": (20, _mirrored),
    "all_at_once": (35, lambda picture: _mirrored(_brightened(_scaled(_cropped(picture))))),
}
"""Name of a change to the quality it is encoded with (crf of H.264), and what becomes of each picture."""


def copy_changed(video: Path, out: Path, change: str, start_s: float = 0, stop_s: float = 1e9) -> Path:
    """Write a copy of ``video``, from ``start_s`` to before ``stop_s`` at 25 Hz, with one of ``CHANGES``."""
    crf, changed = CHANGES[change]
    return write(video, out, crf, changed, start_s, stop_s)


def cut(video: Path, out: Path, start_s: float, stop_s: float) -> Path:
    """Write the part of ``video`` from ``start_s`` to before ``stop_s``, otherwise as it is."""
    return write(video, out, 12, lambda picture: picture, start_s, stop_s)


def write(
    video: Path, out: Path, crf: int, changed: Callable[[Picture], Picture], start_s: float, stop_s: float
) -> Path:
    """Encode a part of ``video`` again, each picture ``changed``; its times are those of 25 Hz."""
    with av.open(str(video)) as source, av.open(str(out), "w") as target:
        stream = None
        rate = float(source.streams.video[0].average_rate or _RATE_HZ)
        wanted = islice(source.decode(video=0), round(start_s * rate), round(min(stop_s, 1e6) * rate))
        for number, shown in enumerate(wanted):
            picture = changed(np.asarray(shown.to_ndarray(format="bgr24"), np.uint8))
            height, width = (extent // 2 * 2 for extent in picture.shape[:2])
            if stream is None:
                options = {"crf": str(crf), "preset": "veryfast"}
                stream = target.add_stream("libx264", rate=_RATE_HZ, options=options)
                stream.width, stream.height = width, height
                stream.pix_fmt, stream.thread_count = "yuv420p", 1
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, _RATE_HZ)
            target.mux(stream.encode(frame))
        if stream is not None:
            target.mux(stream.encode(None))
    return out
