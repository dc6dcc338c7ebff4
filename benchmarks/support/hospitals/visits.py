"""A visit as the extraction leaves it, made from pictures, for the tests of what comes after."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.support.places import CONFIGS
from benchmarks.support.screens.screens import Picture
from eus_etl.domain.cells.statistics import CellGrid, codes_with_motion, measure
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import DECODED, EXTRACTED, LABELS, VIDEOS
from eus_etl.settings import GridConfig, StudyConfig, TextCheckConfig, load_study
from eus_etl.storage.cell_store import save_grids
from eus_etl.storage.manifests import Manifest, write_manifest
from eus_etl.storage.tables.parts import load_part, write_part
from eus_etl.storage.tables.table_files import write_parquet

PATIENT = "11111111-2222-4333-8444-555555555555"
RATE_HZ = 5
_CONFIG = CONFIGS / "eus_config.yaml"


def make_study(root: Path) -> StudyConfig:
    """The shipped study of the pancreas, rooted at ``root``; its frames are not looked at for text."""
    study = load_study(_CONFIG)
    unread = study.preprocess.model_copy(update={"text_check": TextCheckConfig(enabled="never")})
    return study.model_copy(update={"root": root, "preprocess": unread})


def grid_of(pictures: Sequence[Picture], segment: int = 0) -> CellGrid:
    """The cells of BGR pictures of one size."""
    codes: list[NDArray[np.uint8]] = []
    before = None
    for picture in pictures:
        cells = measure(picture, GridConfig())
        codes.append(codes_with_motion(cells, before))
        before = cells
    assert before is not None
    return CellGrid(segment, before.geometry, np.stack(codes))


def extracted_rows(study: StudyConfig, video_id: str, frames_of_segments: Sequence[int]) -> pl.DataFrame:
    """``tables.EXTRACTED`` of a video at ``RATE_HZ``, with so many frames in each segment."""
    rows: list[dict[str, object]] = []
    for segment, frames in enumerate(frames_of_segments):
        for grid_row in range(frames):
            index = len(rows)
            name = f"{index * 1000 // RATE_HZ:012d}"
            rows.append(
                {
                    "frame_id": f"{PATIENT}/{video_id}/{name}",
                    "patient_id": PATIENT,
                    "video_id": video_id,
                    "path": f"master-dataset/Frames/{PATIENT}/{video_id}/{name}.png",
                    "frame_index": index * 3,
                    "pts": index * 1000 // RATE_HZ,
                    "time_base": "1/1000",
                    "video_s": index / RATE_HZ,
                    "segment": segment,
                    "grid_row": grid_row,
                    "synthetic_time": False,
                    "decode_error": False,
                    "dhash": "h" + "0" * 16,
                }
            )
    return EXTRACTED.frame(rows)


def put_video(study: StudyConfig, video_id: str, segments: Sequence[Sequence[Picture]]) -> None:
    """Store a video of ``PATIENT`` as extracted: images, rows, grids, manifest, and its row of videos.

    Videos lie end to end in the order in which they are put.
    """
    paths = StudyPaths(study.root)
    rows = extracted_rows(study, video_id, [len(pictures) for pictures in segments])
    pictures = [picture for segment in segments for picture in segment]
    for path, picture in zip(rows["path"], pictures, strict=True):
        file = paths.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), picture)
    folder = paths.extracted_folder(PATIENT, video_id)
    folder.mkdir(parents=True, exist_ok=True)
    write_parquet(rows, folder / "extracted.parquet")
    save_grids(folder, [grid_of(pictures, number) for number, pictures in enumerate(segments)])
    write_manifest(folder, Manifest("of the tests", frames_kept=len(pictures)))
    decoded = load_part(paths, DECODED, PATIENT).filter(pl.col("video_id") != video_id)
    counted = {"patient_id": PATIENT, "video_id": video_id, "frames_kept": len(pictures)}
    write_part(paths, DECODED, PATIENT, pl.concat([decoded, DECODED.frame([counted])]))
    videos = load_part(paths, VIDEOS, PATIENT).filter(pl.col("video_id") != video_id)
    row = {
        "patient_id": PATIENT,
        "video_id": video_id,
        "file_name": f"{video_id}.mp4",
        "duration_s": len(pictures) / RATE_HZ,
        "order": videos.height,
        "timeline_start_s": videos["duration_s"].sum(),
        "timeline_source": "assumed",
    }
    write_part(paths, VIDEOS, PATIENT, pl.concat([videos, VIDEOS.frame([row])]))


def drop_video(study: StudyConfig, video_id: str) -> None:
    """Take a video out of the visit's parts."""
    paths = StudyPaths(study.root)
    for table in (VIDEOS, DECODED):
        rows = load_part(paths, table, PATIENT).filter(pl.col("video_id") != video_id)
        write_part(paths, table, PATIENT, rows)


def intervals(*rows: tuple[str, str, float, float]) -> pl.DataFrame:
    """``tables.LABELS`` of ``PATIENT`` with good intervals (family, label, start_s, stop_s)."""
    return LABELS.frame(
        {
            "patient_id": PATIENT,
            "family": family,
            "label": label,
            "occurrence": number + 1,
            "start_s": start_s,
            "stop_s": stop_s,
            "status": "ok",
        }
        for number, (family, label, start_s, stop_s) in enumerate(rows)
    )
