"""What the extraction of each video wrote to the disk: manifest, rows, images.

``cell_store`` writes the cell grids beside the rows; ``steps.frames`` decides what is extracted, and when.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter

from eus_etl.domain.cells.statistics import CellGrid
from eus_etl.domain.images.codec import decode_image
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import DECODED, EXTRACTED
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.domain.video.types import DecodeCounts
from eus_etl.errors import FramesMissingError
from eus_etl.storage.cell_store import GRIDS, load_grids
from eus_etl.storage.files.atomic import PARTIAL, raise_if_full
from eus_etl.storage.files.checked_json import read_checked, write_checked
from eus_etl.storage.files.checksums import file_sha256
from eus_etl.storage.files.folders import make_folder
from eus_etl.storage.files.listing import listed
from eus_etl.storage.outputs import count_files
from eus_etl.storage.tables.parts import load_part
from eus_etl.storage.tables.table_files import write_parquet
from eus_etl.storage.vouched import content_of

FORMAT = 6  # raise it when the same configuration gives other images, rows or grids
_MANIFEST = "manifest.json"
_ROWS = "extracted.parquet"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The result of one video's extraction; a video without a manifest is not extracted.

    Attributes:
        extraction: fingerprint of the configuration.
        reading: fingerprint of the reader's limits, if the video was rejected under them.
        counts: of its decoding.
        deinterlaced: interlaced frames were made whole.
        frames_kept: images.
        image_bytes: bytes of all images.
        rejected: why the video cannot be used; then it has no images.
        state_bytes: names and sizes of the files beside the manifest.
        format: ``FORMAT`` of the code that made it.
    """

    extraction: str
    reading: str | None = None
    counts: DecodeCounts = field(default_factory=DecodeCounts)
    deinterlaced: bool = False
    frames_kept: int = 0
    image_bytes: int = 0
    rejected: Rejection | None = None
    state_bytes: Mapping[str, int] = field(default_factory=dict)
    format: int = FORMAT


_MANIFESTS = TypeAdapter(Manifest)


def write_manifest(state: Path, manifest: Manifest) -> None:
    """Write the manifest, the last file of a video's state folder before that is published."""
    sizes = {file.name: file.stat().st_size for file in state_files(state) if file.name != _MANIFEST}
    write_checked(state / _MANIFEST, asdict(replace(manifest, state_bytes=sizes)))


def load_manifest(state: Path, images: Path, extraction: str, reading: str | None = None) -> Manifest | None:
    """The manifest of a video extracted with this configuration; None if it has to be extracted.

    Args:
        state: the video's state folder; if a file of it is gone or cut, the video counts as not extracted.
        images: its images; if some are gone, the video counts as not extracted.
        extraction: fingerprint of the configuration.
        reading: fingerprint of the reader's limits: videos rejected under other limits are tried again.
    """
    manifest = read_manifest(state)
    if manifest is None or (manifest.format, manifest.extraction) != (FORMAT, extraction):
        return None
    if manifest.rejected and manifest.reading not in (None, reading):
        return None
    return manifest if count_files(images) == manifest.frames_kept else None


def read_manifest(state: Path) -> Manifest | None:
    """The manifest of a video's state folder; None if it or a file beside it is missing or damaged."""
    try:
        manifest = _MANIFESTS.validate_python(read_checked(state / _MANIFEST))
        sizes = {name: (state / name).stat().st_size for name in manifest.state_bytes}
    except (FileNotFoundError, ValueError):
        return None
    return manifest if sizes == manifest.state_bytes else None


def remove_manifest(state: Path) -> None:
    """Make a video count as not extracted, before the files that its manifest describes are changed."""
    (state / _MANIFEST).unlink(missing_ok=True)


def remove_extraction(state: Path, images: Path) -> None:
    """Remove all that was extracted from one video, the manifest first."""
    remove_manifest(state)
    for folder in (state, images):
        if folder.is_dir():
            shutil.rmtree(folder)


def state_files(state: Path) -> list[Path]:
    """The files of a video's published state folder: manifest, and rows and grids if it has frames."""
    return listed(state)


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


@contextmanager
def folder_beside(final: Path) -> Iterator[Path]:
    """An empty folder to fill, beside ``final``; gone afterwards unless it was published.

    Raises:
        DiskFullError: the disk became full in the block.
    """
    partial = final.with_name(f".{final.name}{PARTIAL}")
    try:
        make_folder(partial.parent)
        partial.mkdir()
        yield partial
    except OSError as error:
        raise_if_full(error, final.parent)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


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
