"""The rows and images that the extraction of each video wrote to disk; ``manifests`` has its counts.

``cell_store`` writes the cell grids beside the rows; ``steps.frames`` decides what is extracted, and when.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from eus_etl.domain.cells.statistics import CellGrid
from eus_etl.domain.images.codec import decode_image
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import DECODED, EXTRACTED
from eus_etl.errors import FramesMissingError
from eus_etl.storage.cell_store import GRIDS, load_grids
from eus_etl.storage.files.checksums import file_sha256
from eus_etl.storage.manifests import read_manifest, remove_manifest
from eus_etl.storage.tables.parts import load_part
from eus_etl.storage.tables.table_files import write_parquet
from eus_etl.storage.vouched import content_of

_ROWS = "extracted.parquet"


def write_rows(state: Path, rows: pl.DataFrame) -> None:
    """Write rows of ``tables.EXTRACTED`` into a video's state folder that is not published yet."""
    write_parquet(EXTRACTED.conform(rows), state / _ROWS)


def count_rows(state: Path) -> int:
    """Number of rows in a video's state folder; reads no row.

    Raises:
        OutputLostError: they cannot be read; the video counts as not extracted.
    """
    with _whole(state, _ROWS):
        return int(pl.scan_parquet(state / _ROWS).select(pl.len()).collect().item())


def load_rows(paths: StudyPaths, patient_id: str) -> pl.DataFrame:
    """The kept frames of one visit, rows of ``tables.EXTRACTED``, video by video in presentation order.

    Raises:
        OutputLostError: as ``extracted_videos``.
    """
    return pl.concat([EXTRACTED.empty(), *(video.frames for video in extracted_videos(paths, patient_id))])


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
        """Describes how the video was extracted; without it, a video is not extracted."""
        return self.folder / "manifest.json"

    def fingerprint(self) -> str:
        """Changes when the video is extracted differently: its images may have changed."""
        return file_sha256(self.manifest)

    def grids(self) -> list[CellGrid]:
        """The cell grids, one per segment, in order.

        Raises:
            OutputLostError: they are gone or damaged; the video counts as not extracted.
        """
        with _whole(self.folder, GRIDS):
            return load_grids(self.folder)

    def segments(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """Each segment's number and frames, in the order of the rows of its grid."""
        for (segment,), frames in self.frames.sort("segment", "grid_row").group_by(
            "segment", maintain_order=True
        ):
            yield int(segment), frames


def extracted_videos(paths: StudyPaths, patient_id: str) -> list[ExtractedVideo]:
    """The extracted videos of a visit that have frames, by video id.

    Raises:
        OutputLostError: an extracted one is no longer complete; it counts as not extracted.
    """
    decoded = load_part(paths, DECODED, patient_id)
    return [
        _extracted_video(paths, patient_id, video_id)
        for video_id in decoded.filter(pl.col("frames_kept") > 0)["video_id"].sort()
    ]


def _extracted_video(paths: StudyPaths, patient_id: str, video_id: str) -> ExtractedVideo:
    folder = paths.extracted_folder(patient_id, video_id)
    with _whole(folder, _ROWS):
        manifest = read_manifest(folder)
        frames = EXTRACTED.conform(pl.read_parquet(folder / _ROWS))
        if manifest is None or manifest.frames_kept != frames.height:
            raise ValueError(video_id)
    return ExtractedVideo(video_id, folder, frames)


def _whole(state: Path, name: str) -> AbstractContextManager[None]:
    """Read a file of a video's state folder; if that fails, the video counts as not extracted."""
    return content_of(state / name, forget=partial(remove_manifest, state))


def read_image(paths: StudyPaths, frame_id: str, path: str, *, grey: bool = False) -> Picture:
    """One extracted image: BGR uint8 (height, width, 3), or grey (height, width).

    Args:
        paths: the study's paths.
        frame_id: the frame, for the message.
        path: the image below the study's root.
        grey: whether to read it as grey.

    Raises:
        FramesMissingError: the image is gone or damaged; its video counts as not extracted.
    """
    file = paths.root / path
    picture = decode_image(file.read_bytes() if file.is_file() else b"", "grey" if grey else "bgr")
    if picture is None:
        patient_id, video_id, _ = frame_id.split("/")
        remove_manifest(paths.extracted_folder(patient_id, video_id))
        raise FramesMissingError(
            frame_id, "its extracted image is missing or damaged", "run again: its video is extracted again"
        )
    return picture
