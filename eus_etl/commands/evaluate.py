"""How an evaluation looks on a terminal."""

import polars as pl

from eus_etl.dataset.evaluate import Evaluation

_NAMED = 10


def shown(found: Evaluation) -> pl.DataFrame:
    """The figures as a table for people."""
    interval = pl.format("{} to {}", _rounded("low"), _rounded("high"))
    return found.figures.select(
        "target",
        pl.col("label").fill_null("all"),
        "unit",
        pl.col("metric").str.replace_all("_", " "),
        _rounded("value"),
        interval.alias("interval"),
        "rows",
        "persons",
    )


def caveats(found: Evaluation) -> list[str]:
    """What the figures are without, and what they cannot tell."""
    lines = []
    if found.missing:
        kind = "frames" if "/" in found.missing[0] else "visits"
        lines.append(
            f"{len(found.missing)} of {found.expected} {kind} have no prediction; the figures leave them out"
        )
    if found.missing_persons:
        named = ", ".join(found.missing_persons[:_NAMED])
        more = ", ..." if len(found.missing_persons) > _NAMED else ""
        lines.append(f"persons without any prediction: {len(found.missing_persons)} ({named}{more})")
    for count, why in (
        (found.uncertain, "of frames whose label is not certain"),
        (found.unlabelled, "without a known truth"),
        (found.other_split, "of another split"),
    ):
        if count:
            lines.append(f"{count} predictions {why} are not counted")
    if found.figures["low"].null_count():
        lines.append("an empty interval: too few persons, or a figure that is not defined")
    return lines


def _rounded(name: str) -> pl.Expr:
    return pl.col(name).round(3).cast(pl.String())
