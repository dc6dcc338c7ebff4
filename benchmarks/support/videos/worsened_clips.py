"""Clips made worse on purpose: out of focus, frozen, black or coloured over spans that are known."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain, cycle, islice
from pathlib import Path

import av
import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.support.videos.assessed_videos import has_reason

Picture = NDArray[np.uint8]

SPANS_S = {"blurred": (1.5, 2.5), "frozen": (3.5, 5.0), "no_signal": (6.0, 7.0), "color_mode": (8.0, 9.0)}
"""The reason that must be found in each span ``[start, stop)`` of a worsened clip."""

OWN_COLOR = ("DemoBMode.mov",)
"""Clips that are in colour mode by themselves."""

LENGTH_S = 10.0
_RATE_HZ = 25
_SIGMA_PX, _COPY_PX = 2.0, 512
_TINT = np.array([0.3, 0.75, 1.6])


def worsen(clip: Path, out: Path) -> Path:
    """Write ``clip`` played to and fro until it lasts ``LENGTH_S`` at 25 Hz, worse in ``SPANS_S``."""
    pictures = list(_pictures(clip))
    shown = islice(cycle(chain(pictures, reversed(pictures[1:-1]))), round(LENGTH_S * _RATE_HZ))
    height, width = pictures[0].shape[:2]
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=_RATE_HZ, options={"crf": "18", "preset": "veryfast"})
        # the encoder takes even sizes alone
        stream.width, stream.height = width // 2 * 2, height // 2 * 2
        stream.pix_fmt, stream.thread_count = "yuv420p", 2
        before = pictures[0]
        for number, picture in enumerate(shown):
            kind = kind_at(number)
            before = before if kind == "frozen" else _changed(picture, kind)
            even = np.ascontiguousarray(before[: stream.height, : stream.width])
            frame = av.VideoFrame.from_ndarray(even, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, _RATE_HZ)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out


def kind_at(number: int) -> str | None:
    """What is worse in a frame of a worsened clip; None for nothing."""
    time_s = number / _RATE_HZ
    return next((kind for kind, (start, stop) in SPANS_S.items() if start <= time_s < stop), None)


def off_frames(frames: pl.DataFrame, reason: str) -> int:
    """Rows of a worsened clip's frame table whose ``reason`` is not that of their span.

    Frames within two of a border of the span may be either.
    """
    found = has_reason(frames, reason).to_numpy()
    number = frames["frame_index"].to_numpy()
    first, stop = (round(border_s * _RATE_HZ) for border_s in SPANS_S[reason])
    sure_inside = (number >= first + 2) & (number < stop - 2)
    sure_outside = (number < first - 2) | (number >= stop + 2)
    return int(np.count_nonzero((sure_inside & ~found) | (sure_outside & found)))


def _changed(picture: Picture, kind: str | None) -> Picture:
    changes: dict[str | None, Callable[[], object]] = {
        "blurred": lambda: cv2.GaussianBlur(picture, (0, 0), _SIGMA_PX * max(1, picture.shape[1] / _COPY_PX)),
        "no_signal": lambda: np.zeros_like(picture),
        "color_mode": lambda: picture * _TINT,
    }
    return (
        np.clip(np.asarray(changes[kind](), np.float64), 0, 255).astype(np.uint8)
        if kind in changes
        else picture
    )


def _pictures(clip: Path) -> Iterator[Picture]:
    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
