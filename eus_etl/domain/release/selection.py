"""Which frames a release takes, and for each of the others the first reason why not."""

from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.domain.sampling import spread
from eus_etl.settings import PersonFilter, ReleaseConfig

NO_PICTURE, BLOCKED, EXCLUDED, STALE = "no_picture", "blocked", "excluded", "stale"
UNREVIEWED, PERSON, STATUS = "unreviewed", "person", "status"
UNCERTAIN, UNLABELLED = "label_uncertain", "unlabelled"
MIN_GAP, VISIT_CAP, PERSON_CAP = "min_gap", "visit_cap", "person_cap"
REASONS = (
    *(NO_PICTURE, BLOCKED, EXCLUDED, STALE, UNREVIEWED, PERSON, STATUS, UNCERTAIN, UNLABELLED),
    *(MIN_GAP, VISIT_CAP, PERSON_CAP),
)
REASON = pl.Enum(REASONS)

_ROUNDING_S = 1e-6  # 1.2 - 0.2 is less than 1


def visits_that_fit(patients: pl.DataFrame, filters: tuple[PersonFilter, ...]) -> pl.DataFrame:
    """The visits whose patient columns fit all filters; an empty cell fits none.

    Args:
        patients: ``tables.patients``.
        filters: the filters.
    """
    for chosen in filters:
        cell = pl.col(chosen.column)
        if chosen.any_of is not None:
            values = cell.cast(pl.String).str.split("|").list
            patients = patients.filter(pl.any_horizontal(values.contains(word) for word in chosen.any_of))
        if chosen.minimum is not None:
            patients = patients.filter(cell >= chosen.minimum)
        if chosen.maximum is not None:
            patients = patients.filter(cell <= chosen.maximum)
    return patients


def select_frames(frames: pl.DataFrame, rule: ReleaseConfig) -> pl.Series:
    """Why each frame is left out, by its own values and its visit's; null for those that are taken.

    The cap of a person is applied by ``cap_persons``, once it is known who is who.

    Args:
        frames: ``visit, video, frame_index, video_s, status, label_certain``, the families of
            ``labelled_by``, and the booleans ``has_picture, blocked, excluded, stale, unreviewed, fits``,
            sorted by visit, video and ``frame_index``.
        rule: the selection.
    """
    never = pl.lit(value=False)
    unlabelled = pl.all_horizontal(never if not rule.labelled_by else pl.col(*rule.labelled_by).is_null())
    uncertain = ~pl.col("label_certain").fill_null(value=False)
    why = (
        pl.when(~pl.col("has_picture"))
        .then(pl.lit(NO_PICTURE))
        .when("blocked")
        .then(pl.lit(BLOCKED))
        .when("excluded")
        .then(pl.lit(EXCLUDED))
        .when("stale")
        .then(pl.lit(STALE))
        .when("unreviewed")
        .then(pl.lit(UNREVIEWED))
        .when(~pl.col("fits"))
        .then(pl.lit(PERSON))
        .when(~pl.col("status").cast(pl.String).is_in(rule.status))
        .then(pl.lit(STATUS))
        .when(uncertain if rule.label_certain else never)
        .then(pl.lit(UNCERTAIN))
        .when(unlabelled)
        .then(pl.lit(UNLABELLED))
    )
    reasons = frames.select(why.cast(REASON).alias("reason"))["reason"]
    if rule.min_gap_s is not None:
        reasons = _leave_out(reasons, frames, MIN_GAP, _near_ones(frames, reasons, rule.min_gap_s))
    if rule.frames_per_visit is not None:
        over = _over_cap(frames["visit"], reasons, rule.frames_per_visit)
        reasons = _leave_out(reasons, frames, VISIT_CAP, over)
    return reasons


def cap_persons(frames: pl.DataFrame, reasons: pl.Series, cap: int | None) -> pl.Series:
    """``reasons`` with what is more than ``cap`` frames of a person left out.

    Args:
        frames: ``subject``, in the order of ``select_frames``.
        reasons: what ``select_frames`` gave.
        cap: the most frames of a person; None for any number.
    """
    if cap is None:
        return reasons
    return _leave_out(reasons, frames, PERSON_CAP, _over_cap(frames["subject"], reasons, cap))


def left_out(frames: pl.DataFrame, reasons: pl.Series) -> dict[str, dict[str, int]]:
    """Reasons, in the order in which they are tried, to ``frames`` and the ``visits`` that they are of."""
    counted = (
        frames.select("visit", reasons.alias("reason"))
        .filter(pl.col("reason").is_not_null())
        .group_by("reason")
        .agg(pl.len().alias("frames"), pl.col("visit").n_unique().alias("visits"))
        .sort("reason")
    )
    return {str(row.pop("reason")): row for row in counted.to_dicts()}


def _leave_out(reasons: pl.Series, frames: pl.DataFrame, why: str, rows: NDArray[np.int64]) -> pl.Series:
    mask = np.zeros(frames.height, bool)
    mask[rows] = True
    told = pl.select(
        pl.when(pl.Series(mask)).then(pl.lit(why)).otherwise(reasons.cast(pl.String))
    ).to_series()
    return told.cast(REASON).alias("reason")


def _near_ones(frames: pl.DataFrame, reasons: pl.Series, gap_s: float) -> NDArray[np.int64]:
    """Rows that are taken so far, and too near to the last row of their video that is."""
    still = frames.select("visit", "video", "video_s").with_row_index("row").filter(reasons.is_null())
    still = still.sort("visit", "video", "video_s", "row")
    near, last, video = [], 0.0, None
    rows = zip(
        still["row"],
        still["visit"].to_physical(),
        still["video"].to_physical(),
        still["video_s"],
        strict=True,
    )
    for row, *of_video, time_s in rows:
        if of_video == video and time_s - last < gap_s - _ROUNDING_S:
            near.append(row)
        else:
            video, last = of_video, time_s
    return np.array(near, np.int64)


def _over_cap(groups: pl.Series, reasons: pl.Series, cap: int) -> NDArray[np.int64]:
    """Rows that are taken so far, but those of their group that are kept, which are evenly spread."""
    rows = np.flatnonzero(reasons.is_null().to_numpy())
    codes = groups.to_physical().to_numpy()[rows]
    order = np.argsort(codes, kind="stable")
    rows, codes = rows[order], codes[order]
    ends = np.flatnonzero(np.diff(codes)) + 1
    over: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for start, stop in pairwise([0, *ends.tolist(), len(rows)]):
        if stop - start > cap:
            over.append(np.delete(rows[start:stop], spread(stop - start, cap)))
    return np.concatenate(over)
