"""Videos of noise that tests encode, and their frames by a full and by a selective decode."""

from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from av.video.plane import VideoPlane

from benchmarks.support.videos.small_videos import evenly
from eus_etl.domain.video.reader import DecodeCounts, DecodeOptions, decode

FRAMES = 60


Made = tuple[list[tuple[object, ...]], DecodeCounts]


def frames_of(path: Path, rate_hz: float | None, skip: bool) -> Made:
    """All that is known of each frame, its decoded samples included, and the counts."""
    counts = DecodeCounts()
    found: list[tuple[object, ...]] = []
    for frame in decode(path, "v1", counts, DecodeOptions(rate_hz, skip)):
        raw = frame.picture.args[0]  # type: ignore[attr-defined]  # a partial of the decoder's frame
        samples = tuple(samples_of(raw, plane) for plane in raw.planes)
        stamps = (frame.pts, frame.repeat, frame.time_s, frame.frame_index, frame.damaged)
        found.append((*stamps, frame.width, frame.height, samples))
    return found, counts


def samples_of(raw: av.VideoFrame, plane: VideoPlane) -> bytes:
    """A plane without what fills its lines up: that is whatever the memory held before."""
    lines = np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, -1)
    bytes_a_sample = 2 if raw.format.components[0].bits > 8 else 1
    return bytes(lines[:, : plane.width * bytes_a_sample])


def picture(number: int) -> av.VideoFrame:
    """A moving gradient with noise: every frame differs from every other everywhere."""
    noise = np.random.default_rng(number).integers(0, 24, (96, 160), np.uint8)
    ramp = (np.arange(160) * 1.2 + np.arange(96)[:, None] + 3 * number) % 200
    grey = (ramp + noise).astype(np.uint8)
    return av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), format="rgb24")


def encode(
    path: Path,
    parameters: str = "bframes=2:b-adapt=0:b-pyramid=none",
    pts: list[int] | None = None,
    codec: Literal["libx264", "libx265", "mpeg2video"] = "libx264",
) -> Path:
    with av.open(str(path), "w") as container:
        options = {
            "libx264": {"x264-params": f"threads=1:{parameters}", "crf": "30"},
            "libx265": {"x265-params": f"pools=1:frame-threads=1:{parameters}", "crf": "30"},
            "mpeg2video": {"bf": "2"},
        }[codec]
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.thread_count = 1
        stream.codec_context.time_base = Fraction(1, 25)
        for number, time in enumerate(evenly(1, FRAMES) if pts is None else pts):
            frame = picture(number)
            frame.pts, frame.time_base = time, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
