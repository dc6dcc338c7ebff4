"""Hand-written corrections of time: which rows of ``sync.csv`` can be used, what follows if not.

What a usable row does to times belongs to ``timeline``.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import polars as pl

from eus_etl.domain.numbers import finite_number
from eus_etl.domain.tables.rejection import Rejection

Cells = Mapping[str, str | None]

MAX_OFFSET_S = 7 * 86_400.0
"""No procedure starts further than a week from its recording: somebody wrote a date or milliseconds."""
MIN_SCALE, MAX_SCALE = 0.1, 10.0
"""No recorder's clock is further off: somebody wrote a per cent or a rate."""

_CORRECT = "correct the row in sync.csv"


def sync_row(number: int, cells: Cells) -> dict[str, object] | Rejection:
    """A row of ``tables.SYNC``, or why it cannot be used.

    Args:
        number: row of the file, the header being 1.
        cells: its columns; None for an empty cell.
    """

    def rejected(reason: str, detail: str) -> Rejection:
        return Rejection(item=f"row {number}", reason=reason, detail=detail, remedy=_CORRECT)

    numbers: dict[str, float | None] = {}
    for column in ("offset_s", "scale"):
        text = cells.get(column)
        try:
            numbers[column] = None if text is None else finite_number(text)
        except ValueError as error:
            return rejected("not_a_number", f"{column}: {error}")
    offset_s, scale = numbers["offset_s"], numbers["scale"]
    if offset_s is None:
        return rejected("no_offset", "offset_s is empty")
    if abs(offset_s) > MAX_OFFSET_S:
        return rejected("out_of_range", f"offset_s is further from 0 than {MAX_OFFSET_S:g} s, a week")
    if scale is not None and not MIN_SCALE <= scale <= MAX_SCALE:
        return rejected("out_of_range", f"scale is outside {MIN_SCALE:g} to {MAX_SCALE:g}")
    return {**cells, **numbers}


def without_conflicts(
    rows: Mapping[int, Mapping[str, object]],
) -> tuple[list[Mapping[str, object]], dict[int, Rejection]]:
    """Of one visit's usable rows those that say one thing of a video, or of all of the visit.

    Rows that say the same twice count once. Of rows that contradict one another none is used: nothing says
    which is right.

    Args:
        rows: numbers to rows of ``tables.SYNC``.

    Returns:
        The rows to use, and numbers to why the others are not.
    """
    of_target: dict[object, list[int]] = defaultdict(list)
    for number, row in rows.items():
        of_target[row["video_id"]].append(number)
    used, rejected = [], {}
    for target, numbers in of_target.items():
        if len({(rows[number]["offset_s"], rows[number]["scale"] or 1.0) for number in numbers}) == 1:
            used.append(rows[numbers[0]])
            continue
        what = "all of the visit" if target is None else "one video"
        for number in numbers:
            rejected[number] = Rejection(
                item=f"row {number}",
                reason="conflict",
                detail=f"{len(numbers)} rows say different things of {what}; none of them is used",
                remedy="leave one row of them in sync.csv",
            )
    return used, rejected


def of_known_videos(sync: pl.DataFrame, video_ids: Collection[str]) -> tuple[pl.DataFrame, list[Rejection]]:
    """The rows for a visit and the videos that it has, and what is recorded of the others.

    Args:
        sync: ``tables.SYNC`` of the visit.
        video_ids: the visit's videos.
    """
    known = pl.col("video_id").is_null() | pl.col("video_id").is_in(list(video_ids))
    count = sync.filter(~known).height
    if not count:
        return sync, []
    rejection = Rejection(
        item="sync.csv",
        reason="unknown_video",
        detail=f"{count} of the visit's rows name a video that it does not have, or has no more: "
        "labels count as uncertain where no other row holds",
        remedy="if the video was uploaded again, measure its offset and write the new video_id of videos.csv",
    )
    return sync.filter(known), [rejection]


def doubted_videos(
    sync: pl.DataFrame, video_ids: Sequence[str], refused: Collection[str | None]
) -> frozenset[str]:
    """Videos whose correction is not known, because a row that may have meant them cannot be used.

    Args:
        sync: the usable rows of the visit.
        video_ids: the visit's videos.
        refused: what the rows that cannot be used are written for: a video, or None for all of the visit.
    """
    own = set(sync["video_id"].drop_nulls())
    named = {video for video in refused if video in set(video_ids)}
    # a row for a video that is there no more was meant for one that is there now under another id
    if any(video not in named for video in refused):
        named |= set(video_ids)
    return frozenset(named - own)
