"""Names of frames: the same for the same picture, on every machine and at every frame rate."""

import polars as pl

PTS_DIGITS = 12


def frame_stem(pts: int, repeat: int) -> str:
    """Last part of a frame's id, and its image's name without suffix.

    The pts in the stream's own time base with 12 digits; ``m`` in front where it is negative; ``-1``,
    ``-2``, ... behind where earlier frames of the video have the same pts.

    Args:
        pts: presentation time stamp.
        repeat: how many earlier frames of the video, kept or not, have the same pts.
    """
    sign = "m" if pts < 0 else ""
    behind = f"-{repeat}" if repeat else ""
    return f"{sign}{abs(pts):0{PTS_DIGITS}}{behind}"


def frame_stems(pts: pl.Expr, repeat: pl.Expr) -> pl.Expr:
    """``frame_stem`` of whole columns."""
    sign = pl.when(pts < 0).then(pl.lit("m")).otherwise(pl.lit(""))
    digits = pts.abs().cast(pl.String).str.zfill(PTS_DIGITS)
    behind = pl.when(repeat > 0).then(pl.lit("-") + repeat.cast(pl.String)).otherwise(pl.lit(""))
    return sign + digits + behind
