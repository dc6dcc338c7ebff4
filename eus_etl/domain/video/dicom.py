"""DICOM cine loops as raw videos: frames by pydicom's decoders or FFmpeg's, times from the frame increments.

``dicom_tags`` reads the tags, ``dicom_pixels`` finds and counts the pixels.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pydicom
from pydicom import config
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import UID, ImplicitVRLittleEndian

from eus_etl.domain.images.picture import Picture
from eus_etl.domain.sampling import Sampler
from eus_etl.domain.video.dicom_pixels import (
    Layout,
    Pixels,
    decoded_frames,
    layout_of,
    meaning_of,
    video_ending,
)
from eus_etl.domain.video.dicom_tags import (
    FALLBACK_STEP_MS,
    TAGS,
    LoopTimes,
    loop_times,
    pixel_aspect,
    recorded_at,
    size_of,
)
from eus_etl.domain.video.ffmpeg import decode_container, probe_container
from eus_etl.domain.video.source_file import Embedded
from eus_etl.domain.video.timestamps import FrameClock, Stamp
from eus_etl.domain.video.types import DecodeCounts, DecodedFrame, DecodeOptions, VideoFacts
from eus_etl.errors import VideoUnreadableError

MICROSECOND = Fraction(1, 1_000_000)
_REMEDY = "remove the file from the visit's folder, or export the loop again from the machine"


@dataclass(frozen=True, slots=True)
class _Loop:
    """One DICOM file, its claims checked against its bytes."""

    path: Path
    tags: Dataset
    syntax: UID
    layout: Layout
    stream: Embedded | None
    times: LoopTimes


def probe_dicom(path: Path, video_id: str) -> VideoFacts:
    """Facts of a DICOM file: its tags, and its first frame decoded.

    Raises:
        VideoUnreadableError: no pixels, no frame that can be decoded, or claims that cannot be true.
    """
    with _quiet():
        loop = _open(path, video_id)
        first = next(_decode(loop, video_id, DecodeCounts(), DecodeOptions(threads=1)), None)
    if first is None:
        raise VideoUnreadableError(video_id, "none of its frames can be decoded", _REMEDY)
    times = loop.times
    steps = np.diff(times.pts)
    step = times.step_ms or FALLBACK_STEP_MS
    return VideoFacts(
        container="dicom",
        codec=loop.syntax.keyword,
        width=first.width,
        height=first.height,
        pixel_aspect=pixel_aspect(loop.tags),
        rotation=0,
        nominal_rate_hz=None if times.step_ms is None else float(1000 / step),
        variable_rate=None if times.step_ms is None else bool(len(steps)) and bool(np.ptp(steps) > 1),
        duration_s=float((int(times.pts[-1]) + round(step * 1000)) * MICROSECOND),
        frames_declared=len(times.pts) + loop.layout.missing,
        recorded_at=recorded_at(loop.tags),
        time_base=MICROSECOND,
        frames_held=len(times.pts),
        synthetic_time=times.step_ms is None,
    )


def decode_dicom(
    path: Path, video_id: str, counts: DecodeCounts, options: DecodeOptions
) -> Iterator[DecodedFrame]:
    """Frames of a DICOM file in order; one that cannot be decoded is counted.

    Raises:
        VideoUnreadableError: the file has no pixels, or its claims cannot be true.
    """
    with _quiet():
        loop = _open(path, video_id)
        yield from _decode(loop, video_id, counts, options)


@contextmanager
def _quiet() -> Iterator[None]:
    """Invalid values neither raise nor warn, since pydicom's messages quote them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = config.settings.reading_validation_mode
        config.settings.reading_validation_mode = config.IGNORE
        try:
            yield
        finally:
            config.settings.reading_validation_mode = before


def _open(path: Path, video_id: str) -> _Loop:
    try:
        with path.open("rb") as file:
            tags = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[*TAGS])
            start = file.tell()
        stated = tags.file_meta.get("TransferSyntaxUID")
    except (MemoryError, OSError):
        raise
    except Exception:  # pydicom raises anything, with text from the file
        raise VideoUnreadableError(video_id, "its DICOM header cannot be read", _REMEDY) from None
    syntax = UID(str(stated)) if stated else ImplicitVRLittleEndian
    if not (syntax.is_transfer_syntax and size_of(tags, "Rows") and size_of(tags, "Columns")):
        raise VideoUnreadableError(video_id, "is DICOM without pictures", _REMEDY)
    layout = layout_of(path, tags, syntax, start)
    if layout is None:
        raise VideoUnreadableError(
            video_id, "is DICOM without pictures, or with more frames than bytes", _REMEDY
        )
    ending = video_ending(syntax)
    stream = Embedded(path, layout.fragments, ending) if ending else None
    count = layout.frames
    if stream:
        count = probe_container(stream, video_id).frames_held
        layout = replace(layout, frames=count, missing=max(0, layout.frames + layout.missing - count))
    return _Loop(path, tags, syntax, layout, stream, loop_times(tags, count))


def _decode(
    loop: _Loop, video_id: str, counts: DecodeCounts, options: DecodeOptions
) -> Iterator[DecodedFrame]:
    pts = loop.times.pts
    held = pts if bool((np.diff(pts) > 0).all()) else pts[:0]
    step = (loop.times.step_ms or FALLBACK_STEP_MS) * 1000
    clock = FrameClock(MICROSECOND, step, held, counts, origin=0)
    sampler = Sampler(options.rate_hz)
    synthetic = loop.times.step_ms is None
    if loop.stream:
        every = replace(options, rate_hz=None, skip=False)
        for frame in decode_container(loop.stream, video_id, counts, every):
            stamp = clock.stamp(int(pts[min(frame.frame_index, len(pts) - 1)]), frame.frame_index)
            if sampler.keeps(stamp.time_s):
                yield _stamped(frame, stamp, synthetic)
        return
    counts.missing = loop.layout.missing
    for number, pixels in decoded_frames(loop.path, loop.tags, loop.syntax, loop.layout, counts):
        counts.frames += 1
        stamp = clock.stamp(int(pts[number]), number)
        if not sampler.keeps(stamp.time_s):
            continue
        yield DecodedFrame(
            pts=stamp.pts,
            repeat=stamp.repeat,
            time_base=MICROSECOND,
            time_s=stamp.time_s,
            frame_index=stamp.frame_index,
            synthetic_time=synthetic,
            damaged=False,
            width=pixels.shape[1],
            height=pixels.shape[0],
            picture=partial(_picture, pixels, loop.tags),
            luma=lambda: None,
        )


def _stamped(frame: DecodedFrame, stamp: Stamp, synthetic: bool) -> DecodedFrame:
    return replace(
        frame,
        pts=stamp.pts,
        repeat=stamp.repeat,
        time_base=MICROSECOND,
        time_s=stamp.time_s,
        frame_index=stamp.frame_index,
        synthetic_time=synthetic,
    )


def _picture(pixels: Pixels, tags: Dataset) -> Picture:
    meaning = meaning_of(tags)
    if meaning == "PALETTE COLOR":
        looked_up = apply_color_lut(pixels, tags)
        return _bgr((looked_up >> 8 if looked_up.dtype.itemsize == 2 else looked_up).astype(np.uint8))
    if pixels.dtype != np.uint8:
        bits = size_of(tags, "BitsStored", 8 * pixels.dtype.itemsize)
        pixels = pixels.astype(np.int64) * 255 // (2 ** min(max(bits, 1), 32) - 1)
    levels = np.clip(pixels.astype(np.int64), 0, 255).astype(np.uint8)
    return _bgr(255 - levels if meaning == "MONOCHROME1" else levels)


def _bgr(levels: Pixels) -> Picture:
    conversion = cv2.COLOR_GRAY2BGR if levels.ndim == 2 else cv2.COLOR_RGB2BGR
    return np.asarray(cv2.cvtColor(np.asarray(levels, np.uint8), conversion), np.uint8)
