"""Time beyond one video: the place of each video on the visit's timeline, and procedure time.

Time within a video (pts, sampling) stays in ``video`` and ``sampling``, which label holds when in ``labels``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from eus_etl.errors import ConfigError
from eus_etl.settings import TimelineConfig

_PLACEMENT = {
    "video_id": pl.String(),
    "order": pl.Int64(),
    "timeline_start_s": pl.Float64(),
    "gap_s": pl.Float64(),
    "timeline_source": pl.String(),
}


@dataclass(frozen=True, slots=True)
class _Video:
    video_id: str
    file_name: str
    recorded_at: datetime | None
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class _Place:
    video: _Video
    start_s: float | None
    source: str

    @property
    def end_s(self) -> float | None:
        if self.start_s is None or self.video.duration_s is None:
            return None
        return self.start_s + self.video.duration_s


def place_videos(videos: pl.DataFrame, config: TimelineConfig) -> pl.DataFrame:
    """Place the videos of one visit on its timeline, which starts with the first video.

    Order: by recording time, then natural file name (``part2`` before ``part10``). A video without a
    recording time comes right after the one that its name follows.

    A video starts where its recording time puts it: as long after the nearest earlier video with a
    recording time as the two times say (``stated``; gaps are kept, an overlap is a negative gap). Where
    that cannot be said it starts where the one before ends (``assumed``) if the recorder splits without
    loss, else it has no place (``none``), nor have later ones that would follow it. What is stated
    relative to an assumed place counts as assumed. The first video starts at 0 in any case.

    Args:
        videos: columns ``video_id, file_name, recorded_at`` (ISO 8601, UTC where it names no zone, or
            null)``, duration_s`` (s or null); one visit, any order.
        config: whether the recorder splits without loss.

    Returns:
        A row a video in order: ``video_id, order, timeline_start_s, gap_s, timeline_source``.
    """
    rows = videos.select("video_id", "file_name", "recorded_at", "duration_s").iter_rows()
    listed = [_Video(video, name, _instant(recorded), length) for video, name, recorded, length in rows]
    places: list[_Place] = []
    for video in _in_order(listed):
        places.append(_place(video, places, config.recorder_splits_without_loss))
    previous_ends = [None, *(place.end_s for place in places)]
    return pl.DataFrame(
        [
            (
                place.video.video_id,
                order,
                place.start_s,
                None if place.start_s is None or end_s is None else place.start_s - end_s,
                place.source,
            )
            for order, (place, end_s) in enumerate(zip(places, previous_ends, strict=False))
        ],
        schema=_PLACEMENT,
        orient="row",
    )


def recording_length(placed: pl.DataFrame) -> float | None:
    """Seconds from the start of a visit's timeline to the end of the last placed video.

    Args:
        placed: columns ``timeline_start_s`` and ``duration_s``; a video that lacks either counts nothing.

    Returns:
        None where no video has both.
    """
    (length,) = placed.select((pl.col("timeline_start_s") + pl.col("duration_s")).max()).row(0)
    return None if length is None else float(length)


def procedure_time(frames: pl.DataFrame, sync: pl.DataFrame) -> pl.DataFrame:
    """Put ``procedure_s = (timeline_s - offset_s) / scale`` beside each frame.

    A row of ``sync`` with the frame's video beats a row for all of the visit; without either, offset and
    scale are 0 and 1. An empty ``scale`` is 1.

    Args:
        frames: columns ``patient_id, video_id, timeline_s`` (null stays null), others are kept.
        sync: rows of ``tables.SYNC``, of any patients; only those of the frames' visits count.

    Raises:
        ConfigError: a row has no offset, a scale that is not positive, or appears twice.
    """
    patients = frames.get_column("patient_id").unique()
    rows = sync.filter(pl.col("patient_id").is_in(patients.to_list())).with_columns(
        pl.col("scale").fill_null(1.0)
    )
    _check_sync(rows)
    terms = ["offset_s", "scale"]
    by_visit = rows.filter(pl.col("video_id").is_null()).select("patient_id", *terms)
    by_video = rows.filter(pl.col("video_id").is_not_null()).select("patient_id", "video_id", *terms)
    joined = frames.join(by_video, on=["patient_id", "video_id"], how="left", maintain_order="left").join(
        by_visit, on="patient_id", how="left", maintain_order="left", suffix="_visit"
    )
    offset = pl.coalesce("offset_s", "offset_s_visit", 0.0)
    scale = pl.coalesce("scale", "scale_visit", 1.0)
    return joined.with_columns(((pl.col("timeline_s") - offset) / scale).alias("procedure_s")).drop(
        *terms, "offset_s_visit", "scale_visit"
    )


def label_uncertainty(
    recording_s: float | None, procedure_s: float | None, synced: bool, config: TimelineConfig
) -> float | None:
    """How far, in seconds, the label borders of a visit may be off.

    The configured margin; plus, while ``sync.csv`` has no row for the visit, the difference between the
    length of the recording and the time of Stop Procedure.

    Returns:
        None where that difference is needed and one of the two is not known.
    """
    if synced:
        return config.label_margin_s
    if recording_s is None or procedure_s is None:
        return None
    return config.label_margin_s + abs(recording_s - procedure_s)


def needs_sync(
    recording_s: float | None, procedure_s: float | None, synced: bool, config: TimelineConfig
) -> bool:
    """Whether a visit is flagged for synchronising.

    That is, where it has no row in ``sync.csv`` and its recording and its procedure differ by more than
    ``sync_flag_share`` of the longer of the two. What is not known flags nothing.
    """
    if synced or recording_s is None or procedure_s is None:
        return False
    return abs(recording_s - procedure_s) > config.sync_flag_share * max(recording_s, procedure_s)


def _check_sync(rows: pl.DataFrame) -> None:
    remedy = "correct sync.csv: one row a video or visit, offset_s a number, scale positive or empty"
    for patient_id, offset_s, scale in rows.select("patient_id", "offset_s", "scale").iter_rows():
        if offset_s is None:
            raise ConfigError(patient_id, "a row of sync.csv has no offset_s", remedy)
        if not scale > 0:
            raise ConfigError(patient_id, f"sync.csv has the scale {scale}", remedy)
    for row in rows.group_by("patient_id", "video_id").len().filter(pl.col("len") > 1).iter_rows():
        raise ConfigError(row[0], f"sync.csv has {row[2]} rows for {row[1] or 'all of the visit'}", remedy)


def _in_order(videos: Sequence[_Video]) -> list[_Video]:
    by_name = sorted(videos, key=lambda video: (_natural(video.file_name), video.video_id))
    # sorting is stable: equal recording times leave the files in the order of their names
    stated = [(video.recorded_at, video) for video in by_name if video.recorded_at is not None]
    ordered = [video for _, video in sorted(stated, key=lambda pair: pair[0])]
    follows: _Video | None = None
    for video in by_name:
        if video.recorded_at is None:
            ordered.insert(0 if follows is None else ordered.index(follows) + 1, video)
        follows = video
    return ordered


def _place(video: _Video, before: Sequence[_Place], splits_without_loss: bool) -> _Place:
    if not before:
        return _Place(video, 0.0, "assumed" if video.recorded_at is None else "stated")
    anchor = next(
        (place for place in reversed(before) if place.video.recorded_at and place.start_s is not None), None
    )
    if video.recorded_at and anchor and anchor.video.recorded_at and anchor.start_s is not None:
        elapsed_s = (video.recorded_at - anchor.video.recorded_at).total_seconds()
        return _Place(video, anchor.start_s + elapsed_s, anchor.source)
    if splits_without_loss and before[-1].end_s is not None:
        return _Place(video, before[-1].end_s, "assumed")
    return _Place(video, None, "none")


def _instant(recorded_at: str | None) -> datetime | None:
    if recorded_at is None:
        return None
    instant = datetime.fromisoformat(recorded_at)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _natural(name: str) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", name.casefold())
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]
