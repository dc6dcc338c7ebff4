import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from benchmarks.support.hospitals.visits import PATIENT, drop_video, make_study, put_video
from benchmarks.support.places import CHECKOUT
from benchmarks.support.screens.screens import HEIGHT, WIDTH, Picture, colored, moving_screens
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import LAYOUTS, PREPROCESSED, REGIONS
from eus_etl.errors import FramesMissingError
from eus_etl.settings import RecipeConfig, StudyConfig
from eus_etl.steps.preprocessed_frames.step import preprocess_patient
from eus_etl.steps.regions.step import find_regions
from eus_etl.steps.result import StepResult
from eus_etl.storage.manifests import Manifest, write_manifest
from eus_etl.storage.tables.parts import load_part
from eus_etl_tests.support.made_once import MadeOnce

VIDEO, OTHER = "vaaaaaaaaaaaa", "vbbbbbbbbbbbb"
FRAMES = 12
PLAIN = RecipeConfig(version=1, size_px=64)
COLOR = RecipeConfig(version=1, size_px=96, grey=False, clahe_clip=2.0)


def clean(seed: int) -> list[Picture]:
    return [colored(picture) for picture in moving_screens(FRAMES, seed)]


def with_recipes(study: StudyConfig, **recipes: RecipeConfig) -> StudyConfig:
    return study.model_copy(update={"preprocess": study.preprocess.model_copy(update={"recipes": recipes})})


def locate(study: StudyConfig, *rows: tuple[str | None, str]) -> None:
    find_regions(
        study,
        PATIENT,
        REGIONS.frame({"patient_id": PATIENT, "video_id": v, "polygon": polygon} for v, polygon in rows),
    )


def study_at(root: Path) -> StudyConfig:
    return with_recipes(make_study(root), plain=PLAIN, color=COLOR)


def make_visit(root: Path) -> None:
    put_video(study_at(root), VIDEO, [clean(0)])
    locate(study_at(root))


@pytest.fixture
def visit(made_once: MadeOnce, tmp_path: Path) -> StudyConfig:
    made_once.copy("visit_to_preprocess", make_visit, tmp_path)
    return study_at(tmp_path)


def rows_of(study: StudyConfig) -> pl.DataFrame:
    return load_part(StudyPaths(study.root), PREPROCESSED, PATIENT)


def files_of(study: StudyConfig) -> dict[str, bytes]:
    """All that the step wrote, by path below the root."""
    paths = StudyPaths(study.root)
    folders = (paths.preprocessed, paths.state / "preprocessed", paths.parts("preprocess_metadata"))
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return {paths.relative(file): file.read_bytes() for file in files}


def made(result: StepResult) -> object:
    assert {check.name: check.passed for check in result.checks} == {
        "images_equal_rows": True,
        "no_readable_text": True,
    }
    return result.metadata["images_made"]


def test_each_frame_becomes_an_image_by_each_recipe(visit: StudyConfig) -> None:
    told: list[str] = []
    result = preprocess_patient(visit, PATIENT, told.append)
    rows = rows_of(visit)
    assert made(result) == rows.height == 2 * FRAMES
    assert rows["recipe"].to_list() == ["plain"] * FRAMES + ["color"] * FRAMES
    for row in rows.to_dicts():
        file = visit.root / row["path"]
        assert file.stem == row["frame_id"].rpartition("/")[2]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == row["sha256"]
        picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        assert picture is not None
        assert picture.dtype == np.uint8
        assert picture.shape == ((64, 64) if row["recipe"] == "plain" else (96, 96, 3))
        assert picture.shape[:2] == (row["height"], row["width"])
    layout = load_part(StudyPaths(visit.root), LAYOUTS, PATIENT).row(0, named=True)
    assert set(rows["layout_id"]) == {layout["layout_id"]}
    assert rows["crop_w"].max() == 1 + max(x for x, _ in corners(layout)) - min(x for x, _ in corners(layout))
    assert (result.metadata["videos_decoded"], result.metadata["frames_without_region"]) == (0, 0)
    assert told == [f"preprocessed {VIDEO} by plain", f"preprocessed {VIDEO} by color"]


def corners(layout: dict[str, str]) -> list[tuple[int, ...]]:
    return [tuple(int(number) for number in pair.split(",")) for pair in layout["polygon"].split()]


def test_a_second_call_makes_nothing_and_changes_no_file(visit: StudyConfig) -> None:
    first = preprocess_patient(visit, PATIENT)
    before = files_of(visit)
    again = preprocess_patient(visit, PATIENT)
    assert made(again) == 0
    assert again.version == first.version
    assert files_of(visit) == before


def test_a_second_video_makes_only_its_own_images(visit: StudyConfig) -> None:
    preprocess_patient(visit, PATIENT)
    before = files_of(visit)
    put_video(visit, OTHER, [clean(1)])
    locate(visit)
    assert made(preprocess_patient(visit, PATIENT)) == 2 * FRAMES
    after = files_of(visit)
    part = StudyPaths(visit.root).part("preprocess_metadata", PATIENT).name
    assert all(after[path] == data for path, data in before.items() if not path.endswith(part))
    assert rows_of(visit)["video_id"].n_unique() == 2


@pytest.mark.parametrize(
    "change",
    [{"version": 2}, {"size_px": 80}, {"clahe_clip": 3.0}],
)
def test_a_changed_recipe_makes_its_own_images_again(visit: StudyConfig, change: dict[str, float]) -> None:
    first = preprocess_patient(visit, PATIENT)
    other = with_recipes(visit, plain=PLAIN.model_copy(update=change), color=COLOR)
    again = preprocess_patient(other, PATIENT)
    assert made(again) == FRAMES
    assert (again.version == first.version) == (change == {"version": 2})  # then the images are the same


def test_a_moved_region_makes_the_images_of_its_video_again(visit: StudyConfig) -> None:
    put_video(visit, OTHER, [clean(1)])
    locate(visit)
    preprocess_patient(visit, PATIENT)
    locate(visit, (OTHER, "80,60 240,60 240,180 80,180"))
    assert made(preprocess_patient(visit, PATIENT)) == 2 * FRAMES
    boxes = rows_of(visit).filter(pl.col("video_id") == OTHER).select("crop_x", "crop_y", "crop_w", "crop_h")
    assert boxes.unique().rows() == [(80, 60, 161, 121)]


def test_another_extraction_makes_the_images_again(visit: StudyConfig) -> None:
    preprocess_patient(visit, PATIENT)
    put_video(visit, VIDEO, [clean(0)[:6]])
    locate(visit)
    assert made(preprocess_patient(visit, PATIENT)) == 12
    assert rows_of(visit).height == 12


def test_what_is_gone_leaves_no_trace(visit: StudyConfig) -> None:
    put_video(visit, OTHER, [clean(1)])
    locate(visit)
    preprocess_patient(visit, PATIENT)
    paths = StudyPaths(visit.root)
    paths.extracted_folder(PATIENT, OTHER).joinpath("extracted.parquet").unlink()
    drop_video(visit, OTHER)
    plain = with_recipes(visit, plain=PLAIN)
    locate(plain)
    assert made(preprocess_patient(plain, PATIENT)) == 0
    assert rows_of(plain).select("recipe", "video_id").unique().rows() == [("plain", VIDEO)]
    assert not [path for path in files_of(plain) if OTHER in path or "/color/" in path]
    assert not (paths.preprocessed / "color").exists()


def test_other_visits_are_left_alone(visit: StudyConfig) -> None:
    paths = StudyPaths(visit.root)
    neighbour = paths.preprocessed_folder("plain", "99999999-visit", VIDEO) / "000000000000.png"
    neighbour.parent.mkdir(parents=True)
    neighbour.write_bytes(b"of another visit")
    preprocess_patient(visit, PATIENT)
    assert neighbour.read_bytes() == b"of another visit"


def test_frames_without_a_region_are_never_preprocessed(visit: StudyConfig) -> None:
    black = [np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint8)] * 3
    put_video(visit, OTHER, [black])
    put_video(visit, VIDEO, [clean(0), black])
    locate(visit)
    result = preprocess_patient(visit, PATIENT)
    assert made(result) == 2 * FRAMES
    assert result.metadata["frames_without_region"] == 6
    assert not StudyPaths(visit.root).preprocessed_folder("plain", PATIENT, OTHER).exists()
    assert made(preprocess_patient(visit, PATIENT)) == 0


def test_a_region_that_vanishes_takes_its_images_with_it(visit: StudyConfig) -> None:
    preprocess_patient(visit, PATIENT)
    paths = StudyPaths(visit.root)
    part = paths.part(LAYOUTS.name, PATIENT)
    pl.read_parquet(part).with_columns(pl.lit(None, pl.String).alias("polygon")).write_parquet(part)
    result = preprocess_patient(visit, PATIENT)
    assert result.metadata["images"] == 0
    assert not paths.preprocessed_folder("plain", PATIENT, VIDEO).exists()


def test_header_text_is_in_no_image(visit: StudyConfig) -> None:
    texts = [picture.copy() for picture in clean(0)]
    for picture in texts:
        picture[:25] = (255, 0, 255)
    preprocess_patient(visit, PATIENT)
    before = {path: data for path, data in files_of(visit).items() if path.endswith(".png")}
    put_video(visit, VIDEO, [texts])
    folder = StudyPaths(visit.root).extracted_folder(PATIENT, VIDEO)
    write_manifest(folder, Manifest("extracted otherwise", frames_kept=FRAMES))
    assert made(preprocess_patient(visit, PATIENT)) == 2 * FRAMES
    assert {path: data for path, data in files_of(visit).items() if path.endswith(".png")} == before


def test_a_missing_image_stops_and_leaves_the_finished_ones(visit: StudyConfig) -> None:
    preprocess_patient(visit, PATIENT)
    before = files_of(visit)
    put_video(visit, OTHER, [clean(1)])
    locate(visit)
    images = sorted(StudyPaths(visit.root).frames_folder(PATIENT, OTHER).iterdir())
    images[5].unlink()
    with pytest.raises(FramesMissingError, match=f"{PATIENT}/{OTHER}/{images[5].stem}"):
        preprocess_patient(visit, PATIENT)
    assert files_of(visit) == before


def test_images_that_were_deleted_are_made_again(visit: StudyConfig) -> None:
    preprocess_patient(visit, PATIENT)
    before = files_of(visit)
    (visit.root / rows_of(visit)["path"][3]).unlink()
    assert made(preprocess_patient(visit, PATIENT)) == FRAMES
    assert files_of(visit) == before


def test_opencv_keeps_its_threads(visit: StudyConfig) -> None:
    threads = cv2.getNumThreads()
    preprocess_patient(visit, PATIENT)
    assert cv2.getNumThreads() == threads


KILLED = """
import os, signal, sys
from pathlib import Path
from eus_etl.settings import StudyConfig
from eus_etl.steps.preprocessed_frames import images
from eus_etl.steps.preprocessed_frames.step import preprocess_patient
from eus_etl_tests.support.made_once import MadeOnce

point, study, patient = sys.argv[1], StudyConfig.model_validate_json(sys.argv[2]), sys.argv[3]
name, after = {
    "images": ("sha256_of", 5),
    "rename": ("publish_folder", 1),
    "rows": ("write_parquet", 1),
    "manifest": ("write_atomically", 1),
}[point]
original, calls = getattr(images, name), []

def die(*arguments):
    calls.append(1)
    if len(calls) >= after:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments)

setattr(images, name, die)
preprocess_patient(study, patient)
"""


@pytest.mark.parametrize("point", ["images", "rename", "rows", "manifest"])
def test_after_a_kill_the_next_call_gives_what_an_undisturbed_one_gives(
    visit: StudyConfig, point: str
) -> None:
    preprocess_patient(visit, PATIENT)
    changed = with_recipes(visit, plain=RecipeConfig(version=1, size_px=48))
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, point, changed.model_dump_json(), PATIENT],
        check=False,
        cwd=CHECKOUT,
        env={**os.environ, "POLARS_MAX_THREADS": "2"},
    )
    assert killed.returncode == -signal.SIGKILL
    partial = list(StudyPaths(visit.root).preprocessed.rglob("*.partial"))
    assert bool(partial) == (point in ("images", "rename"))
    # the recipe goes back to what it was, whose manifest must no more count where the images are others
    back = with_recipes(visit, plain=PLAIN)
    preprocess_patient(back, PATIENT)
    after_kill = files_of(back)
    assert {row["width"] for row in rows_of(back).to_dicts()} == {64}
    for file in after_kill:
        (back.root / file).unlink()
    preprocess_patient(back, PATIENT)
    assert files_of(back) == after_kill
