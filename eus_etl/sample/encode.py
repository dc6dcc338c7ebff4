"""Pictures to video files as recorders write them, and files that hold no video."""

import os
import wave
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from eus_etl.sample.plan import Recording

# one thread per encoder: files are made in parallel, and the bytes depend on the number of threads
_THREADS = 1
_OPTIONS = {
    "libx264": {"preset": "ultrafast", "qp": "26", "g": "250"},
    "mpeg2video": {"b": "4M", "g": "15"},
    "mjpeg": {"qmin": "3", "qmax": "3"},
}


def write_video(
    path: Path,
    recording: Recording,
    size: tuple[int, int],
    pictures: Iterable[npt.NDArray[np.uint8]],
    recorded_at: datetime,
) -> None:
    """Encode ``pictures`` (height, width, 3), BGR, one for each of the recording's frames.

    ``size`` is their width and height in px. ``recorded_at`` (UTC) is written into the container only where
    the recording states its time.
    """
    options = {**_OPTIONS[recording.codec], "bf": str(recording.b_frames)}
    first = round(recording.first_pts_s / recording.time_base)
    with av.open(str(path), "w", format=recording.container) as container:
        if recording.states_time:
            container.metadata["creation_time"] = recorded_at.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        stream = container.add_stream(recording.codec, rate=recording.rate_hz, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if recording.codec == "mjpeg" else "yuv420p"
        stream.thread_count = _THREADS
        stream.codec_context.time_base = recording.time_base
        for tick, picture in zip(recording.ticks().tolist(), pictures, strict=True):
            frame = _frame(picture, full_range=recording.codec == "mjpeg")
            frame.pts, frame.time_base = first + tick, recording.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def write_sound(path: Path) -> None:
    """A second of a tone, without any picture."""
    tone = 8000 * np.sin(np.arange(8000) * 2 * np.pi * 440 / 8000)
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(tone.astype("<i2").tobytes())


def set_modified(path: Path, moment: datetime) -> None:
    """Set a file's time of change (UTC), as if it had been uploaded then."""
    second = moment.replace(tzinfo=UTC).timestamp()
    os.utime(path, (second, second))


def _frame(picture: npt.NDArray[np.uint8], full_range: bool) -> av.VideoFrame:
    if full_range:
        return av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuvj420p")
    # OpenCV's conversion to limited-range BT.601 is many times faster than the general scaler's
    planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")
