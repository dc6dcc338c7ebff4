"""Videos run through the real steps, from extraction to frame table, for tests and benchmarks of statuses."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from benchmarks.support.hospitals.visits_of_videos import PATIENT, lay_out, study_at
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import REGIONS, SYNC
from eus_etl.steps.frame_table import make_frame_table
from eus_etl.steps.frames import extract_patient
from eus_etl.steps.regions.step import find_regions


def assess_videos(root: Path, videos: Sequence[Path], rate_hz: float | None) -> list[pl.DataFrame]:
    """The frame table's rows of each of ``videos``, one visit of a study at ``root``, by frame index."""
    study = study_at(root, rate_hz)
    video_ids = lay_out(study, videos)
    extract_patient(study, PATIENT)
    find_regions(study, PATIENT, REGIONS.empty())
    make_frame_table(study, PATIENT, SYNC.empty(), None)
    table = pl.read_parquet(StudyPaths(study.root).frame_table(PATIENT).with_suffix(".parquet"))
    return [table.filter(video_id=video_id).sort("frame_index") for video_id in video_ids]


def has_reason(frames: pl.DataFrame, reason: str) -> pl.Series:
    """Whether each row of a frame table gives ``reason``."""
    return frames["reasons"].fill_null("").str.split("|").list.contains(reason)
