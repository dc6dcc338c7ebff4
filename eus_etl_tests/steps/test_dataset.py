"""The dataset and the metadata of preprocessed frames, joined visit by visit, against one plain join."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.support.hospitals.visits import make_study
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables import catalog
from eus_etl.domain.tables.schema import Table
from eus_etl.settings import RecipeConfig, StudyConfig
from eus_etl.steps.dataset import make_dataset
from eus_etl.steps.study_tables import assemble_preprocess_metadata
from eus_etl.storage.tables.parts import write_part

RECIPES = ("coarse", "fine")


def a_study(root: Path) -> StudyConfig:
    study = make_study(root)
    recipes = {name: RecipeConfig(version=1, size_px=64) for name in RECIPES}
    preprocess = study.preprocess.model_copy(update={"recipes": recipes})
    return study.model_copy(update={"preprocess": preprocess})


def put_visit(study: StudyConfig, patient_id: str, frames: int, seed: int) -> None:
    """A visit of so many frames; of each recipe some are preprocessed."""
    paths, rng = StudyPaths(study.root), np.random.default_rng(seed)
    labels = [None, *(label.name for label in study.families["station"])]
    disturbed = rng.random(frames) < 0.3
    rows = [
        {
            "frame_id": f"{patient_id}/v/{number:012d}",
            "patient_id": patient_id,
            "video_id": "v",
            "path": f"master-dataset/Frames/{patient_id}/v/{number:012d}.jpg",
            "frame_index": number * 3,
            "video_s": number / 5,
            "procedure_s": number / 5,
            "station": labels[int(rng.integers(len(labels)))],
            "label_certain": bool(rng.random() < 0.5),
            "status": "disturbed" if disturbed[number] else "ok",
            "disturbed": bool(disturbed[number]),
        }
        for number in range(frames)
    ]
    frame_table = catalog.frame_table(study.families).frame(rows)
    paths.frames.mkdir(parents=True, exist_ok=True)
    frame_table.write_parquet(paths.frame_table(patient_id).with_suffix(".parquet"))
    made = [
        {
            "path": f"{recipe}/{row['frame_id']}.png",
            "recipe": recipe,
            "frame_id": row["frame_id"],
            "patient_id": patient_id,
            "video_id": "v",
            "layout_id": "v-0",
            "mean": float(rng.uniform(20, 90)),
            "std": float(rng.uniform(5, 40)),
        }
        for recipe in RECIPES
        for row in rows
        if rng.random() < 0.7
    ]
    write_part(paths, catalog.PREPROCESSED, patient_id, catalog.PREPROCESSED.frame(made))
    people = catalog.patients(study.patients.columns)
    person = {"patient_id": patient_id, "subject_id": f"subject of {patient_id}" if seed % 2 else None}
    write_part(paths, people, patient_id, people.frame([person]))


def all_of(folder: Path, table: Table) -> pl.DataFrame:
    return pl.concat([table.empty(), *(pl.read_parquet(file) for file in sorted(folder.glob("*.parquet")))])


def written(study: StudyConfig, name: str, table: Table) -> pl.DataFrame:
    """A study table; its CSV and its twin hold the same."""
    file = StudyPaths(study.root).table(name)
    twin = pl.read_parquet(file.with_suffix(".parquet"))
    assert pl.read_csv(file, schema=table.schema).equals(twin)
    return twin


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 40), max_size=5))
def test_tables_hold_what_one_plain_join_gives(
    tmp_path_factory: pytest.TempPathFactory, visits: list[int]
) -> None:
    study = a_study(tmp_path_factory.mktemp("study"))
    paths, families = StudyPaths(study.root), study.families
    for number, length in enumerate(visits):
        put_visit(study, f"patient-{number}", length, number)
    table = catalog.frame_table(families)
    frames, made = (
        all_of(paths.frames, table),
        all_of(paths.parts("preprocess_metadata"), catalog.PREPROCESSED),
    )

    result = assemble_preprocess_metadata(study)
    metadata = catalog.preprocess_metadata(families)
    joined = made.join(frames.select("frame_id", *families, "status"), on="frame_id", how="left")
    assert result.metadata["rows"] == made.height
    assert written(study, "preprocess_metadata", metadata).equals(
        metadata.conform(joined.sort("patient_id", maintain_order=True))
    )

    result = make_dataset(study)
    people = all_of(paths.parts("patients"), catalog.patients(study.patients.columns))
    joined = frames.with_columns(release_blocked=False).join(
        people.select("patient_id", "subject_id"), on="patient_id", how="left"
    )
    for recipe in RECIPES:
        images = made.filter(pl.col("recipe") == recipe).select(
            "frame_id", pl.col("path").alias(f"path_{recipe}")
        )
        joined = joined.join(images, on="frame_id", how="left")
    dataset = catalog.dataset(families, RECIPES)
    assert result.metadata["rows"] == frames.height
    assert written(study, "dataset", dataset).equals(dataset.conform(joined.sort("frame_id")))
    assert_statistics(study, frames, made)


def assert_statistics(study: StudyConfig, frames: pl.DataFrame, made: pl.DataFrame) -> None:
    found = json.loads(StudyPaths(study.root).statistics.read_bytes())
    assert found["frames"] == frames.height
    assert found["disturbed"] == frames["disturbed"].sum()
    assert found["label_certain"] == frames["label_certain"].sum()
    assert found["visits_with_frames"] == frames["patient_id"].n_unique()
    counts = dict(frames["station"].drop_nulls().value_counts().iter_rows())
    assert {label: row["all"] for label, row in found["frames_per_label"]["station"].items()} == counts
    fit = frames.filter(~pl.col("disturbed"))
    for label, row in found["frames_per_label"]["station"].items():
        of_label = fit.filter(pl.col("station") == label)
        assert row["ok"] == of_label.height
        assert row["ok_and_certain"] == of_label["label_certain"].sum()
    for recipe in RECIPES:
        used = made.filter(pl.col("recipe") == recipe, pl.col("frame_id").is_in(fit["frame_id"].to_list()))
        grey = found["recipes"][recipe]
        assert grey["frames"] == used.height
        if used.height:
            mean, std = used["mean"].to_numpy(), used["std"].to_numpy()
            assert grey["mean"] == pytest.approx(mean.mean(), abs=1e-4)
            assert grey["std"] == pytest.approx(np.sqrt((std**2).mean() + mean.var()), abs=1e-4)
        else:
            assert (grey["mean"], grey["std"]) == (None, None)


def test_a_dataset_whose_images_are_gone_still_comes_with_a_sheet(tmp_path: Path) -> None:
    study = a_study(tmp_path)
    put_visit(study, "patient-0", 30, 1)
    result = make_dataset(study)
    assert set(result.pictures) == {f"contact sheet {recipe}" for recipe in RECIPES}
    assert all(StudyPaths(tmp_path).contact_sheet(recipe).is_file() for recipe in RECIPES)
