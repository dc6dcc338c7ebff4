"""``statistics.json`` of a release: the selection, counts, and grey levels of the training frames."""

import math
from collections.abc import Mapping

import polars as pl

from eus_etl.domain.release.splits import SPLIT_NAMES, TRAIN
from eus_etl.settings import ReleaseConfig, StudyConfig
from eus_etl.steps.release.content import Content
from eus_etl.steps.release.source import recipe_of

Statistics = Mapping[str, object]


def statistics_of(
    study: StudyConfig, rule: ReleaseConfig, name: str, content: Content, rejected: Mapping[str, object]
) -> dict[str, object]:
    """All but the ids of the release and of its parent.

    Args:
        study: the configuration.
        rule: the selection.
        name: its name.
        content: what it selects.
        rejected: what the study's ``rejected.csv`` holds, by stage and reason.
    """
    frames, recipe = content.frames, recipe_of(study, rule)
    made = study.preprocess.recipes[recipe]
    mean, std = grey_levels(frames.filter(pl.col("split") == TRAIN))
    return {
        "study": study.study,
        "title": rule.title,
        "name": name,
        "recipe": recipe,
        "size_px": made.size_px,
        "grey": made.grey,
        "frame_rate_hz": study.extraction.frame_rate_hz,
        "min_gap_s": rule.min_gap_s,
        "status": list(rule.status),
        "families": {family: [label.name for label in study.families[family]] for family in content.families},
        "unreviewed_visits": content.unreviewed,
        **_counts(frames),
        "splits": {
            split: _of_split(content, frames.filter(pl.col("split") == split)) for split in SPLIT_NAMES
        },
        "mean": mean,
        "std": std,
        "frames_by_visit": _frames_by(frames, "visit"),
        "frames_by_subject": _frames_by(frames, "subject"),
        "left_out": content.left_out,
        "cells_dropped": content.cells_dropped,
        "rejected": rejected,
    }


def grey_levels(frames: pl.DataFrame) -> tuple[float | None, float | None]:
    """Mean and deviation inside the mask, each frame with the same weight; None without frames.

    Sums are exact, so that they do not depend on the machine.

    Args:
        frames: ``mean`` and ``std`` of each frame, in grey levels.
    """
    if frames.is_empty():
        return None, None
    means, deviations = frames["mean"].to_list(), frames["std"].to_list()
    mean = math.fsum(means) / frames.height
    square = math.fsum(m * m + d * d for m, d in zip(means, deviations, strict=True)) / frames.height
    return round(mean, 4), round(math.sqrt(max(square - mean**2, 0.0)), 4)


def _counts(frames: pl.DataFrame) -> dict[str, int]:
    return {
        "frames": frames.height,
        "visits": frames["visit"].n_unique(),
        "subjects": frames["subject"].n_unique(),
    }


def _of_split(content: Content, frames: pl.DataFrame) -> Mapping[str, object]:
    labels: dict[str, Mapping[str, object]] = {}
    for family in content.families:
        counted = (
            frames.filter(pl.col(family).is_not_null())
            .group_by(family)
            .agg(
                pl.len().alias("frames"),
                pl.col("visit").n_unique().alias("visits"),
                pl.col("subject").n_unique().alias("subjects"),
            )
            .sort(family)
        )
        labels[family] = {str(row.pop(family)): row for row in counted.to_dicts()}
    return {**_counts(frames), "labels": labels}


def _frames_by(frames: pl.DataFrame, column: str) -> dict[str, int]:
    counted = frames.group_by(column).len().sort(column)
    return {str(group): count for group, count in counted.iter_rows()}
