"""The messages between the two sides, one JSON object per line. None contains text from a file."""

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
        video_id: its name in rejections.
        source: the file.
        dicom: whether it has the mark of DICOM.
        memory_mb: how much memory reading it may take.
        umask: of the requesting process; the server may have another.
        extraction: what is kept of it.
        images: existing empty folder for its images; None only looks at it.
        grid: existing folder for its cell grids; None stores none.
        rows: existing folder for the rows of its frames.
    """

    video_id: str
    source: Path
    dicom: bool
    memory_mb: int
    umask: int
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
    """What a pass made; its rows are in the request's folder."""

    counts: DecodeCounts
    image_bytes: int


class Reply(_Message):
    """One line of an answer; exactly one attribute is set.

    Attributes:
        process: id of the process that reads the file; comes first.
        frames: progress: how many more frames were decoded; 0 for any other sign of life.
        facts: the answer if there was nothing to extract.
        made: the answer of an extraction.
        rejected: the file cannot be used.
        disk_error: ``errno`` of a disk error, which is not the file's fault.
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
"""The file of a pass's rows, in ``Request.rows``."""
