"""The frame table of a visit: ``Frames/<patient_id>.csv`` and its Parquet twin.

Reads what earlier steps stored (rows, cell grids, layouts, intervals); opens no image and no video.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.domain.cells.statistics import CellGrid
from eus_etl.domain.frame_table import (
    build_frame_table,
    intervals_outside,
    labelled_seconds,
    reason_counts,
    synchronised,
)
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.quality.scores import SCORES, assess_frames
from eus_etl.domain.screen.entering import parse_rows
from eus_etl.domain.screen.region import NO_POLYGON, parse_polygon
from eus_etl.domain.sync_rows import doubted_videos, of_known_videos
from eus_etl.domain.tables.catalog import EXTRACTED, FRAME_TABLE, LABELS, LAYOUTS, VIDEOS
from eus_etl.domain.timeline import needs_sync, recording_length
from eus_etl.settings import QualityConfig, StudyConfig
from eus_etl.steps.observation.snapshot import RefusedRow
from eus_etl.steps.result import Check, StepResult, version_of
from eus_etl.storage.extraction_store import ExtractedVideo, extracted_videos
from eus_etl.storage.files.checksums import file_sha256
from eus_etl.storage.tables.parts import load_part, part_outputs, write_rejected
from eus_etl.storage.tables.table_files import write_csv, write_parquet

STAGE = "frame_table"

_BORDERS = ("first_row", "last_row")


def make_frame_table(
    study: StudyConfig,
    patient_id: str,
    sync: pl.DataFrame,
    procedure_s: float | None,
    refused: Sequence[RefusedRow] = (),
) -> StepResult:
    """Make the visit's frame table from stored rows and grids.

    Rows of ``sync.csv`` that cannot be used, such as those that name a video of no or another visit, are
    recorded. Labels of videos that they may have concerned count as uncertain.

    Args:
        study: the study.
        patient_id: the visit.
        sync: ``tables.SYNC`` of the visit.
        procedure_s: time of Stop Procedure in the visit's label item; None where it is missing.
        refused: rows of ``sync.csv`` for the visit that cannot be used.

    Raises:
        OverlapError: two used intervals of one family overlap.
    """
    paths = StudyPaths(study.root)
    extracted = extracted_videos(paths, patient_id)
    videos = load_part(paths, VIDEOS, patient_id)
    intervals = load_part(paths, LABELS, patient_id)
    layouts = load_part(paths, LAYOUTS, patient_id)
    video_ids = videos["video_id"].to_list()
    named = sync["video_id"].drop_nulls().to_list()
    sync, unknown = of_known_videos(sync, video_ids)
    targets = [*(row.video_id for row in refused), *(video for video in named if video not in video_ids)]
    doubted = doubted_videos(sync, video_ids, targets)
    recorded = write_rejected(paths, STAGE, patient_id, [*(row.rejection for row in refused), *unknown])
    rows = pl.concat([EXTRACTED.empty(), *(video.frames for video in extracted)])
    table = build_frame_table(
        rows,
        _assess(extracted, layouts, study.quality),
        videos,
        intervals,
        sync,
        procedure_s,
        list(study.families),
        study.timeline,
        doubted,
    )
    file = paths.frame_table(patient_id)
    write_parquet(table, file.with_suffix(".parquet"))
    write_csv(table, file)

    outside = intervals_outside(table, intervals)
    all_synced = all(synchronised(videos, sync))
    recording_s = recording_length(videos)
    sync_needed = bool(doubted) or needs_sync(recording_s, procedure_s, all_synced, study.timeline)
    seconds = labelled_seconds(table, videos, list(study.families))
    return StepResult(
        version=version_of(file_sha256(file), recorded.to_dicts()),
        metadata={
            "frames": table.height,
            "disturbed": int(table["disturbed"].sum()),
            **{f"reason {reason}": frames for reason, frames in reason_counts(table).items()},
            **{f"seconds {family}: {label}": round(s, 3) for (family, label), s in seconds.items()},
            "label_certain": int(table["label_certain"].sum()),
            "sync_needed": sync_needed,
            "corrections_rejected": recorded.height,
            "images_read": 0,
            "videos_decoded": 0,
        },
        checks=(
            Check(
                "frames_equal_rows",
                table.height == rows.height and table["frame_id"].is_unique().all(),
                f"{rows.height} extracted frames, {table.height} rows",
            ),
            Check(
                "labels_inside_recording",
                outside == 0,
                f"{outside} used intervals are completely outside the recording",
            ),
            Check("synchronised", not sync_needed, _compared(recording_s, procedure_s, all_synced, doubted)),
        ),
        outputs=(
            file,
            file.with_suffix(".parquet"),
            *part_outputs(paths, STAGE, patient_id),
        ),
    )


def _assess(extracted: list[ExtractedVideo], layouts: pl.DataFrame, config: QualityConfig) -> pl.DataFrame:
    """Scores and reasons of all frames of a visit, one row per ``frame_id``.

    All stretches of a segment that show one screen are scored together: the usual sharpness depends on the
    screen, and a short stretch has too few frames to estimate it.
    """
    schema = {name: FRAME_TABLE.schema[name] for name in ("frame_id", *SCORES, "reasons")}
    assessed = [pl.DataFrame(schema=schema)]
    for video in extracted:
        grids = video.grids()
        of_video = layouts.filter(pl.col("video_id") == video.video_id)
        for segment, frames in video.segments():
            of_segment = of_video.filter(pl.col("segment") == segment)
            for _, stretches in of_segment.group_by("signature", "screen", "polygon", maintain_order=True):
                rows = np.concatenate(
                    [np.arange(first, last + 1) for first, last in stretches.select(_BORDERS).iter_rows()]
                )
                polygon, screen = stretches.select("polygon", "screen").row(0)
                own = frames[rows]
                covered = np.concatenate([parse_rows(text) for text in stretches["covered_rows"]])
                scores = assess_frames(
                    _cells_of(grids[segment], rows),
                    parse_polygon(polygon) if polygon else NO_POLYGON,
                    own["video_s"].to_numpy(),
                    own["decode_error"].to_numpy(),
                    config,
                    screen,
                    np.isin(rows, covered),
                )
                assessed.append(scores.with_columns(own["frame_id"]).select(list(schema)))
    return pl.concat(assessed)


def _cells_of(grid: CellGrid, rows: NDArray[np.intp]) -> CellGrid:
    """These rows of a grid; the grid itself if they are all of it."""
    return grid if len(rows) == grid.frames else replace(grid, codes=grid.codes[rows])


def _compared(
    recording_s: float | None, procedure_s: float | None, synced: bool, doubted: Collection[str]
) -> str:
    if doubted:
        return f"rows of sync.csv that may concern {len(doubted)} videos cannot be used; see rejected.csv"
    if synced:
        return "sync.csv relates recording and procedure"
    if recording_s is None or procedure_s is None:
        return "the recording's length or the procedure's end is unknown"
    return f"recording {recording_s:.1f} s, procedure {procedure_s:.1f} s"
