"""What the two sides say to each other, a JSON object a line. Nothing in it was taken from a file as text."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from eus_etl.domain.video.types import DecodeCounts, VideoFacts
from eus_etl.settings import ExtractionConfig


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)


class Request(_Message):
    """One file to read.

    Attributes:
        video_id: what rejections call it.
        source: the file.
        dicom: whether it bears the mark of DICOM.
        memory_mb: how much memory its reading may take.
        extraction: what is kept of it.
        images: existing empty folder for its images; None only looks at it.
        grid: existing folder for its cell grids; None stores none.
        rows: existing folder for the rows of its frames.
    """

    video_id: str
    source: Path
    dicom: bool
    memory_mb: int
    extraction: ExtractionConfig
    images: Path | None = None
    grid: Path | None = None
    rows: Path | None = None


class Refusal(_Message):
    """Why a file cannot be used; the asking side raises it as a ``VideoUnreadableError``."""

    reason: str
    cause: str
    remedy: str


class Made(_Message):
    """What a pass made; its rows lie in the request's folder."""

    counts: DecodeCounts
    image_bytes: int


class Reply(_Message):
    """One line of an answer; exactly one attribute says something.

    Attributes:
        process: id of the process that reads the file; comes first.
        frames: progress: so many more frames were decoded; 0 where something else went on.
        facts: the answer where there was nothing to extract.
        made: the answer of an extraction.
        rejected: the file cannot be used.
        disk_error: ``errno`` of a disk that failed: not the file's fault.
        ended: exit status of the process, negative for a signal; comes last.
    """

    process: int | None = None
    frames: int | None = None
    facts: VideoFacts | None = None
    made: Made | None = None
    rejected: Refusal | None = None
    disk_error: int | None = None
    ended: int | None = None


ROWS: Literal["rows.arrow"] = "rows.arrow"
"""File of the rows of a pass, in ``Request.rows``."""
