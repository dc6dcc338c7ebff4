"""Frame quality: scores of each frame inside its region, and the reasons that follow from them.

Everything comes from the cell grid that the extraction stored; no image is opened. ``cells.statistics``
defines what a cell holds, ``contact_loss`` finds shadows along beams, ``screen.layouts`` distinguishes
screens. docs/quality.md explains each reason to users.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.domain.cells.statistics import CellGrid
from eus_etl.domain.quality.contact_loss import shadow_fractions
from eus_etl.domain.screen.appearance import Screen
from eus_etl.domain.screen.region import Polygon, mask
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
    "overlay",
    "low_contact",
    "decode_error",
)
"""The vocabulary, in the order in which reasons are joined."""

SCORES = (
    "brightness",
    "contrast",
    "sharpness",
    "sharpness_z",
    "motion",
    "motion_share",
    "color_fraction",
    "outside_color_fraction",
    "static_s",
    "shadow_fraction",
)

_MIN_LOG_SPREAD = 0.15
"""Spread of log sharpness is taken as no smaller: in a very steady recording a drop by a few percent is many
deviations, but no blur. At a z of -3 it makes blur begin where a third of the sharpness is lost."""

_REFRESH_SHARE = 0.15
"""A frozen picture changes by up to this share of what a moving one does when its encoder starts again."""

_MIN_OUTSIDE = 0.05
"""With less of the picture outside of the region, the colours there say nothing."""


_USUAL_WITHIN_S = 1.0
_USUAL_QUANTILE = 0.9
"""What changes usually is taken from the frames within a second, as that which one of ten exceeds: where a
rate was converted, most frames may be repeats."""

_CUT = 0.01
_MIN_UNCUT = 0.3
"""A region so small or thin that less of it lies in uncut cells is summed over the cut ones too."""


def assess_frames(
    grid: CellGrid,
    polygon: Polygon,
    video_s: Series,
    decode_error: Flags,
    config: QualityConfig,
    screen: Screen = "ultrasound",
    covered: Flags | None = None,
) -> pl.DataFrame:
    """Scores and reasons of the frames of one layout, one row per frame in the grid's order.

    A frame without an ultrasound picture (``no_signal``, ``optical_view``, ``report_screen``), or with
    something else on it (``overlay``), gets no reason that needs one: not frozen, duplicate, blurred, color
    mode or low contact. ``decode_error`` goes with any other.

    Args:
        grid: the layout's cells.
        polygon: the region, (n, 2) in picture pixels; without corners the whole picture is scored.
        video_s: presentation time of each frame.
        decode_error: whether the decoder marked the frame as damaged.
        config: thresholds.
        screen: what the layout shows: ``split_layout`` holds for every frame of ``split``, ``report_screen``
            and nothing but ``decode_error`` beside it for every frame of ``report``.
        covered: in which frames something else is in the region; None for none.

    Returns:
        Columns ``SCORES`` in the units of ``tables.catalog.FRAME_TABLE``, null where a score has no value.
        Also ``reasons``, ``|``-joined, null for none.
    """
    inside, outside = _weights(grid, polygon)
    scores = grid.score(inside)
    outside_color = grid.color_fraction(outside)

    report = np.full(grid.frames, screen == "report")
    dark = (scores.brightness < config.no_signal_brightness) | (scores.contrast < config.no_signal_contrast)
    no_signal = dark & ~report
    optical_view = ~dark & ~report & (outside_color > config.optical_outside_fraction)
    overlay = np.zeros(grid.frames, np.bool_) if covered is None else covered & ~report
    ultrasound = ~no_signal & ~optical_view & ~report & ~overlay
    # a shadow lowers sharpness and brightness by the same share, so their ratio stays
    sharpness_z = robust_log_z(scores.sharpness / np.maximum(scores.brightness, 1), ultrasound)
    static_s = frozen_lengths(scores.motion, video_s, ultrasound, config.frozen_motion)
    motion_share = shares_of_usual(scores.motion, video_s, ultrasound)
    shadow_fraction = shadow_fractions(grid, polygon, ultrasound)
    repeated = (scores.motion <= config.duplicate_motion) | (motion_share <= config.duplicate_motion_share)
    flags = {
        "no_signal": no_signal,
        "frozen": ultrasound & (static_s >= config.frozen_min_s),
        "duplicate": ultrasound & repeated,
        "blurred": ultrasound & (sharpness_z < config.blurred_sharpness_z),
        "color_mode": ultrasound & (scores.color_fraction > config.color_fraction),
        "optical_view": optical_view,
        "split_layout": np.full(grid.frames, screen == "split"),
        "report_screen": report,
        "overlay": overlay,
        "low_contact": ultrasound & (shadow_fraction > config.low_contact_fraction),
        "decode_error": decode_error,
    }
    columns = {
        "brightness": scores.brightness,
        "contrast": scores.contrast,
        "sharpness": scores.sharpness,
        "sharpness_z": sharpness_z,
        "motion": scores.motion,
        "motion_share": motion_share,
        "color_fraction": scores.color_fraction,
        "outside_color_fraction": outside_color,
        "static_s": static_s,
        "shadow_fraction": shadow_fraction,
    }
    return pl.DataFrame(columns, nan_to_null=True).with_columns(_joined(flags))


def still_lengths(motion: Series, video_s: Series, still_below: float) -> Series:
    """Length in seconds of the still stretch that holds each frame; 0 for a frame in none.

    A stretch is a picture and all that follow it with less change each than ``still_below``: it begins
    with the picture that froze and is measured to the last frame that shows it.

    Args:
        motion: change of each frame to the one before; NaN (no frame before) is a change.
        video_s: presentation times, ascending.
        still_below: change below which a frame is still.
    """
    if not len(motion):
        return np.empty(0)
    starts = np.flatnonzero(~(motion < still_below) | (np.arange(len(motion)) == 0))
    frames = np.diff(starts, append=len(motion))
    lengths = video_s[starts + frames - 1] - video_s[starts]
    return np.repeat(lengths, frames)


def frozen_lengths(motion: Series, video_s: Series, ordinary: Flags, still_below: float) -> Series:
    """As ``still_lengths``, but a stretch goes on where an encoder refreshes a frozen picture.

    With a group of pictures of MPEG-2 begins a coarser copy of the frozen picture, which is refined over
    some frames: a change below 0.15 of the usual one does not end a stretch in which most frames are
    still. The picture of a probe at rest is never still, so it is in no stretch.

    Args:
        motion: as of ``still_lengths``.
        video_s: as of ``still_lengths``.
        ordinary: frames that show ultrasound; what changes usually is the median of those that move.
        still_below: change below which a frame is still.
    """
    strict = still_lengths(motion, video_s, still_below)
    moving = motion[ordinary & (motion >= still_below)]
    if not len(moving):
        return strict
    refreshed_below = max(still_below, _REFRESH_SHARE * float(np.median(moving)))
    stretch = np.cumsum(~(motion < refreshed_below))
    still = np.bincount(stretch, weights=motion < still_below)
    # the first frame of a stretch is the one that froze: its own change is that into the freeze
    mostly_still = still > 0.5 * (np.bincount(stretch) - 1)
    lengths = still_lengths(motion, video_s, refreshed_below)
    return np.maximum(strict, np.where(mostly_still[stretch], lengths, 0.0))


def shares_of_usual(motion: Series, video_s: Series, ordinary: Flags) -> Series:
    """Change of each frame over what changes usually within a second of it.

    A repeated frame changes by what its encoder adds, which goes with what moved before: from nothing to half
    a grey level on real recordings. A probe at rest changes as little, but from each frame to the next. Only
    the share tells them apart.

    Args:
        motion: change of each frame to the one before; NaN for none.
        video_s: presentation times; one that goes back counts as the latest before it.
        ordinary: frames whose change is asked for: into or out of others all changes.

    Returns:
        NaN where a frame or the one before it is not ordinary, or nothing around it moves.
    """
    between = ordinary & np.concatenate([[False], ordinary[:-1]])
    times_us = np.rint(1e6 * np.maximum.accumulate(video_s)).astype(np.int64)
    changes = pl.DataFrame({"at": times_us, "motion": np.where(between, motion, np.nan)}, nan_to_null=True)
    window_us = round(1e6 * _USUAL_WITHIN_S)
    usual = changes.rolling("at", period=f"{2 * window_us}i", offset=f"{-window_us}i", closed="both").agg(
        pl.col("motion").quantile(_USUAL_QUANTILE, "lower")
    )["motion"]
    share = changes["motion"] / pl.select(pl.when(usual > 0).then(usual)).to_series()
    return share.cast(pl.Float64).fill_null(np.nan).to_numpy()


def robust_log_z(values: Series, ordinary: Flags) -> Series:
    """How many deviations the logarithm of each value lies from the median of the ordinary ones.

    The deviation is 1.4826 times the median absolute deviation (that of a normal distribution), and at
    least ``_MIN_LOG_SPREAD``. NaN where nothing is ordinary.
    """
    if not ordinary.any():
        return np.full(len(values), np.nan)
    logs = np.log(np.maximum(values, 1e-6))
    median = np.median(logs[ordinary])
    spread = 1.4826 * np.median(np.abs(logs[ordinary] - median))
    return np.asarray((logs - median) / max(spread, _MIN_LOG_SPREAD), np.float64)


def _weights(grid: CellGrid, polygon: Polygon) -> tuple[Series, Series]:
    """Weights of the cells inside and outside of the region; 0 for cells that its outline cuts.

    A cut cell mixes in what is beside the region: a clock there would hide a freeze.
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
