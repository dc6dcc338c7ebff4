"""The frame table of a visit: extracted frames joined with time, labels, scores and status.

Only joins: scores and reasons come from ``quality``, times from ``timeline``, intervals from ``labels``.
Opens no file.
"""

from collections.abc import Collection, Sequence

import polars as pl

from eus_etl.domain.labels.on_frames import attach_intervals, border_distance, used_intervals
from eus_etl.domain.tables.catalog import frame_table
from eus_etl.domain.timeline import label_uncertainty, procedure_time, recording_length
from eus_etl.settings import TimelineConfig

REASON_SEPARATOR = "|"


def build_frame_table(
    extracted: pl.DataFrame,
    scores: pl.DataFrame,
    videos: pl.DataFrame,
    intervals: pl.DataFrame,
    sync: pl.DataFrame,
    procedure_s: float | None,
    families: Sequence[str],
    config: TimelineConfig,
    doubted: Collection[str] = (),
) -> pl.DataFrame:
    """One row per extracted frame of a visit, in time order: by video, then presentation time.

    A label holds in ``[start_s, stop_s)``. ``label_certain`` is true only where certainty is proven: it is
    false without labels, without a place in time, and where the uncertainty is unknown.

    Args:
        extracted: ``tables.EXTRACTED`` of all videos of the visit.
        scores: ``frame_id`` with the columns of ``quality.scores.assess_frames``; each frame at most once.
        videos: ``tables.VIDEOS`` of the visit.
        intervals: ``tables.LABELS`` of the visit.
        sync: ``tables.SYNC`` of the visit.
        procedure_s: time of Stop Procedure, None where it is not known.
        families: label families of the study, a column each.
        config: margins.
        doubted: ids of videos whose correction is not known: their labels count as uncertain.

    Returns:
        ``tables.frame_table(families)``, as many rows as ``extracted``.

    Raises:
        ConfigError: ``sync`` has a row that cannot be meant.
        OverlapError: two used intervals of one family overlap.
    """
    placed = videos.select("video_id", "order", "timeline_start_s").join(
        _uncertainty(videos, sync, procedure_s, config, doubted), on="video_id"
    )
    frames = (
        extracted.join(placed, on="video_id", how="left")
        .join(scores, on="frame_id", how="left")
        .sort("order", "video_id", "video_s", "frame_index", nulls_last=True)
        .with_columns((pl.col("timeline_start_s") + pl.col("video_s")).alias("timeline_s"))
    )
    frames = procedure_time(frames, sync)
    for family in families:
        frames = attach_intervals(frames, intervals, family)
    frames = frames.with_columns(border_distance(frames, intervals).alias("border_s"))
    disturbed = pl.col("reasons").is_not_null()
    frames = frames.with_columns(
        (pl.col("border_s") > pl.col("label_uncertainty_s")).fill_null(False).alias("label_certain"),
        disturbed.alias("disturbed"),
        pl.when(disturbed).then(pl.lit("disturbed")).otherwise(pl.lit("ok")).alias("status"),
    )
    return frame_table(families).conform(frames)


def _uncertainty(
    videos: pl.DataFrame,
    sync: pl.DataFrame,
    procedure_s: float | None,
    config: TimelineConfig,
    doubted: Collection[str],
) -> pl.DataFrame:
    """``label_uncertainty_s`` of each video: only videos with a row in ``sync`` are synchronised."""
    recording_s = recording_length(videos)
    rows = [
        (
            video_id,
            None if video_id in doubted else label_uncertainty(recording_s, procedure_s, synced, config),
        )
        for video_id, synced in zip(videos["video_id"], synchronised(videos, sync), strict=True)
    ]
    schema = {"video_id": pl.String(), "label_uncertainty_s": pl.Float64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def synchronised(videos: pl.DataFrame, sync: pl.DataFrame) -> list[bool]:
    """Whether ``sync`` (of this visit) has a row for each video, or one for all of the visit."""
    named = set(sync["video_id"])
    return [None in named or video_id in named for video_id in videos["video_id"]]


def reason_counts(frames: pl.DataFrame) -> dict[str, int]:
    """How many frames have each reason, most frequent first; a frame with two reasons counts twice."""
    reasons = frames["reasons"].drop_nulls().str.split(REASON_SEPARATOR).explode()
    counts = reasons.value_counts(name="frames").sort("frames", "reasons", descending=[True, False])
    return dict(counts.iter_rows())


def labelled_seconds(
    frames: pl.DataFrame, videos: pl.DataFrame, families: Sequence[str]
) -> dict[tuple[str, str], float]:
    """Recorded seconds under each (family, label); a frame lasts until the next one, or the video's end."""
    timed = frames.join(videos.select("video_id", "duration_s"), on="video_id", how="left")
    next_s = pl.col("video_s").shift(-1).over("video_id").fill_null(pl.col("duration_s"))
    timed = timed.with_columns(
        (next_s - pl.col("video_s")).clip(lower_bound=0).fill_null(0).alias("stands_s")
    )
    seconds: dict[tuple[str, str], float] = {}
    for family in families:
        labelled = timed.drop_nulls(family).group_by(family).agg(pl.col("stands_s").sum()).sort(family)
        seconds.update({(family, label): stands_s for label, stands_s in labelled.iter_rows()})
    return seconds


def intervals_outside(frames: pl.DataFrame, intervals: pl.DataFrame) -> int:
    """How many used intervals lie completely outside the span of ``procedure_s``: no frame can show them.

    A visit without timed frames has all of them outside.
    """
    used = used_intervals(intervals)
    first_s, last_s = frames.select(
        pl.col("procedure_s").min().alias("first"), pl.col("procedure_s").max().alias("last")
    ).row(0)
    if first_s is None:
        return used.height
    return used.filter((pl.col("stop_s") <= first_s) | (pl.col("start_s") > last_s)).height
