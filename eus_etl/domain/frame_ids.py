"""Ids of videos, frames and hashes: the same for the same content, on every machine and at every frame rate.

Bare hex digits are read back from a CSV as a number wherever they happen to be one (``012345678901``,
``123456e78901``): an id begins with a letter that is no hex digit.
"""

import re

import polars as pl

PTS_DIGITS = 12
_MD5_DIGITS = 12
_BARE_VIDEO_ID = re.compile(f"[0-9a-f]{{{_MD5_DIGITS}}}")


def video_id_of(md5: str) -> str:
    """Id of the video whose file has this MD5 (hex): ``v`` and its first 12 digits."""
    return f"v{md5[:_MD5_DIGITS]}"


def is_bare_video_id(text: str) -> bool:
    """Whether a text is a video id without its ``v``, as tables once showed it."""
    return _BARE_VIDEO_ID.fullmatch(text) is not None


def is_video_id(text: str) -> bool:
    """Whether a text is spelled as ``video_id_of`` spells ids."""
    return text.startswith("v") and is_bare_video_id(text[1:])


def hash_id(digits: str) -> str:
    """How a table shows a hash, given in hex."""
    return f"h{digits}"


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
