"""Answers one request: the only place where an exception becomes the rejection of a file."""

import time
from collections.abc import Callable

import av
import cv2

from eus_etl.domain.video.reader import probe
from eus_etl.domain.video.source_file import tell_reads_to
from eus_etl.errors import VideoUnreadableError
from eus_etl.steps.frame_extraction import extract_video
from eus_etl.steps.video_reader.messages import ROWS, Made, Refusal, Reply, Request

_TELL_S = 0.5
_REMEDY = "remove the file from the visit's folder, or export it again from the recorder"


def answer(request: Request, tell: Callable[[Reply], None]) -> Reply:
    """Read a file as requested; any exception rejects the file, unless the disk fails.

    Args:
        request: what to read.
        tell: called with progress, at most twice a second while bytes are read but no frame is decoded.
    """
    told = time.monotonic()

    def alive() -> None:
        nonlocal told
        if time.monotonic() - told > _TELL_S:
            told = time.monotonic()
            tell(Reply(frames=0))

    try:
        with tell_reads_to(alive):
            return _read(request, tell)
    except Exception as error:  # libraries raise anything; whatever it is, this file cannot be used
        return rejection_of(error)


def rejection_of(error: Exception) -> Reply:
    """What an exception means for the file; only our own errors' text is passed on."""
    if isinstance(error, VideoUnreadableError):
        return _rejected(error.reason, error.cause, error.remedy)
    if isinstance(error, MemoryError) or (isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem):
        return _rejected("too_large", "reading it takes more memory than is allowed", _TOO_LARGE)
    if isinstance(error, OSError) and not isinstance(error, av.FFmpegError):
        return Reply(disk_error=error.errno or 0)
    return _rejected("unreadable", f"reading it fails with {type(error).__name__}", _REMEDY)


_TOO_LARGE = "export it with smaller pictures, or raise reading.memory_mb"


def _rejected(reason: str, cause: str, remedy: str) -> Reply:
    return Reply(rejected=Refusal(reason=reason, cause=cause, remedy=remedy))


def _read(request: Request, tell: Callable[[Reply], None]) -> Reply:
    source, video_id, extraction = request.source, request.video_id, request.extraction
    if request.images is None or request.rows is None:
        return Reply(facts=probe(source, video_id, extraction.still_images == "keep"))
    made = extract_video(
        source, video_id, request.images, request.grid, extraction, lambda more: tell(Reply(frames=more))
    )
    made.frames.write_ipc(request.rows / ROWS)
    return Reply(made=Made(counts=made.counts, image_bytes=made.image_bytes))
