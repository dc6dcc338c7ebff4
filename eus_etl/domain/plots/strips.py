"""What a strip along a visit's procedure time shows: where frames lie, and where what holds of them."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.domain.frame_table import REASON_SEPARATOR

Edges = NDArray[np.float64]
Columns = NDArray[np.bool_]


def reasons_of(timed: pl.DataFrame) -> pl.DataFrame:
    """``procedure_s`` and one of its ``reasons``, one row per reason."""
    held = timed.select("procedure_s", "reasons").drop_nulls("reasons")
    return held.with_columns(pl.col("reasons").str.split(REASON_SEPARATOR)).explode("reasons")


def span(timed: pl.DataFrame, used: pl.DataFrame, end_s: float | None) -> tuple[float, float]:
    """From the first to the last time of a frame, a label or the procedure's end; never empty."""
    end = pl.Series([end_s], dtype=pl.Float64()).drop_nulls()
    times = pl.concat([timed["procedure_s"], used["start_s"], used["stop_s"], end])
    first_s, last_s = times.min(), times.max()
    if not (isinstance(first_s, float) and isinstance(last_s, float)):
        return 0.0, 1.0
    return first_s, max(last_s, first_s + 1.0)


def edges_over(timed: pl.DataFrame, span_s: tuple[float, float], most: int) -> Edges:
    """Borders of at most ``most`` columns; none is so narrow that it falls between two frames."""
    steps_s = np.diff(timed["procedure_s"].to_numpy())
    step_s = float(np.median(steps_s)) if len(steps_s) else 1.0
    count = (span_s[1] - span_s[0]) / max(2 * step_s, 1e-9)
    return np.linspace(*span_s, int(np.clip(count, 1, most)) + 1)


def occupied(times: pl.Series, edges: Edges) -> Columns:
    """Which columns hold any of the times."""
    return np.asarray(np.histogram(times.to_numpy(), edges)[0] > 0)


def runs(columns: Columns) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First column of each stretch that is true, and the column after its last."""
    changes = np.diff(columns.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(changes == 1), np.flatnonzero(changes == -1)
