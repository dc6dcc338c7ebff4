"""Raw videos of any kind, read through one pair of functions.

Facts without decoding more than one frame, and frames in presentation order. How each kind of file is
read belongs to ``container`` (what FFmpeg reads) and ``dicom``; nothing else decodes video.
``dicom`` is imported where a file needs it: pydicom takes half a second, and every run is a process.
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
    """Facts of a video, of whose frames only the first is decoded.

    Args:
        path: the file.
        video_id: what errors call it.
        still_images: take a photo for a video of one frame; else it is refused.

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
    """Frames to be shown, in presentation order, of the largest video stream: all, unless options say less.

    Edit lists, rotation and mirroring are applied; attached pictures, thumbnails and audio are left out. What
    cannot be decoded is counted and skipped over. Frames come in constant memory as long as they are let go.

    Args:
        path: the file.
        video_id: what errors call it.
        counts: filled while frames are taken.
        options: which frames are given, and how they are decoded.

    Raises:
        VideoUnreadableError: empty, or no video.
        SkippingUnsoundError: with ``options.skip`` only: decode without it, and forget what came so far.
        OSError: the file cannot be read.
    """
    counts = DecodeCounts() if counts is None else counts
    if is_dicom(path):
        from eus_etl.domain.video.dicom import decode_dicom

        return decode_dicom(path, video_id, counts, options)
    return decode_container(path, video_id, counts, options)
