"""``CHANGES.md``: what differs between a release and its parent."""

from collections.abc import Mapping, Sequence

import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.release.pseudonyms import Pseudonyms
from eus_etl.domain.release.splits import Merged
from eus_etl.errors import ConfigError, OutputLostError
from eus_etl.steps.release.content import Content
from eus_etl.steps.release.records import Record, kept_frames

_LISTED = 50


def changes(
    paths: StudyPaths,
    content: Content,
    selection: Mapping[str, object],
    parent: Record | None,
    pseudonyms: Pseudonyms,
) -> str:
    """The text; visits are named by the pseudonyms of this release, also those of the parent.

    Args:
        paths: the study's paths.
        content: the release.
        selection: its selection.
        parent: the release to compare with; None for the first.
        pseudonyms: of this release.

    Raises:
        ConfigError: the parent is not below the root.
    """
    merged = [found for found in content.assignment.merged if found.since_now]
    lines = ["# Changes", ""]
    if parent is None:
        return (
            "\n".join([*lines, "This release follows no other.", "", *_merged(merged, pseudonyms)]).rstrip()
            + "\n"
        )
    lines += [f"Compared with `{parent.release}`.", ""]
    before, now = _before(paths, parent), _now(content)
    lines += _selections(parent.selection, selection)
    lines += _visits(before, now, pseudonyms)
    lines += _frames(before, now, [name for name in content.families if name in before.columns])
    lines += _splits(before, now, pseudonyms)
    return "\n".join([*lines, *_merged(merged, pseudonyms)]).rstrip() + "\n"


def _before(paths: StudyPaths, parent: Record) -> pl.DataFrame:
    """The parent's frames by their ids in the study: of the same key or of another."""
    table = paths.releases / parent.release / "frames.parquet"
    kept = kept_frames(paths, parent.release)
    if not (table.is_file() and kept.is_file()):
        raise ConfigError(
            "releases", f"the parent {parent.release} is gone", "restore its folder, or set `parent: none`"
        )
    try:
        ids = pl.scan_parquet(kept).select(
            pl.col("frame_id").hash(), _frame("source_frame_id"), pl.col("patient_id").cast(pl.Categorical)
        )
        found = pl.scan_parquet(table)
        others = ("frame_id", "path", "subject", "visit", "video", "reasons", "sha256")
        texts = found.select(pl.selectors.string()).collect_schema().names()
        labels = [name for name in texts if name not in others]
        compared = found.select(
            pl.col("frame_id").hash(),
            pl.col(*labels).cast(pl.Categorical),
            "label_certain",
            pl.col("sha256").hash(),
        )
        rows = compared.join(ids, on="frame_id").drop("frame_id").collect(engine="streaming")
    except pl.exceptions.PolarsError:
        raise OutputLostError(parent.release, "its tables cannot be read", "restore its folder") from None
    return rows


def _frame(column: str | pl.Expr) -> pl.Expr:
    """64 bits that stand for a frame's id, as texts of millions do not fit into memory."""
    return (pl.col(column) if isinstance(column, str) else column).hash().alias("frame")


def _now(content: Content) -> pl.DataFrame:
    patient, video = pl.col("patient_id").cast(pl.String), pl.col("video_id").cast(pl.String)
    rows = content.frames.lazy().select(
        _frame(pl.format("{}/{}/{}", patient, video, "stem")),
        pl.col("patient_id", "split", "status", *content.families).cast(pl.String).cast(pl.Categorical),
        "label_certain",
        pl.col("sha256").bin.encode("hex").hash(),
    )
    return rows.collect(engine="streaming")


def _selections(before: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    # ids of visits are not for readers, and a title says nothing
    hidden = {"exclude_visits", "key_variable", "parent", "title", "licence", "intended_use"}
    keys = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if not keys:
        return ["## Selection", "", "It is the same.", ""]
    said = [
        f"- `{key}`" + ("" if key in hidden else f": {before.get(key)} before, {now.get(key)} now")
        for key in keys
    ]
    return ["## Selection", "", *said, ""]


def _visits(before: pl.DataFrame, now: pl.DataFrame, pseudonyms: Pseudonyms) -> list[str]:
    were, are = (set(rows["patient_id"].unique().cast(pl.String)) for rows in (before, now))
    lines = ["## Visits", "", f"{len(are)}, {len(were)} before.", ""]
    for what, ids in (("added", are - were), ("removed", were - are)):
        lines += _list(what, [pseudonyms.visit(patient_id) for patient_id in ids])
    return [*lines, ""]


def _frames(before: pl.DataFrame, now: pl.DataFrame, families: Sequence[str]) -> list[str]:
    compared = ["label_certain", "status", "sha256", *families]
    # unequal heights: counted by joins, not by sets of a million ids
    both = now.join(before.drop("patient_id", "split"), on="frame", suffix="_before")
    differ = both.select(
        pl.col(name).ne_missing(pl.col(f"{name}_before")).sum().alias(name) for name in compared
    ).row(0, named=True)
    lines = [
        "## Frames",
        "",
        f"{now.height}, {before.height} before: {now.height - both.height} added, "
        f"{before.height - both.height} removed, {differ['sha256']} with another picture, "
        f"{differ['status']} with another status.",
        "",
        "## Labels",
        "",
        f"Of {both.height} frames in both, {differ['label_certain']} with another `label_certain`.",
        "",
    ]
    for family in families:
        label, was = pl.col(family), pl.col(f"{family}_before")
        moved = both.filter(label.ne_missing(was)).group_by(was.alias("was"), label.alias("is")).len()
        moved = moved.with_columns(pl.col("was", "is").cast(pl.String).fill_null("none"))
        rows = moved.sort("was", "is").iter_rows()
        lines += [f"- {family}: {was} to {now_is}: {count}" for was, now_is, count in rows]
    return [*lines, ""]


def _splits(before: pl.DataFrame, now: pl.DataFrame, pseudonyms: Pseudonyms) -> list[str]:
    were = dict(before.select("patient_id", "split").unique().cast(pl.String).iter_rows())
    are = dict(now.select("patient_id", "split").unique().cast(pl.String).iter_rows())
    lines = ["## Splits", ""]
    for split in ("train", "validation", "test"):
        counts = [list(of.values()).count(split) for of in (are, were)]
        lines.append(f"- {split}: {counts[0]} visits, {counts[1]} before")
    moved = [
        f"{pseudonyms.visit(p)} from {were[p]} to {are[p]}"
        for p in were.keys() & are.keys()
        if were[p] != are[p]
    ]
    return [*lines, *_list("moved", moved), ""]


def _merged(merged: Sequence[Merged], pseudonyms: Pseudonyms) -> list[str]:
    if not merged:
        return []
    lines = ["## Persons found in several splits", ""]
    for found in merged:
        visits = ", ".join(sorted(pseudonyms.visit(p) for p in found.patient_ids))
        were = " and ".join(found.were_in)
        lines.append(
            f"- visits {visits} turned out to be one person's; they were in {were}. All are in train now."
        )
    return [*lines, ""]


def _list(what: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    shown = ", ".join(f"`{item}`" for item in sorted(items)[:_LISTED])
    more = f", and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return [f"- {what}: {len(items)} ({shown}{more})"]
