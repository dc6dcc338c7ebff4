"""The study-wide index of frames, with statistics for loaders and pictures for people."""

import json
from collections.abc import Mapping

import polars as pl

from eus_etl.domain import tables
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.steps.contact_sheets import draw_contact_sheet
from eus_etl.steps.result import StepResult, version_of
from eus_etl.steps.study_tables import assemble, scan_frame_tables, scan_parts
from eus_etl.storage.atomic import write_atomically


def make_dataset(study: StudyConfig) -> StepResult:
    """Write ``dataset.csv`` (and its Parquet twin), ``statistics.json`` and a masked contact sheet a recipe.

    Tables stream from the visits' tables: memory does not grow with the study.
    """
    paths = StudyPaths(study.root)
    recipes = list(study.preprocess.recipes)
    index = assemble(study, tables.dataset(study.families, recipes), _index(study, recipes), twin=True)
    written = pl.scan_parquet(paths.table("dataset").with_suffix(".parquet"))
    for recipe in recipes:
        draw_contact_sheet(study, recipe, written)
    statistics = _statistics(study, recipes)
    text = json.dumps(statistics, indent=2, sort_keys=True) + "\n"
    write_atomically(paths.statistics, text.encode())
    return StepResult(
        version_of(index.version, statistics),
        {
            **index.metadata,
            "statistics": paths.relative(paths.statistics),
            "pictures": paths.relative(paths.pictures),
        },
    )


def _index(study: StudyConfig, recipes: list[str]) -> pl.LazyFrame:
    people = scan_parts(study, tables.patients(study.patients.columns)).select("patient_id", "subject_id")
    frames = scan_frame_tables(study).join(people, on="patient_id", how="left", maintain_order="left")
    made = scan_parts(study, tables.PREPROCESSED)
    for recipe in recipes:
        images = made.filter(pl.col("recipe") == recipe).select(
            "frame_id", pl.col("path").alias(f"path_{recipe}")
        )
        frames = frames.join(images, on="frame_id", how="left", maintain_order="left")
    return frames


def _statistics(study: StudyConfig, recipes: list[str]) -> Mapping[str, object]:
    frames = scan_frame_tables(study)
    counts = frames.select(
        pl.len().alias("frames"),
        pl.col("disturbed").sum().alias("disturbed"),
        pl.col("label_certain").sum().alias("label_certain"),
        pl.col("patient_id").n_unique().alias("visits_with_frames"),
    ).collect()
    return {
        "study": study.study,
        **counts.row(0, named=True),
        "frames_per_label": {family: _frames_per_label(frames, family) for family in study.families},
        "recipes": {recipe: _grey_levels(study, recipe) for recipe in recipes},
    }


def _frames_per_label(frames: pl.LazyFrame, family: str) -> Mapping[str, Mapping[str, int]]:
    """Frames of each label of a family: all, undisturbed, and undisturbed with a certain label."""
    fit = ~pl.col("disturbed")
    counts = (
        frames.filter(pl.col(family).is_not_null())
        .group_by(family)
        .agg(
            pl.len().alias("all"),
            fit.sum().alias("ok"),
            (fit & pl.col("label_certain")).sum().alias("ok_and_certain"),
        )
        .sort(family)
        .collect()
    )
    return {row.pop(family): row for row in counts.to_dicts()}


def _grey_levels(study: StudyConfig, recipe: str) -> Mapping[str, float | int | None]:
    """Mean and standard deviation inside the mask over the recipe's undisturbed frames, in 0 to 255.

    Each frame counts alike, whatever the size of its region: the total variance is the mean of the
    frames' variances plus the variance of their means.
    """
    fit = scan_frame_tables(study).filter(~pl.col("disturbed")).select("frame_id")
    mean, std = pl.col("mean"), pl.col("std")
    row = (
        scan_parts(study, tables.PREPROCESSED)
        .filter(pl.col("recipe") == recipe)
        .join(fit, on="frame_id", how="semi")
        .select(
            pl.len().alias("frames"),
            mean.mean().alias("mean"),
            ((std.pow(2) + mean.pow(2)).mean() - mean.mean().pow(2)).sqrt().alias("std"),
        )
        .collect()
        .row(0, named=True)
    )
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}
