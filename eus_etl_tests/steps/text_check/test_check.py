"""Text in preprocessed frames is found, counted and reported, but never repeated."""

import os
import shutil
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from benchmarks.support.hospitals.visits import PATIENT, make_study, put_video
from benchmarks.support.screens.screens import Picture, colored, moving_screens
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import LAYOUTS, PREPROCESSED, REGIONS, REJECTED, SYNC, TEXT_CHECKS
from eus_etl.errors import TextReaderError
from eus_etl.settings import RecipeConfig, StudyConfig, TextCheckConfig
from eus_etl.steps.dataset import make_dataset
from eus_etl.steps.frame_table import make_frame_table
from eus_etl.steps.observation.known_screens import KnownScreens
from eus_etl.steps.preprocessed_frames.step import preprocess_patient
from eus_etl.steps.regions.step import find_regions
from eus_etl.steps.release_blocks import blocked_patients
from eus_etl.steps.result import StepResult
from eus_etl.steps.study_tables import assemble_preprocess_metadata
from eus_etl.steps.text_check import check
from eus_etl.steps.text_check.check import why_no_text_check
from eus_etl.steps.text_check.reading import read_pictures
from eus_etl.steps.text_reader.processes import SeparateReader
from eus_etl.steps.text_reader.rapid import models
from eus_etl.storage.tables.parts import load_part, rejected_part
from eus_etl_tests.support import calm_corner
from eus_etl_tests.support.made_once import MadeOnce

CLEAN, NAMED = "vaaaaaaaaaaaa", "vbbbbbbbbbbbb"
FRAMES = 12
NAME = "SCHMIDT"
RECIPES = {"grey": RecipeConfig(version=1, size_px=384)}


def screens(seed: int, name: str = "", first: int = 0) -> list[Picture]:
    """Screens whose field shows ``name`` from the picture ``first`` on."""
    pictures = [colored(picture) for picture in moving_screens(FRAMES, seed)]
    for picture in pictures[first:]:
        cv2.putText(picture, name, (105, 165), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255,) * 3, 1, cv2.LINE_AA)
    return pictures


def studied(root: Path, enabled: str = "always", **recipes: RecipeConfig) -> StudyConfig:
    study = make_study(root)
    update = {
        "text_check": TextCheckConfig.model_validate({"enabled": enabled}),
        "recipes": recipes or RECIPES,
    }
    return study.model_copy(update={"preprocess": study.preprocess.model_copy(update=update)})


def put(study: StudyConfig, **videos: list[Picture]) -> None:
    for video_id, pictures in videos.items():
        put_video(study, video_id, [pictures])
    find_regions(study, PATIENT, REGIONS.empty())


def checked(study: StudyConfig) -> dict[str, dict[str, object]]:
    """Rows of the visit, by video."""
    rows = load_part(StudyPaths(study.root), TEXT_CHECKS, PATIENT).to_dicts()
    return {str(row["layout_id"]).partition("-")[0]: row for row in rows}


def damage_the_reader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(models().detection.parent, folder / "models")
    os.truncate(folder / "models" / models().detection.name, 1000)
    monkeypatch.setattr(check, "SeparateReader", partial(SeparateReader, models=folder / "models"))


def passed(result: StepResult) -> bool:
    return {check.name: check.passed for check in result.checks}["no_readable_text"]


def rejected(study: StudyConfig) -> pl.DataFrame:
    file = rejected_part(StudyPaths(study.root), "preprocessed_frames", PATIENT)
    return pl.read_parquet(file) if file.exists() else REJECTED.empty()


def make_visit(root: Path) -> None:
    put(studied(root), **{CLEAN: screens(0), NAMED: screens(1, NAME)})


@pytest.fixture
def visit(made_once: MadeOnce, tmp_path: Path) -> StudyConfig:
    made_once.copy("visit_to_check", make_visit, tmp_path)
    return studied(tmp_path)


def test_a_name_in_the_field_blocks_the_visit_and_is_not_repeated(visit: StudyConfig) -> None:
    told: list[str] = []
    result = preprocess_patient(visit, PATIENT, told.append)
    rows = checked(visit)
    assert (rows[CLEAN]["words"], rows[CLEAN]["blocks"], rows[CLEAN]["frame_id"]) == (0, False, None)
    assert rows[NAMED]["words"]
    assert rows[NAMED]["blocks"]
    assert rows[NAMED]["frames_read"] == rows[NAMED]["frames_with_words"] == FRAMES
    assert str(rows[NAMED]["frame_id"]).startswith(f"{PATIENT}/{NAMED}/")
    assert not passed(result)
    assert blocked_patients(visit) == {PATIENT}
    (row,) = rejected(visit).to_dicts()
    assert (row["item"], row["reason"]) == (f"{NAMED}-0", "readable_text")
    assert "regions.csv" in row["remedy"]
    said = f"{result} {told} {rejected(visit).write_csv()} {list(rows.values())}"
    assert NAME.casefold() not in said.casefold()
    for file in visit.root.rglob("*"):
        text = pl.read_parquet(file).write_csv() if file.suffix == ".parquet" else ""
        assert NAME.casefold() not in text.casefold(), file.name


def test_small_letters_in_a_calm_corner_are_read_beside_bright_tissue() -> None:
    """Shown for three pictures, they are never the newest place of one."""
    reader = SeparateReader()
    pictures = calm_corner.calm_corner(24)
    assert not read_pictures(reader, "clean", len(pictures), pictures.__getitem__, whole=0)
    for position in range(9, 12):
        calm_corner.write_name(pictures[position], 200)
    finds = read_pictures(reader, "named", len(pictures), pictures.__getitem__, whole=0)
    assert {find.first for find in finds} <= {9, 10, 11}
    assert sum(find.words for find in finds) > 0


@pytest.mark.slow
def test_the_dataset_and_the_tables_say_which_visits_are_blocked(visit: StudyConfig) -> None:
    preprocess_patient(visit, PATIENT)
    make_frame_table(visit, PATIENT, SYNC.empty(), None)
    make_dataset(visit)
    assemble_preprocess_metadata(visit)
    paths = StudyPaths(visit.root)
    assert pl.read_csv(paths.table("dataset"))["release_blocked"].to_list() == [True] * 2 * FRAMES
    assert pl.read_csv(paths.table("text_checks"))["blocks"].to_list() == [False, True]


def test_images_that_were_never_checked_block_the_visit(tmp_path: Path) -> None:
    off, on = studied(tmp_path, "never"), studied(tmp_path, "always")
    put(off, **{CLEAN: screens(0)})
    preprocess_patient(off, PATIENT)
    make_frame_table(off, PATIENT, SYNC.empty(), None)

    def blocked(study: StudyConfig) -> list[bool]:
        make_dataset(study)
        return pl.read_csv(StudyPaths(tmp_path).table("dataset"))["release_blocked"].unique().to_list()

    assert blocked(off) == [False]
    assert blocked(on) == [True]
    find_regions(on, PATIENT, REGIONS.frame([regions_row(on, CLEAN, signed_off="AB")]))
    assert blocked(on) == [False]


@pytest.mark.slow
def test_only_changed_images_are_checked_again(visit: StudyConfig) -> None:
    first = preprocess_patient(visit, PATIENT)
    again = preprocess_patient(visit, PATIENT)
    assert (first.metadata["text_checked_now"], again.metadata["text_checked_now"]) == (2, 0)
    assert again.version == first.version
    assert not passed(again)
    put(visit, **{NAMED: screens(2)[1:]})
    mended = preprocess_patient(visit, PATIENT)
    assert mended.metadata["text_checked_now"] == 1
    assert passed(mended)
    assert mended.version != first.version
    assert rejected(visit).is_empty()
    assert blocked_patients(visit) == frozenset()


@pytest.mark.slow
def test_a_person_may_sign_it_off(visit: StudyConfig) -> None:
    before = preprocess_patient(visit, PATIENT)
    part = StudyPaths(visit.root).part(LAYOUTS.name, PATIENT)
    layouts = pl.read_parquet(part)
    layouts.with_columns(pl.col("video_id").eq(NAMED).alias("signed_off")).write_parquet(part)
    after = preprocess_patient(visit, PATIENT)
    assert after.metadata["text_checked_now"] == 0
    assert after.metadata["text_found_in"] == 1
    assert passed(after)
    assert after.version != before.version
    assert blocked_patients(visit) == frozenset()
    assert rejected(visit).is_empty()


def regions_row(study: StudyConfig, shown: str = NAMED, /, **cells: str | None) -> dict[str, object]:
    """A row of regions.csv with the outline that was found in a video."""
    found = load_part(StudyPaths(study.root), LAYOUTS, PATIENT).filter(video_id=shown)
    return {**found.select("patient_id", "video_id", "polygon", "signature").row(0, named=True), **cells}


@pytest.mark.parametrize("unnamed", [{"patient_id": None, "video_id": None}, {"video_id": None}])
def test_a_sign_off_lifts_no_block_of_what_nobody_has_looked_at(
    visit: StudyConfig, unnamed: dict[str, None]
) -> None:
    known = regions_row(visit, signed_off="AB", **unnamed)
    find_regions(visit, PATIENT, REGIONS.empty(), KnownScreens(REGIONS.frame([known])))
    assert not passed(preprocess_patient(visit, PATIENT))
    layouts = load_part(StudyPaths(visit.root), LAYOUTS, PATIENT)
    assert dict(layouts.select("video_id", "found_by").rows())[NAMED] == "regions.csv"
    assert checked(visit)[NAMED]["blocks"]
    assert blocked_patients(visit) == {PATIENT}
    seen = regions_row(visit, signed_off="AB")
    find_regions(visit, PATIENT, REGIONS.frame([seen]), KnownScreens(REGIONS.frame([known])))
    assert passed(preprocess_patient(visit, PATIENT))
    assert blocked_patients(visit) == frozenset()


def test_images_that_change_block_the_visit_until_they_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = studied(tmp_path / "root")
    put(study, **{NAMED: screens(1)})
    assert passed(preprocess_patient(study, PATIENT))
    before = load_part(StudyPaths(study.root), PREPROCESSED, PATIENT)
    put(study, **{NAMED: screens(1, NAME)})
    with monkeypatch.context() as failing:
        damage_the_reader(tmp_path, failing)
        with pytest.raises(TextReaderError):
            preprocess_patient(study, PATIENT)
    assert load_part(StudyPaths(study.root), PREPROCESSED, PATIENT).equals(before)
    assert blocked_patients(study) == {PATIENT}
    put(study, **{NAMED: screens(1)})
    assert passed(preprocess_patient(study, PATIENT))
    assert blocked_patients(study) == frozenset()


def test_a_region_that_is_merely_what_is_lit_blocks_the_visit_until_it_is_written(tmp_path: Path) -> None:
    study = studied(tmp_path, "never")
    put(study, **{NAMED: screens(1)[:1] * FRAMES})
    before = preprocess_patient(study, PATIENT)
    assert blocked_patients(study) == {PATIENT}
    find_regions(study, PATIENT, REGIONS.frame([regions_row(study, signed_off="AB")]))
    assert blocked_patients(study) == frozenset()
    after = preprocess_patient(study, PATIENT)
    assert after.metadata["images_made"] == 0
    assert after.version != before.version  # the dataset is made again


@pytest.mark.slow
def test_text_that_comes_late_is_placed_in_its_half(tmp_path: Path) -> None:
    study = studied(tmp_path)
    put(study, **{NAMED: screens(1, NAME, first=FRAMES // 2)})
    preprocess_patient(study, PATIENT)
    row = checked(study)[NAMED]
    assert row["words"]
    assert row["frames_with_words"] in range(1, FRAMES // 2 + 1)  # where it comes it is new, and read
    frames = load_part(StudyPaths(study.root), PREPROCESSED, PATIENT)["frame_id"]
    assert row["frame_id"] == frames[FRAMES // 2]


@pytest.mark.parametrize("level", [0, 90])
@pytest.mark.slow
def test_pictures_of_something_else_do_not_hide_it(tmp_path: Path, level: int) -> None:
    study = studied(tmp_path)
    shown = screens(1, NAME)
    for place in (2, 8) if level == 0 else (2,):
        shown[place] = np.full_like(shown[place], level)
    put(study, **{NAMED: shown})
    preprocess_patient(study, PATIENT)
    assert checked(study)[NAMED]["blocks"]


@pytest.mark.slow
def test_every_recipe_is_looked_at(tmp_path: Path) -> None:
    color = RecipeConfig(version=1, size_px=512, grey=False)
    study = studied(tmp_path, plain=RECIPES["grey"], color=color)
    put(study, **{NAMED: screens(1, NAME)})
    preprocess_patient(study, PATIENT)
    rows = load_part(StudyPaths(study.root), TEXT_CHECKS, PATIENT)
    assert rows.select("recipe", "blocks").rows() == [("plain", True), ("color", True)]


def test_a_check_that_is_switched_off_says_so_and_lifts_blocks(visit: StudyConfig) -> None:
    preprocess_patient(visit, PATIENT)
    assert blocked_patients(visit) == {PATIENT}
    study = studied(visit.root, "never")
    off = preprocess_patient(study, PATIENT)
    assert passed(off)
    assert off.metadata["text_check"] == why_no_text_check(study)
    assert why_no_text_check(study) == "not done: preprocess.text_check.enabled is never"
    assert blocked_patients(visit) == frozenset()
    assert why_no_text_check(visit) is None


def test_images_that_another_engine_has_read_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = studied(tmp_path)
    put(study, **{NAMED: screens(1, NAME)})
    part = StudyPaths(study.root).part(TEXT_CHECKS.name, PATIENT)
    preprocess_patient(study, PATIENT)
    pl.read_parquet(part).with_columns(engine=pl.lit("rapidocr 1.0"), words=0).write_parquet(part)
    again = preprocess_patient(study, PATIENT)
    assert (again.metadata["text_checked_now"], again.metadata["images_made"]) == (1, 0)
    assert checked(study)[NAMED]["blocks"]


def test_a_reader_that_is_not_whole_is_an_error_and_lists_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = studied(tmp_path / "root")
    put(study, **{NAMED: screens(1, NAME)})
    damage_the_reader(tmp_path, monkeypatch)
    with pytest.raises(
        TextReaderError, match=rf"{NAMED}-0: .*{models().detection.name} is damaged"
    ) as caught:
        preprocess_patient(study, PATIENT)
    assert NAME not in str(caught.value)
    assert load_part(StudyPaths(study.root), PREPROCESSED, PATIENT).is_empty()  # listed once they are checked
