"""Which frames label intervals cover, and how far each frame is from a border."""

import numpy as np
import numpy.typing as npt
import polars as pl

from eus_etl.errors import OverlapError

_BORDER_DECIMALS = 9


def used_intervals(intervals: pl.DataFrame) -> pl.DataFrame:
    """The rows of ``tables.LABELS`` that label frames: status ``ok`` or ``suspect``."""
    return intervals.filter(pl.col("status").is_in(["ok", "suspect"]))


def attach_intervals(frames: pl.DataFrame, intervals: pl.DataFrame, family: str) -> pl.DataFrame:
    """Name in column ``family`` the interval ``[start_s, stop_s)`` that holds ``procedure_s``, else null.

    Times are compared as whole nanoseconds, so that the rounding of a frame's time does not move it over
    a border.

    Args:
        frames: one visit's frames, column ``procedure_s`` (s, null where unknown) among others, any order.
        intervals: rows of ``tables.LABELS`` of the same visit; only used ones count.
        family: the label family.

    Returns:
        ``frames`` in its order, with the column ``family`` (the label, null where none holds).

    Raises:
        OverlapError: two used intervals of the family overlap.
    """
    used = used_intervals(intervals).filter(pl.col("family") == family).sort("start_s", "stop_s")
    starts, stops = _rounded(used["start_s"]), _rounded(used["stop_s"])
    overlapping = np.flatnonzero(stops[:-1] > starts[1:])
    if overlapping.size:
        row = used.row(int(overlapping[0]), named=True)
        raise OverlapError(
            row["patient_id"],
            f"interval {row['occurrence']} of {row['label']} overlaps the next one of the family {family}",
            "make the asset labels of this visit again",
        )
    times = _rounded(frames["procedure_s"])
    last_started = np.searchsorted(starts, times, side="right") - 1
    # where nothing has started -1 picks the appended stop, which lies before every time
    inside = times < np.append(stops, -np.inf)[last_started]
    index = pl.Series(last_started).set(pl.Series(~inside), None)
    return frames.with_columns(used["label"].gather(index).alias(family))


def border_distance(frames: pl.DataFrame, intervals: pl.DataFrame) -> pl.Series:
    """Distance in s of each frame to the nearest start or stop of any used interval of any family.

    Args:
        frames: one visit's frames with the column ``procedure_s``.
        intervals: rows of ``tables.LABELS`` of the same visit.

    Returns:
        ``border_s``, as long as ``frames``; null where ``procedure_s`` is or where no interval is used.
    """
    used = used_intervals(intervals)
    borders = np.unique(np.concatenate([_rounded(used["start_s"]), _rounded(used["stop_s"])]))
    if borders.size == 0:
        return pl.Series("border_s", [None] * frames.height, dtype=pl.Float64)
    times = _rounded(frames["procedure_s"])
    after = np.searchsorted(borders, times).clip(0, borders.size - 1)
    before = (after - 1).clip(0)
    distance = np.minimum(np.abs(borders[after] - times), np.abs(times - borders[before]))
    return pl.Series("border_s", distance).round(_BORDER_DECIMALS).fill_nan(None)


def _rounded(seconds: pl.Series) -> npt.NDArray[np.float64]:
    """Seconds rounded to nanoseconds, NaN for null."""
    return seconds.cast(pl.Float64).fill_null(float("nan")).round(_BORDER_DECIMALS).to_numpy()
