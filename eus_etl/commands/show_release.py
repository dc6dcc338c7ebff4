"""What a release would hold, for a person at a terminal."""

from collections.abc import Iterator

import polars as pl

from eus_etl.domain.release.card import MEANINGS
from eus_etl.steps.release.draft import Draft

_VISITS = 50


def tables_of(draft: Draft) -> Iterator[tuple[str, pl.DataFrame]]:
    """Titles and tables: by split, by label, by visit, and what is left out."""
    content = draft.content
    frames = content.frames
    counts = (
        pl.len().alias("frames"),
        pl.col("visit").n_unique().alias("visits"),
        pl.col("subject").n_unique().alias("persons"),
    )
    yield "by split", frames.group_by("split").agg(*counts).sort("split")
    labels = [
        frames.filter(pl.col(family).is_not_null())
        .group_by(pl.col(family).cast(pl.String).alias("label"), "split")
        .agg(*counts)
        .select(pl.lit(family).alias("family"), "label", "split", "frames", "visits", "persons")
        for family in content.families
    ]
    yield "by label", pl.concat(labels).sort("family", "label", "split")
    visits = (
        frames.group_by("patient_id", "visit", "subject", "split")
        .agg(pl.len().alias("frames"))
        .with_columns(pl.col("patient_id").cast(pl.String))
        .sort("patient_id")
    )
    shown = f", the first {_VISITS} of {visits.height}" if visits.height > _VISITS else ""
    yield f"by visit and person{shown}", visits.head(_VISITS)
    out = [
        {"reason": why, "frames": n["frames"], "visits": n["visits"], "meaning": MEANINGS[why]}
        for why, n in content.left_out.items()
    ]
    if out:
        yield "left out", pl.DataFrame(out)


def lines_of(draft: Draft) -> list[str]:
    """What else there is to say."""
    record, content = draft.record, draft.content
    state = "exists already" if draft.found else "would be made"
    lines = [f"release {record.release} {state}; it follows {record.parent or 'no other'}"]
    if content.unreviewed:
        lines.append(f"in {content.unreviewed} of its visits nobody signed off all regions")
    if "unreviewed" in content.left_out or "blocked" in content.left_out:
        lines.append(
            "to take visits that are left out: `eus-etl regions` draws sheets and prints the lines that sign "
            "them off in regions.csv; then `eus-etl run`"
        )
    lines += [
        f"{count} values of {name} do not fit and are empty" for name, count in content.cells_dropped.items()
    ]
    return lines
