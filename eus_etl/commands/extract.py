"""Frames of any video files, and a CSV of their times, without a study: ``eus-etl extract``.

``steps.frame_extraction`` does the pass over a video; the step ``frames`` handles a study's visits.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from eus_etl.domain.frame_ids import video_id_of
from eus_etl.errors import VideoUnreadableError
from eus_etl.settings import ExtractionConfig, ReadingConfig
from eus_etl.steps.video_pass import FramesDecoded, manifest_of
from eus_etl.steps.video_reader.reader import extract_apart
from eus_etl.storage.files.atomic import folder_beside, publish_folder
from eus_etl.storage.files.checksums import md5_of
from eus_etl.storage.manifests import Manifest, load_manifest, remove_manifest, write_manifest
from eus_etl.storage.tables.table_files import write_csv

_STATE = ".eus_etl"
_OUTCOME = {
    "position": pl.Int64(),
    "video_id": pl.String(),
    "outcome": pl.String(),
    "detail": pl.String(),
    "frames": pl.Int64(),
    "frames_decoded": pl.Int64(),
    "frames_skipped": pl.Int64(),
    "decode_errors": pl.Int64(),
    "bytes": pl.Int64(),
}


def extract_files(
    videos: Sequence[Path],
    out: Path,
    extraction: ExtractionConfig,
    progress: Callable[[str], None] | None = None,
    on_frames: FramesDecoded | None = None,
) -> pl.DataFrame:
    """Extract the frames of each file into ``out/<video_id>/``, with the table ``out/<video_id>.csv``.

    The id is made from the file's content. Columns of the table: ``frame_id`` (``<video_id>/<pts>``),
    ``video_id``, ``path`` (below ``out``), then those of ``tables.EXTRACTED`` from ``frame_index`` to
    ``video_s``, ``synthetic_time``, ``decode_error`` and ``dhash``. A video that was extracted with the same
    configuration is left as it is; with another one, it is extracted again. Nothing made by anything else is
    overwritten.

    Args:
        videos: video files, DICOM included.
        out: folder, created if missing.
        extraction: what to keep, and how.
        progress: called with a sentence about each file, by position and id.
        on_frames: called with the number of further frames decoded.

    Returns:
        One row per file: ``position`` (from 1), ``video_id`` (null if the file cannot be read),
        ``outcome`` (``extracted``, ``kept`` or ``failed``), ``detail`` (why it failed, or what is lost),
        ``frames``, ``frames_decoded``, ``frames_skipped`` (no kept frame needs them), ``decode_errors``,
        ``bytes`` (of images).

    Raises:
        DiskFullError: no room; videos extracted so far are kept.
    """
    # a user who names a file wants whatever it holds; a visit needs whole videos
    extraction = extraction.model_copy(update={"max_error_share": 1.0})
    rows: list[tuple[object, ...]] = []
    for position, video in enumerate(videos, start=1):
        row = _extract_file(position, video, out, extraction, on_frames)
        rows.append(row)
        if progress:
            progress(f"video {position} ({row[1] or 'no id'}): {row[2]}{', ' if row[3] else ''}{row[3]}")
    return pl.DataFrame(rows, schema=_OUTCOME, orient="row")


def _extract_file(
    position: int, source: Path, out: Path, extraction: ExtractionConfig, on_frames: FramesDecoded | None
) -> tuple[object, ...]:
    try:
        video = _Video(source, out, video_id_of(md5_of(source)))
    except OSError as error:
        return (position, None, *_failed(f"cannot be read ({error.strerror})"))
    manifest = load_manifest(video.state, video.images, extraction.fingerprint())
    outcome = "kept"
    if manifest is None or not video.table.is_file():
        if not video.is_ours:
            return (position, video.video_id, *_failed(f"{video.video_id} exists and was not made here"))
        try:
            manifest = _extract(video, extraction, on_frames)
        except VideoUnreadableError as error:
            return (position, video.video_id, *_failed(error.cause))
        outcome = "extracted"
    if manifest.rejected:
        return (position, video.video_id, *_failed(manifest.rejected.detail))
    return (
        position,
        video.video_id,
        outcome,
        _lost(manifest),
        manifest.frames_kept,
        manifest.counts.frames,
        manifest.counts.skipped,
        manifest.counts.errors,
        manifest.image_bytes,
    )


def _lost(manifest: Manifest) -> str:
    """What was lost of a video; empty if nothing."""
    held = manifest.counts.frames + manifest.counts.skipped
    losses = {
        "lie before the first key frame": manifest.counts.before_key,
        "cannot be decoded": manifest.counts.errors,
        "are missing at the end": manifest.counts.missing,
    }
    total = held + sum(losses.values())
    said = [f"{count} of {total} frames {what}" for what, count in losses.items() if count]
    if manifest.counts.clock_restarts:
        said.append(f"its clock restarts {manifest.counts.clock_restarts} times")
    return ", ".join(said)


def _failed(detail: str) -> tuple[object, ...]:
    return ("failed", detail, 0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Video:
    source: Path
    out: Path
    video_id: str

    @property
    def images(self) -> Path:
        return self.out / self.video_id

    @property
    def table(self) -> Path:
        return self.out / f"{self.video_id}.csv"

    @property
    def state(self) -> Path:
        return self.out / _STATE / self.video_id

    @property
    def is_ours(self) -> bool:
        """Whether the output under the video's name was made here; true if there is none yet."""
        return self.state.is_dir() or not (self.images.exists() or self.table.exists())


def _extract(video: _Video, extraction: ExtractionConfig, on_frames: FramesDecoded | None) -> Manifest:
    with folder_beside(video.images) as images:
        made = extract_apart(
            video.source, video.video_id, images, None, extraction, ReadingConfig(), on_frames
        )
        manifest = manifest_of(made, video.video_id, extraction)
        if manifest.rejected:
            return manifest
        video.state.mkdir(parents=True, exist_ok=True)  # claims the name before anything is written under it
        remove_manifest(video.state)
        publish_folder(images, video.images)
        write_csv(_rows(made.frames, video, extraction), video.table)
        write_manifest(video.state, manifest)
    return manifest


def _rows(frames: pl.DataFrame, video: _Video, extraction: ExtractionConfig) -> pl.DataFrame:
    return frames.select(
        (pl.lit(f"{video.video_id}/") + pl.col("stem")).alias("frame_id"),
        pl.lit(video.video_id).alias("video_id"),
        (pl.lit(f"{video.video_id}/") + pl.col("stem") + pl.lit(f".{extraction.image.format}")).alias("path"),
        "frame_index",
        "pts",
        "time_base",
        "video_s",
        "synthetic_time",
        "decode_error",
        "dhash",
    )
