"""Reads raw videos of any kind through one pair of functions.

Facts without decoding more than one frame, and frames in presentation order. ``ffmpeg`` reads what FFmpeg can
read, ``dicom`` reads DICOM; nothing else decodes video. ``dicom`` is imported when a file needs it: pydicom
takes half a second, and every run is a process.
"""

from collections.abc import Iterator
from pathlib import Path

from eus_etl.domain.video.ffmpeg import decode_container, probe_container
from eus_etl.domain.video.selective_decode import SkippingUnsoundError
from eus_etl.domain.video.types import DecodeCounts, DecodedFrame, DecodeOptions, VideoFacts, is_dicom

__all__ = [
    "DecodeCounts",
    "DecodeOptions",
    "DecodedFrame",
    "SkippingUnsoundError",
    "VideoFacts",
    "decode",
    "is_dicom",
    "probe",
]

_ALL_FRAMES = DecodeOptions()


def probe(path: Path, video_id: str, still_images: bool = False) -> VideoFacts:
    """Facts about a video; only its first frame is decoded.

    Args:
        path: the file.
        video_id: its name in errors.
        still_images: accept a photo as a video of one frame; otherwise it is refused.

    Raises:
        VideoUnreadableError: empty, no video, or no frame that can be decoded.
        OSError: the file cannot be read.
    """
    if is_dicom(path):
        from eus_etl.domain.video.dicom import probe_dicom

        return probe_dicom(path, video_id)
    return probe_container(path, video_id, still_images)


def decode(
    path: Path, video_id: str, counts: DecodeCounts | None = None, options: DecodeOptions = _ALL_FRAMES
) -> Iterator[DecodedFrame]:
    """The frames of the largest video stream in presentation order: all, unless options say otherwise.

    Edit lists, rotation and mirroring are applied; attached pictures, thumbnails and audio are left out. What
    cannot be decoded is counted and skipped. Memory stays constant as long as frames are released.

    Args:
        path: the file.
        video_id: its name in errors.
        counts: updated as frames are taken.
        options: which frames to return, and how to decode them.

    Raises:
        VideoUnreadableError: empty, or no video.
        SkippingUnsoundError: only with ``options.skip``: decode without it, and discard the frames so far.
        OSError: the file cannot be read.
    """
    counts = DecodeCounts() if counts is None else counts
    if is_dicom(path):
        from eus_etl.domain.video.dicom import decode_dicom

        return decode_dicom(path, video_id, counts, options)
    return decode_container(path, video_id, counts, options)
