"""Pictures of a visit: masked and believed images only, and never a reason to fail."""

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from benchmarks.support.hospitals.visits import PATIENT, intervals, make_study, put_video
from benchmarks.support.screens.screens import Picture, colored, moving_screens
from benchmarks.support.videos.pictures import read_picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.plots.contact_sheet import PAGE_BYTES, for_page
from eus_etl.domain.sampling import spread
from eus_etl.domain.tables.catalog import (
    LABELS,
    LAYOUTS,
    PREPROCESSED,
    REGIONS,
    SYNC,
    TEXT_CHECKS,
    frame_table,
)
from eus_etl.settings import RecipeConfig, StudyConfig
from eus_etl.steps.frame_table import make_frame_table
from eus_etl.steps.preprocessed_frames.step import preprocess_patient
from eus_etl.steps.previews.contact_sheets import draw_visit_sheet
from eus_etl.steps.previews.safe_images import shown_frames
from eus_etl.steps.previews.visit import timeline_of_visit
from eus_etl.steps.regions.step import find_regions
from eus_etl.steps.result import StepResult
from eus_etl.steps.timeline import make_timeline
from eus_etl.storage.outputs import describe, not_made
from eus_etl.storage.tables.parts import load_frame_table, load_part, write_part
from eus_etl_tests.support.made_once import MadeOnce

ALIAS = "Quiet-Otter-2"
MOVING, STILL = "vaaaaaaaaaaaa", "vbbbbbbbbbbbb"
FRAMES = 20
RECIPE = "small"


def screens(seed: int) -> list[Picture]:
    return [colored(picture) for picture in moving_screens(FRAMES, seed)]


def study_at(root: Path) -> StudyConfig:
    study = make_study(root)
    recipes = {RECIPE: RecipeConfig(version=1, size_px=64)}
    text = study.preprocess.text_check.model_copy(update={"enabled": "never"})
    preprocess = study.preprocess.model_copy(update={"recipes": recipes, "text_check": text})
    return study.model_copy(update={"preprocess": preprocess})


def make_visit(root: Path) -> None:
    study = study_at(root)
    put_video(study, MOVING, [screens(0)])
    put_video(study, STILL, [screens(1)[:1] * FRAMES])
    write_part(StudyPaths(root), LABELS, PATIENT, intervals(("station", "Station 1", 1.0, 3.0)))
    find_regions(study, PATIENT, REGIONS.empty())


@pytest.fixture
def visit(made_once: MadeOnce, tmp_path: Path) -> StudyConfig:
    """A moving video and a still one, whose region is only what is lit."""
    made_once.copy("visit_to_picture", make_visit, tmp_path)
    return study_at(tmp_path)


def halve(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def timeline(study: StudyConfig) -> StepResult:
    make_frame_table(study, PATIENT, SYNC.empty(), None)
    return make_timeline(study, PATIENT, ALIAS)


def shown_videos(study: StudyConfig) -> set[str]:
    shown = shown_frames(StudyPaths(study.root), PATIENT, RECIPE)
    return {layout_id.partition("-")[0] for layout_id in shown["layout_id"]}


def rewrite(study: StudyConfig, **columns: pl.Expr) -> None:
    """Change the visit's layouts."""
    paths = StudyPaths(study.root)
    write_part(paths, LAYOUTS, PATIENT, load_part(paths, LAYOUTS, PATIENT).with_columns(**columns))


def test_a_visit_is_shown_by_a_timeline_and_a_sheet_that_lie_beside_the_tables(visit: StudyConfig) -> None:
    paths = StudyPaths(visit.root)
    sheet = preprocess_patient(visit, PATIENT)
    table = timeline(visit)
    shown = {**sheet.pictures, **table.pictures}
    kept = {
        f"contact sheet {RECIPE}": paths.visit_contact_sheet(PATIENT, RECIPE),
        "timeline": paths.timeline_picture(PATIENT),
    }
    assert shown == {title: for_page(read_picture(file)) for title, file in kept.items()}
    assert all(len(picture) <= PAGE_BYTES for picture in shown.values())
    # a caption and six frames of the one layout whose mask is believed
    assert read_picture(paths.visit_contact_sheet(PATIENT, RECIPE)).shape[:2] == (128, 7 * 128)


def test_the_timeline_needs_no_image_at_all(visit: StudyConfig) -> None:
    shutil.rmtree(StudyPaths(visit.root).frames / PATIENT)
    without = timeline(visit)
    put_video(visit, MOVING, [screens(0)])
    put_video(visit, STILL, [screens(1)[:1] * FRAMES])
    preprocess_patient(visit, PATIENT)
    with_thumbnails = timeline(visit)
    assert without.version != with_thumbnails.version
    heights = [
        Image.open(io.BytesIO(result.pictures["timeline"])).height for result in (with_thumbnails, without)
    ]
    assert heights[0] > heights[1] + 64


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: os.truncate(file, 0), halve])
def test_a_timeline_whose_images_are_damaged_is_left_for_when_they_are_made_again(
    visit: StudyConfig, damage: Callable[[Path], object]
) -> None:
    preprocess_patient(visit, PATIENT)
    whole = timeline(visit)
    paths = StudyPaths(visit.root)
    for file in paths.preprocessed.rglob("*.png"):
        damage(file)
    without = timeline(visit)
    assert without.metadata["timeline not drawn"] == "FramesMissingError"
    assert not_made(describe(paths, without.outputs)) == paths.relative(paths.timeline_picture(PATIENT))
    preprocess_patient(visit, PATIENT)
    drawn = timeline(visit)
    assert drawn.pictures == whole.pictures
    assert not_made(describe(paths, drawn.outputs)) is None


def test_regions_that_are_only_lit_are_shown_once_reviewed(visit: StudyConfig) -> None:
    preprocess_patient(visit, PATIENT)
    found_by = dict(load_part(StudyPaths(visit.root), LAYOUTS, PATIENT).select("video_id", "found_by").rows())
    assert found_by == {MOVING: "auto_motion", STILL: "auto_structure"}
    assert shown_videos(visit) == {MOVING}
    rewrite(visit, signed_off=pl.lit(value=True))
    assert shown_videos(visit) == {MOVING, STILL}


def test_images_of_an_older_mask_are_not_shown(visit: StudyConfig) -> None:
    preprocess_patient(visit, PATIENT)
    rewrite(visit, polygon=pl.lit("70,60 250,60 250,180 70,180"))
    assert shown_videos(visit) == set()
    assert len(timeline(visit).pictures) == 1
    preprocess_patient(visit, PATIENT)
    assert shown_videos(visit) == {MOVING}


def test_images_in_which_text_was_read_are_not_shown(visit: StudyConfig) -> None:
    preprocess_patient(visit, PATIENT)
    layout_id = shown_frames(StudyPaths(visit.root), PATIENT, RECIPE)["layout_id"][0]
    row = {"patient_id": PATIENT, "layout_id": layout_id, "recipe": RECIPE, "blocks": True}
    write_part(StudyPaths(visit.root), TEXT_CHECKS, PATIENT, TEXT_CHECKS.frame([row]))
    assert shown_videos(visit) == set()


def test_a_picture_that_cannot_be_drawn_or_kept_fails_nothing(visit: StudyConfig) -> None:
    paths = StudyPaths(visit.root)
    paths.pictures.mkdir(parents=True, exist_ok=True)
    paths.visit_pictures(PATIENT).parent.write_text("a file where a folder should be")
    table, sheets = timeline(visit), preprocess_patient(visit, PATIENT)
    assert not {**table.pictures, **sheets.pictures}
    assert {"timeline not drawn", f"contact sheet {RECIPE} not drawn"} <= {*table.metadata, *sheets.metadata}
    assert all(check.passed for check in sheets.checks)


def test_dark_images_are_on_no_sheet(visit: StudyConfig) -> None:
    preprocess_patient(visit, PATIENT)
    paths = StudyPaths(visit.root)
    bright = draw_visit_sheet(visit, PATIENT, RECIPE)
    part = load_part(paths, PREPROCESSED, PATIENT)
    shown = shown_frames(paths, PATIENT, RECIPE)
    dark = pl.col("frame_id") == shown["frame_id"][0]
    write_part(
        paths,
        PREPROCESSED,
        PATIENT,
        part.with_columns(mean=pl.when(dark).then(1.0).otherwise(pl.col("mean"))),
    )
    assert draw_visit_sheet(visit, PATIENT, RECIPE) != bright


def test_a_timeline_shows_no_disturbed_frame(visit: StudyConfig) -> None:
    preprocess_patient(visit, PATIENT)
    make_frame_table(visit, PATIENT, SYNC.empty(), None)
    table = load_frame_table(StudyPaths(visit.root), frame_table(visit.families), PATIENT)
    spoiled = table.with_columns(disturbed=pl.lit(value=True))
    of_none = timeline_of_visit(visit, PATIENT, spoiled, LABELS.empty(), alias=None, end_s=None)
    height = Image.open(io.BytesIO(of_none.pictures["timeline"])).height
    drawn = timeline_of_visit(
        visit,
        PATIENT,
        table.with_columns(disturbed=pl.lit(value=False)),
        LABELS.empty(),
        alias=None,
        end_s=None,
    )
    assert Image.open(io.BytesIO(drawn.pictures["timeline"])).height > height + 64


def test_sheets_of_former_recipes_are_removed(visit: StudyConfig) -> None:
    gone = StudyPaths(visit.root).visit_contact_sheet(PATIENT, "gone")
    gone.parent.mkdir(parents=True)
    gone.write_bytes(b"")
    preprocess_patient(visit, PATIENT)
    assert not gone.exists()


@pytest.mark.parametrize(
    ("size", "places"), [(0, []), (1, [0]), (3, [0, 1, 2]), (9, [0, 3, 5, 8]), (100, [0, 33, 66, 99])]
)
def test_places_are_spread_from_the_first_to_the_last(size: int, places: list[int]) -> None:
    assert spread(size, 4) == places
