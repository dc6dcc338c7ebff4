"""The extracted videos of a visit as the steps after the extraction read them: rows, segments, images.

Reading only. What the extraction writes, and how it says that it is done, is ``extractions``'.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import FramesMissingError
from eus_etl.storage.checksums import file_sha256
from eus_etl.storage.extractions import load_rows


@dataclass(frozen=True, slots=True)
class ExtractedVideo:
    """One extracted video.

    Attributes:
        video_id: the video.
        folder: its frame rows, cell grids and manifest.
        frames: ``tables.EXTRACTED``, in presentation order.
    """

    video_id: str
    folder: Path
    frames: pl.DataFrame

    @property
    def manifest(self) -> Path:
        """Says how the video was extracted; a video without it is not extracted."""
        return self.folder / "manifest.json"

    def fingerprint(self) -> str:
        """Changes when the video was extracted in another way: its images may be others."""
        return file_sha256(self.manifest)

    def segments(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """Each segment's number and frames, in the order of the rows of its grid."""
        for (segment,), frames in self.frames.sort("segment", "grid_row").group_by(
            "segment", maintain_order=True
        ):
            yield int(segment), frames


def extracted_videos(paths: StudyPaths, patient_id: str) -> list[ExtractedVideo]:
    """The extracted videos of a visit that have frames, by video id."""
    rows = load_rows(paths, patient_id)
    videos = [
        ExtractedVideo(video_id, paths.extracted_folder(patient_id, video_id), frames)
        for (video_id,), frames in rows.group_by("video_id", maintain_order=True)
        if isinstance(video_id, str)
    ]
    return [video for video in videos if video.manifest.is_file()]


def read_image(paths: StudyPaths, frame_id: str, path: str, *, grey: bool = False) -> NDArray[np.uint8]:
    """One extracted image: BGR uint8 (height, width, 3), or grey (height, width).

    Args:
        paths: the study's paths.
        frame_id: the frame, for the message.
        path: the image below the study's root.
        grey: whether to read it as grey.

    Raises:
        FramesMissingError: the image is gone or damaged.
    """
    file = paths.root / path
    data = np.frombuffer(file.read_bytes() if file.is_file() else b"", np.uint8)
    flags = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR
    picture = cv2.imdecode(data, flags) if data.size else None
    if picture is None:
        raise FramesMissingError(
            frame_id,
            "its extracted image is missing or damaged",
            "make the asset frames of this visit again, which extracts the video anew",
        )
    return np.asarray(picture, np.uint8)
