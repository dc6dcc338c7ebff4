"""Frame quality: scores of each frame inside its region, and the reasons that follow from them.

All comes from the grid of cells that the extraction stored; no image is opened here. What a cell holds is
defined in ``grid``; which region it is summed over comes from ``region``. docs/quality.md tells users what
each reason means and which are not looked for yet.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.domain.grid import CellGrid
from eus_etl.domain.region import Polygon, mask
from eus_etl.settings import QualityConfig

Series = NDArray[np.float64]
Flags = NDArray[np.bool_]

REASONS = (
    "no_signal",
    "frozen",
    "duplicate",
    "blurred",
    "color_mode",
    "optical_view",
    "split_layout",
    "report_screen",
    "low_contact",
    "decode_error",
)
"""The vocabulary, in the order in which reasons are joined. ``split_layout``, ``report_screen`` and
``low_contact`` are not looked for yet."""

SCORES = ("brightness", "contrast", "sharpness", "sharpness_z", "motion", "color_fraction", "static_s")

_MIN_LOG_SPREAD = 0.15
"""Spread of log sharpness is taken as no smaller: in a very steady recording a drop by a few percent is many
deviations, but no blur. At a z of -3 it makes blur begin where a third of the sharpness is lost."""

_MIN_OUTSIDE = 0.05
"""With less of the picture outside of the region, the colours there say nothing."""


_CUT = 0.01
_MIN_UNCUT = 0.3
"""A region so small or thin that less of it lies in uncut cells is summed over the cut ones too."""


def assess_frames(
    grid: CellGrid, polygon: Polygon, video_s: Series, decode_error: Flags, config: QualityConfig
) -> pl.DataFrame:
    """Scores and reasons of the frames of one segment, a row a frame in the grid's order.

    A frame without an ultrasound picture (``no_signal``, ``optical_view``) gets no reason that speaks of
    one: not frozen, duplicate, blurred or in colour mode. ``decode_error`` goes with any other.

    Args:
        grid: the segment's cells.
        polygon: the region, (n, 2) in picture pixels; without corners the whole picture is scored.
        video_s: presentation time of each frame.
        decode_error: whether the decoder marked the frame as damaged.
        config: thresholds.

    Returns:
        Columns ``SCORES`` in the units of ``tables.FRAMES``, ``outside_color_fraction`` (share of coloured
        pixels outside of the region; null where next to nothing is outside) and ``reasons``
        (``|``-joined, null for none). Null where a score has no value.
    """
    inside, outside = _weights(grid, polygon)
    scores = grid.score(inside)
    outside_color = grid.score(outside).color_fraction
    static_s = still_lengths(scores.motion, video_s, config.frozen_motion)

    no_signal = (scores.brightness < config.no_signal_brightness) | (
        scores.contrast < config.no_signal_contrast
    )
    optical_view = ~no_signal & (outside_color > config.optical_outside_fraction)
    ultrasound = ~no_signal & ~optical_view
    sharpness_z = robust_log_z(scores.sharpness, ultrasound)
    flags = {
        "no_signal": no_signal,
        "frozen": ultrasound & (static_s >= config.frozen_min_s),
        "duplicate": ultrasound & (scores.motion <= config.duplicate_motion),
        "blurred": ultrasound & (sharpness_z < config.blurred_sharpness_z),
        "color_mode": ultrasound & (scores.color_fraction > config.color_fraction),
        "optical_view": optical_view,
        "decode_error": decode_error,
    }
    columns = {
        "brightness": scores.brightness,
        "contrast": scores.contrast,
        "sharpness": scores.sharpness,
        "sharpness_z": sharpness_z,
        "motion": scores.motion,
        "color_fraction": scores.color_fraction,
        "static_s": static_s,
        "outside_color_fraction": outside_color,
    }
    return pl.DataFrame(columns, nan_to_null=True).with_columns(_joined(flags))


def still_lengths(motion: Series, video_s: Series, still_below: float) -> Series:
    """Length in seconds of the still stretch that holds each frame; 0 for a frame in none.

    A stretch is a picture and all that follow it with less change each than ``still_below``: it begins
    with the picture that froze and is measured to the last frame that shows it.

    Args:
        motion: change of each frame to the one before; NaN (no frame before) is a change.
        video_s: presentation times, ascending.
        still_below: change below which a frame stands still.
    """
    if not len(motion):
        return np.empty(0)
    starts = np.flatnonzero(~(motion < still_below) | (np.arange(len(motion)) == 0))
    frames = np.diff(starts, append=len(motion))
    lengths = video_s[starts + frames - 1] - video_s[starts]
    return np.repeat(lengths, frames)


def robust_log_z(values: Series, ordinary: Flags) -> Series:
    """How many deviations the logarithm of each value lies from the median of the ordinary ones.

    The deviation is 1.4826 times the median absolute deviation (that of a normal distribution), and at
    least 0.15, see ``_MIN_LOG_SPREAD``. NaN where nothing is ordinary.
    """
    if not ordinary.any():
        return np.full(len(values), np.nan)
    logs = np.log(np.maximum(values, 1e-6))
    median = np.median(logs[ordinary])
    spread = 1.4826 * np.median(np.abs(logs[ordinary] - median))
    return np.asarray((logs - median) / max(spread, _MIN_LOG_SPREAD), np.float64)


def _weights(grid: CellGrid, polygon: Polygon) -> tuple[Series, Series]:
    """Weights of the cells inside and outside of the region; 0 for cells that its outline cuts.

    A cut cell mixes in what stands beside the region: a clock there would hide a freeze.
    """
    geometry = grid.geometry
    whole = np.ones((geometry.rows, geometry.cols))
    if not len(polygon):
        return whole, whole
    covered = geometry.cell_weights(mask(polygon, geometry.width_px, geometry.height_px))
    inside = (covered > 1 - _CUT).astype(np.float64)
    if _pixels(grid, inside) < _MIN_UNCUT * _pixels(grid, covered):
        inside = covered
    outside = (covered < _CUT).astype(np.float64)
    if _pixels(grid, outside) < _MIN_OUTSIDE * _pixels(grid, whole):
        outside = np.zeros_like(whole)
    return inside, outside


def _pixels(grid: CellGrid, weights: Series) -> float:
    return float((weights * grid.geometry.counts).sum())


def _joined(flags: Mapping[str, Flags]) -> pl.Series:
    """The names of the flags that hold, ``|``-joined in the order of ``REASONS``; null for none."""
    names = [pl.when(reason).then(pl.lit(reason)) for reason in REASONS if reason in flags]
    joined = pl.concat_str(names, separator="|", ignore_nulls=True)
    return pl.DataFrame(flags).select(joined.replace("", None).alias("reasons")).to_series()
