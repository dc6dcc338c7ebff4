"""The index of all the study's frames, with statistics for loaders and pictures for people."""

import json
import math
from collections.abc import Mapping
from functools import partial

import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables import catalog
from eus_etl.settings import StudyConfig
from eus_etl.steps.previews.contact_sheets import draw_contact_sheet
from eus_etl.steps.previews.visit import draw
from eus_etl.steps.release_blocks import blocked_patients, unchecked_patients
from eus_etl.steps.result import StepResult, version_of
from eus_etl.steps.study_tables import (
    Visits,
    assemble,
    batches_of,
    gather_frame_tables,
    gather_parts,
    joined_by_batch,
    scan_parts,
)
from eus_etl.storage.files.atomic import write_atomically

_DISTURBED = pl.col("status") == "disturbed"
_GREY_SUMS = {"recipe": pl.String(), "frames": pl.Int64(), "levels": pl.Float64(), "squares": pl.Float64()}


def make_dataset(study: StudyConfig) -> StepResult:
    """Write ``dataset.csv`` (and its Parquet twin), ``statistics.json`` and a masked sheet per recipe.

    Tables stream from the visits' tables: memory does not grow with the study.
    """
    paths = StudyPaths(study.root)
    recipes = list(study.preprocess.recipes)
    levels = _GreyLevels()
    rows = _index(study, recipes, levels)
    index = assemble(study, catalog.dataset(study.families, recipes), rows, twin=True)
    written = pl.scan_parquet(paths.table("dataset").with_suffix(".parquet"))
    sheets = [
        draw(
            f"contact sheet {recipe}",
            paths.contact_sheet(recipe),
            partial(draw_contact_sheet, study, recipe, written),
        )
        for recipe in recipes
    ]
    statistics = _statistics(study, written, levels)
    text = json.dumps(statistics, indent=2, sort_keys=True) + "\n"
    write_atomically(paths.statistics, text.encode())
    return StepResult(
        version_of(index.version, statistics),
        {
            **index.metadata,
            "statistics": paths.statistics,
            "pictures": paths.pictures,
            **{title: why for sheet in sheets for title, why in sheet.notes.items()},
        },
        pictures={title: shown for sheet in sheets for title, shown in sheet.pictures.items()},
        outputs=(*index.outputs, paths.statistics, *(paths.contact_sheet(recipe) for recipe in recipes)),
    )


def _index(study: StudyConfig, recipes: list[str], levels: "_GreyLevels") -> pl.LazyFrame:
    table = catalog.dataset(study.families, recipes)
    people = scan_parts(study, catalog.patients(study.patients.columns))
    subjects = people.select("patient_id", "subject_id").collect()
    blocked = blocked_patients(study)
    frame_tables, parts = gather_frame_tables(study), gather_parts(study, catalog.PREPROCESSED)
    checks, layouts = gather_parts(study, catalog.TEXT_CHECKS), gather_parts(study, catalog.LAYOUTS)
    of_frames = [name for name in table.names if name in catalog.frame_table(study.families).names]

    def rows_of(patients: Visits) -> pl.DataFrame:
        frames = frame_tables.load(patients, of_frames)
        made = parts.load(patients, catalog.PREPROCESSED.names)
        levels.add(patients, frames, made)
        for recipe in recipes:
            images = made.filter(pl.col("recipe") == recipe)
            images = images.select("frame_id", pl.col("path").alias(f"path_{recipe}"))
            frames = frames.join(images, on="frame_id", how="left", maintain_order="left")
        known = frames.join(subjects, on="patient_id", how="left", maintain_order="left")
        held_back = blocked | unchecked_patients(
            study,
            made,
            checks.load(patients, ["patient_id", "layout_id", "recipe"]),
            layouts.load(patients, ["patient_id", "layout_id", "signed_off"]),
        )
        return known.with_columns(pl.col("patient_id").is_in(list(held_back)).alias("release_blocked"))

    return joined_by_batch(table, batches_of(frame_tables), rows_of)


def _statistics(study: StudyConfig, index: pl.LazyFrame, levels: "_GreyLevels") -> Mapping[str, object]:
    counts = index.select(
        pl.len().alias("frames"),
        _DISTURBED.sum().alias("disturbed"),
        pl.col("label_certain").sum().alias("label_certain"),
        pl.col("patient_id").n_unique().alias("visits_with_frames"),
    )
    return {
        "study": study.study,
        **counts.collect(engine="streaming").row(0, named=True),
        "frames_per_label": {family: _frames_per_label(index, family) for family in study.families},
        "recipes": {recipe: levels.of(recipe) for recipe in study.preprocess.recipes},
    }


def _frames_per_label(index: pl.LazyFrame, family: str) -> Mapping[str, Mapping[str, int]]:
    """Frames of each label of a family: all, undisturbed, and undisturbed with a certain label."""
    fit = ~_DISTURBED
    counts = (
        index.filter(pl.col(family).is_not_null())
        .group_by(family)
        .agg(
            pl.len().alias("all"),
            fit.sum().alias("ok"),
            (fit & pl.col("label_certain")).sum().alias("ok_and_certain"),
        )
        .sort(family)
        .collect(engine="streaming")
    )
    return {row.pop(family): row for row in counts.to_dicts()}


class _GreyLevels:
    """Mean and deviation inside the mask over undisturbed frames, per recipe, in grey levels 0 to 255.

    Every frame has the same weight, whatever the size of its region: the total variance is the mean of the
    frames' variances plus the variance of their means. Summed while the index is joined, which reads all that
    is needed.
    """

    def __init__(self) -> None:
        self._sums: dict[str, pl.DataFrame] = {}

    def add(self, patients: Visits, frames: pl.DataFrame, images: pl.DataFrame) -> None:
        """Count the images of some visits; once, however often they are read."""
        mean, std = pl.col("mean"), pl.col("std")
        fit = frames.filter(~_DISTURBED).select("frame_id")
        self._sums[patients[0]] = (
            images.join(fit, on="frame_id", how="semi")
            .group_by("recipe")
            .agg(
                pl.len().cast(pl.Int64).alias("frames"),
                mean.sum().alias("levels"),
                (std.pow(2) + mean.pow(2)).sum().alias("squares"),
            )
        )

    def of(self, recipe: str) -> Mapping[str, float | int | None]:
        """``frames``, ``mean`` and ``std`` of a recipe; null where it has no frame."""
        sums = pl.concat([pl.DataFrame(schema=_GREY_SUMS), *self._sums.values()])
        of_recipe = sums.filter(pl.col("recipe") == recipe).drop("recipe").sum()
        return _moments(**of_recipe.row(0, named=True))


def _moments(frames: int, levels: float, squares: float) -> Mapping[str, float | int | None]:
    if not frames:
        return {"frames": 0, "mean": None, "std": None}
    mean = levels / frames
    return {
        "frames": frames,
        "mean": round(mean, 4),
        "std": round(math.sqrt(max(squares / frames - mean**2, 0.0)), 4),
    }
