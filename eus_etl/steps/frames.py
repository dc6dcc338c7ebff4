"""The step ``frames``: extract the videos of one visit that are not extracted yet.

A video is extracted whole or not at all. Its manifest, in the state folder that is published last, says
that it is done and with which configuration, so that a raw video is opened only where there is something
to do. What one pass does belongs to ``frame_extraction``.
"""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import DECODED, VIDEOS
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.errors import SourceUnavailableError, VideoUnreadableError
from eus_etl.settings import ExtractionConfig, StudyConfig
from eus_etl.steps.result import Check, StepResult, version_of
from eus_etl.steps.video_pass import FramesDecoded, manifest_of
from eus_etl.steps.video_reader.reader import extract_apart
from eus_etl.storage.extraction_store import count_rows, write_rows
from eus_etl.storage.files.atomic import folder_beside, publish_folder
from eus_etl.storage.files.removal import remove_partials
from eus_etl.storage.manifests import Manifest, load_manifest, remove_extraction, state_files, write_manifest
from eus_etl.storage.outputs import count_files
from eus_etl.storage.tables.parts import load_part, part_outputs, write_part, write_rejected

STAGE = "frames"


def extract_patient(
    study: StudyConfig,
    patient_id: str,
    progress: Callable[[str], None] | None = None,
    on_frames: FramesDecoded | None = None,
) -> StepResult:
    """Extract what is missing of one visit, and remove what no longer belongs to it.

    Reads the part of ``videos`` and the raw videos that are not extracted with this configuration.
    Writes images, state folders and the part of ``decoded``. A video that cannot be used is recorded in
    ``rejected`` with its reason; the others go on.

    Args:
        study: the study's configuration.
        patient_id: the visit.
        progress: called with a sentence for each extracted video, with ids only.
        on_frames: called with the number of frames decoded since the last call.

    Raises:
        SourceUnavailableError: a raw video that has to be extracted is missing.
        DiskFullError: the disk is full; videos extracted so far are kept.
    """
    started = time.monotonic()
    paths = StudyPaths(study.root)
    rows = load_part(paths, VIDEOS, patient_id).select("video_id", "file_name").iter_rows()
    videos = [_Video(paths, patient_id, video_id, file_name) for video_id, file_name in rows]
    _tidy(paths, patient_id, {video.video_id for video in videos})
    manifests: dict[str, Manifest] = {}
    decoded: list[Manifest] = []
    for video in videos:
        manifest = load_manifest(
            video.state, video.images, study.extraction.fingerprint(), study.reading.fingerprint()
        )
        if manifest is None:
            manifest = _extract(video, study, on_frames)
            decoded.append(manifest)
            if progress:
                progress(f"{video.video_id}: {_outcome(manifest)}")
        manifests[video.video_id] = manifest
    _write_decoded(paths, patient_id, manifests)
    write_rejected(
        paths,
        STAGE,
        patient_id,
        (
            replace(rejection, file_name=video.file_name)
            for video in videos
            if (rejection := manifests[video.video_id].rejected)
        ),
    )
    return StepResult(
        version=version_of(
            [(video_id, m.format, m.extraction, m.frames_kept) for video_id, m in sorted(manifests.items())]
        ),
        metadata=_metadata(manifests, decoded, time.monotonic() - started),
        checks=(_images_equal_rows(videos, manifests),),
        outputs=(
            *part_outputs(paths, STAGE, patient_id, DECODED),
            *(file for video in videos for file in state_files(video.state)),
            *(video.images for video in videos if manifests[video.video_id].rejected is None),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Video:
    paths: StudyPaths
    patient_id: str
    video_id: str
    file_name: str

    @property
    def source(self) -> Path:
        return self.paths.raw_folder(self.patient_id) / self.file_name

    @property
    def images(self) -> Path:
        return self.paths.frames_folder(self.patient_id, self.video_id)

    @property
    def state(self) -> Path:
        return self.paths.extracted_folder(self.patient_id, self.video_id)


def _tidy(paths: StudyPaths, patient_id: str, video_ids: set[str]) -> None:
    """Remove what interrupted runs left, and videos that no longer belong to the visit."""
    folders = (paths.extracted_of_patient(patient_id), paths.frames_of_patient(patient_id))
    found: set[str] = set()
    for folder in folders:
        remove_partials(folder)
        if folder.is_dir():
            found |= {entry.name for entry in folder.iterdir() if entry.is_dir()}
    for gone in found - video_ids:
        remove_extraction(paths.extracted_folder(patient_id, gone), paths.frames_folder(patient_id, gone))


def _extract(video: _Video, study: StudyConfig, on_frames: FramesDecoded | None) -> Manifest:
    extraction = study.extraction
    if not video.source.is_file():
        raise SourceUnavailableError(
            video.video_id, "its raw video is not in raw_data", "restore raw_data, or run raw_videos again"
        )
    with folder_beside(video.images) as images, folder_beside(video.state) as state:
        try:
            made = extract_apart(
                video.source, video.video_id, images, state, extraction, study.reading, on_frames
            )
        except VideoUnreadableError as error:
            rejected = Rejection(
                item=video.video_id, reason=error.reason, detail=error.cause, remedy=error.remedy or None
            )
            manifest = Manifest(extraction.fingerprint(), study.reading.fingerprint(), rejected=rejected)
        else:
            manifest = manifest_of(made, video.video_id, extraction)
            write_rows(state, _rows(made.frames, video, extraction))
        remove_extraction(video.state, video.images)
        if manifest.rejected:
            shutil.rmtree(state)
            state.mkdir()
        else:
            publish_folder(images, video.images)
        write_manifest(state, manifest)
        publish_folder(state, video.state)
    return manifest


def _rows(frames: pl.DataFrame, video: _Video, extraction: ExtractionConfig) -> pl.DataFrame:
    folder = video.paths.relative(video.images)
    return frames.with_columns(
        pl.lit(video.patient_id).alias("patient_id"),
        pl.lit(video.video_id).alias("video_id"),
        (pl.lit(f"{video.patient_id}/{video.video_id}/") + pl.col("stem")).alias("frame_id"),
        (pl.lit(f"{folder}/") + pl.col("stem") + pl.lit(f".{extraction.image.format}")).alias("path"),
    )


def _write_decoded(paths: StudyPaths, patient_id: str, manifests: Mapping[str, Manifest]) -> None:
    rows = (
        {
            "patient_id": patient_id,
            "video_id": video_id,
            "frames_decoded": manifest.counts.frames,
            "frames_skipped": manifest.counts.skipped,
            "decode_errors": manifest.counts.errors,
            "frames_before_key": manifest.counts.before_key,
            "frames_missing": manifest.counts.missing,
            "clock_restarts": manifest.counts.clock_restarts,
            "interlaced": manifest.counts.interlaced > 0,
            "deinterlaced": manifest.deinterlaced,
            "frames_kept": manifest.frames_kept,
        }
        for video_id, manifest in manifests.items()
    )
    write_part(paths, DECODED, patient_id, DECODED.frame(rows))


def _metadata(
    manifests: Mapping[str, Manifest], decoded: list[Manifest], seconds: float
) -> dict[str, int | float | str | bool | Path]:
    frames_decoded = sum(manifest.counts.frames for manifest in decoded)
    of_visit = list(manifests.values())
    return {
        "videos_decoded": len(decoded),
        "videos_kept": len(manifests) - len(decoded),
        "videos_rejected": sum(manifest.rejected is not None for manifest in of_visit),
        "frames": sum(manifest.frames_kept for manifest in of_visit),
        "bytes": sum(manifest.image_bytes for manifest in of_visit),
        "decode_errors": sum(manifest.counts.errors for manifest in of_visit),
        "frames_before_key": sum(manifest.counts.before_key for manifest in of_visit),
        "frames_missing": sum(manifest.counts.missing for manifest in of_visit),
        "clock_restarts": sum(manifest.counts.clock_restarts for manifest in of_visit),
        "damaged_frames": sum(manifest.counts.damaged for manifest in of_visit),
        "frames_decoded": frames_decoded,
        "frames_skipped": sum(manifest.counts.skipped for manifest in decoded),
        "taken_s": round(seconds, 1),
        "frames_decoded_per_s": round(frames_decoded / max(seconds, 1e-3), 1),
    }


def _images_equal_rows(videos: list[_Video], manifests: Mapping[str, Manifest]) -> Check:
    wrong = []
    for video in videos:
        if manifests[video.video_id].rejected is None:
            images, rows = count_files(video.images), count_rows(video.state)
            if images != rows:
                wrong.append(f"{video.video_id}: {images} images, {rows} rows")
    return Check("images_equal_rows", not wrong, "; ".join(wrong))


def _outcome(manifest: Manifest) -> str:
    if manifest.rejected:
        return f"rejected, {manifest.rejected.reason}"
    held = manifest.counts.frames + manifest.counts.skipped
    return f"{manifest.frames_kept} of {held} frames kept, {manifest.counts.frames} decoded"
