"""The result of one pass over a video, and its manifest; ``frame_extraction`` does the pass.

It is a module of its own so that a process that leaves the pass to another one imports no decoder.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from eus_etl.domain.tables.rejection import Rejection
from eus_etl.domain.video.types import DecodeCounts
from eus_etl.settings import ExtractionConfig
from eus_etl.storage.manifests import Manifest

FramesDecoded = Callable[[int], None]
"""Called with the number of frames decoded since the last call."""


@dataclass(frozen=True, slots=True)
class VideoPass:
    """What one pass made.

    Attributes:
        frames: one row per kept frame: ``stem, frame_index, pts, time_base, video_s, segment, grid_row,
            synthetic_time, decode_error, dhash`` as in ``tables.EXTRACTED``; ``stem`` names its image.
        counts: what was decoded, and what could not be.
        image_bytes: bytes of all images.
    """

    frames: pl.DataFrame
    counts: DecodeCounts
    image_bytes: int


def manifest_of(made: VideoPass, video_id: str, extraction: ExtractionConfig) -> Manifest:
    """The manifest of a pass; rejected if too large a share of the video cannot be decoded."""
    counts = made.counts
    rejected = None
    if counts.error_share > extraction.max_error_share:
        rejected = Rejection(
            item=video_id,
            reason="too_many_errors",
            detail=f"{counts.errors} of {counts.errors + counts.frames} frames cannot be decoded",
            remedy="export it again from the recorder, or raise extraction.max_error_share",
        )
    return Manifest(
        extraction.fingerprint(),
        counts=counts,
        deinterlaced=counts.interlaced > 0 and extraction.deinterlace,
        frames_kept=0 if rejected else made.frames.height,
        image_bytes=0 if rejected else made.image_bytes,
        rejected=rejected,
    )
