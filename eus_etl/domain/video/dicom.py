"""DICOM cine loops as raw videos: frames by pydicom and its decoders, times from the frame increments.

Only the tags listed here are read. Tags that identify a person are not, so that they can reach no table,
no log and no message.
"""

from array import array
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from itertools import accumulate
from pathlib import Path

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import iter_pixels

from eus_etl.domain.sampling import Sampler
from eus_etl.domain.video.timestamps import FrameClock
from eus_etl.domain.video.types import DecodeCounts, DecodedFrame, Picture, VideoFacts
from eus_etl.errors import VideoUnreadableError

MICROSECOND = Fraction(1, 1_000_000)
_REMEDY = "remove the file from the visit's folder, or export the loop again from the machine"
_FALLBACK_STEP_MS = Fraction(40)
_TAGS = [
    "TransferSyntaxUID",
    "NumberOfFrames",
    "FrameTime",
    "FrameTimeVector",
    "CineRate",
    "RecommendedDisplayFrameRate",
    "Rows",
    "Columns",
    "BitsStored",
    "PhotometricInterpretation",
    "PixelAspectRatio",
    "AcquisitionDateTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "ContentDate",
    "ContentTime",
    "TimezoneOffsetFromUTC",
    "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData",
]


def probe_dicom(path: Path, video_id: str) -> VideoFacts:
    """Facts of a DICOM file: its tags, and its first frame decoded.

    Raises:
        VideoUnreadableError: no pixels, or no frame that can be decoded.
    """
    tags = _tags(path, video_id)
    first = next(decode_dicom(path, video_id, DecodeCounts()), None)
    if first is None:
        raise VideoUnreadableError(video_id, "none of its frames can be decoded", _REMEDY)
    pts, step_ms = _times(tags)
    steps = np.diff(pts)
    vertical, horizontal = tags.get("PixelAspectRatio") or (1, 1)
    return VideoFacts(
        container="dicom",
        codec=tags.file_meta.TransferSyntaxUID.keyword,
        width=first.width,
        height=first.height,
        pixel_aspect=int(horizontal) / int(vertical),
        rotation=0,
        nominal_rate_hz=None if step_ms is None else float(1000 / step_ms),
        variable_rate=None if step_ms is None else bool(len(steps)) and bool(np.ptp(steps) > 1),
        duration_s=float((int(pts[-1]) + round((step_ms or _FALLBACK_STEP_MS) * 1000)) * MICROSECOND),
        frames_declared=len(pts),
        recorded_at=_recorded_at(tags),
        time_base=MICROSECOND,
        frames_held=len(pts),
        synthetic_time=step_ms is None,
    )


def decode_dicom(
    path: Path, video_id: str, counts: DecodeCounts, rate_hz: float | None = None
) -> Iterator[DecodedFrame]:
    """Frames of a DICOM file in order, at most ``rate_hz`` a second; one that cannot be decoded is counted.

    Raises:
        VideoUnreadableError: the file holds no pixels.
    """
    tags = _tags(path, video_id)
    pts, step_ms = _times(tags)
    held = pts if bool((np.diff(pts) > 0).all()) else pts[:0]
    clock = FrameClock(MICROSECOND, (step_ms or _FALLBACK_STEP_MS) * 1000, held, counts, origin=0)
    sampler = Sampler(rate_hz)
    for number, pixels in _pixels(path, len(pts), counts):
        counts.frames += 1
        stamp = clock.stamp(int(pts[number]))
        if not sampler.keeps(stamp.time_s):
            continue
        yield DecodedFrame(
            pts=stamp.pts,
            repeat=stamp.repeat,
            time_base=MICROSECOND,
            time_s=stamp.time_s,
            frame_index=stamp.frame_index,
            synthetic_time=step_ms is None,
            damaged=False,
            width=pixels.shape[1],
            height=pixels.shape[0],
            picture=partial(_picture, pixels, tags),
            luma=lambda: None,
        )


def _tags(path: Path, video_id: str) -> Dataset:
    try:
        tags = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*_TAGS])
    except (InvalidDicomError, EOFError, ValueError):  # their messages hold the file's name
        raise VideoUnreadableError(video_id, "its DICOM header cannot be read", _REMEDY) from None
    if "Rows" not in tags or "TransferSyntaxUID" not in tags.file_meta:
        raise VideoUnreadableError(video_id, "is DICOM without pictures", _REMEDY)
    return tags


def _times(tags: Dataset) -> tuple[NDArray[np.int64], Fraction | None]:
    """Each frame's pts in microseconds, and the nominal step in ms; None where no tag states times."""
    count = int(tags.get("NumberOfFrames") or 1)
    vector = tags.get("FrameTimeVector")
    if vector is not None and not isinstance(vector, str) and len(vector) == count:
        increments = [Fraction(str(value).strip()) for value in vector]
        elapsed = list(accumulate(increments[1:], initial=Fraction(0)))
        step = elapsed[-1] / max(1, count - 1)
        return _microseconds(elapsed), step or None
    stated = _step_ms(tags)
    step = stated or _FALLBACK_STEP_MS
    return _microseconds([step * number for number in range(count)]), stated


def _step_ms(tags: Dataset) -> Fraction | None:
    if tags.get("FrameTime"):
        return Fraction(str(tags.FrameTime).strip())
    rate = tags.get("CineRate") or tags.get("RecommendedDisplayFrameRate")
    return Fraction(1000, int(rate)) if rate else None


def _microseconds(elapsed_ms: list[Fraction]) -> NDArray[np.int64]:
    return np.array(array("q", (round(time * 1000) for time in elapsed_ms)), np.int64)


def _pixels(path: Path, count: int, counts: DecodeCounts) -> Iterator[tuple[int, NDArray[np.generic]]]:
    number = 0
    while number < count:
        frames = iter_pixels(path, indices=range(number, count))
        while number < count:
            try:
                pixels = next(frames)
            except Exception:  # the decoders raise whatever they like; all of it means: not this frame
                counts.errors += 1
                number += 1
                break
            yield number, pixels
            number += 1


def _picture(pixels: NDArray[np.generic], tags: Dataset) -> Picture:
    meaning = str(tags.PhotometricInterpretation)
    if meaning == "PALETTE COLOR":
        looked_up = apply_color_lut(pixels, tags)
        return _bgr((looked_up >> 8 if looked_up.dtype.itemsize == 2 else looked_up).astype(np.uint8))
    if pixels.dtype != np.uint8:
        pixels = pixels.astype(np.int64) * 255 // (2 ** int(tags.BitsStored) - 1)
    levels = np.clip(pixels.astype(np.int64), 0, 255).astype(np.uint8)
    return _bgr(255 - levels if meaning == "MONOCHROME1" else levels)


def _bgr(levels: NDArray[np.uint8]) -> Picture:
    conversion = cv2.COLOR_GRAY2BGR if levels.ndim == 2 else cv2.COLOR_RGB2BGR
    return np.asarray(cv2.cvtColor(levels, conversion), np.uint8)


def _recorded_at(tags: Dataset) -> str | None:
    zone = str(tags.get("TimezoneOffsetFromUTC") or "")
    for stated in (
        str(tags.get("AcquisitionDateTime") or ""),
        f"{tags.get('AcquisitionDate') or ''}{tags.get('AcquisitionTime') or ''}{zone}",
        f"{tags.get('ContentDate') or ''}{tags.get('ContentTime') or ''}{zone}",
    ):
        for form in ("%Y%m%d%H%M%S.%f%z", "%Y%m%d%H%M%S%z", "%Y%m%d%H%M%S.%f", "%Y%m%d%H%M%S"):
            try:
                instant = datetime.strptime(stated, form)
            except ValueError:
                continue
            return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).isoformat()
    return None
