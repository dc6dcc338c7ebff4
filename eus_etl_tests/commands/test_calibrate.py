"""Calibration of a small visit: counts are those of its frame table, pictures hold masked pixels alone."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.support.hospitals.visits import PATIENT, make_study, put_video
from benchmarks.support.places import CONFIGS
from benchmarks.support.screens.screens import Picture, colored, screen, speckle
from benchmarks.support.videos.assessed_videos import has_reason
from benchmarks.support.videos.pictures import read_picture
from eus_etl.commands.calibrate import Calibration, calibrate
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.plots.thresholds import THRESHOLDS, Threshold
from eus_etl.domain.tables.catalog import REGIONS, SYNC
from eus_etl.errors import FramesMissingError
from eus_etl.settings import QualityConfig, RecipeConfig, StudyConfig
from eus_etl.steps.frame_table import make_frame_table
from eus_etl.steps.preprocessed_frames.step import preprocess_patient
from eus_etl.steps.regions.step import find_regions
from eus_etl_tests.support.hospitals.demo_run import run_command

VIDEO = "vaaaaaaaaaaaa"
FRAMES, BLACK, FROZEN = 60, range(5), range(20, 30)


def recording() -> list[Picture]:
    rng = np.random.default_rng(6)
    pictures = [screen(speckle(rng), tick) for tick in range(FRAMES)]
    for tick in BLACK:
        pictures[tick] = screen(np.zeros_like(pictures[0]), tick)
    still = speckle(rng)
    for tick in FROZEN:
        pictures[tick] = screen(still, tick)
    return [colored(picture) for picture in pictures]


def make_visit(root: Path, *, preprocessed: bool) -> StudyConfig:
    study = make_study(root)
    recipes = {"plain": RecipeConfig(version=1, size_px=64)}
    study = study.model_copy(update={"preprocess": study.preprocess.model_copy(update={"recipes": recipes})})
    put_video(study, VIDEO, [recording()])
    find_regions(study, PATIENT, REGIONS.empty())
    make_frame_table(study, PATIENT, SYNC.empty(), None)
    if preprocessed:
        preprocess_patient(study, PATIENT)
    return study


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyConfig:
    return make_visit(tmp_path_factory.mktemp("study"), preprocessed=True)


@pytest.fixture(scope="module")
def done(study: StudyConfig, tmp_path_factory: pytest.TempPathFactory) -> Calibration:
    return calibrate(study, tmp_path_factory.mktemp("out"))


def row_of(done: Calibration, key: str) -> dict[str, object]:
    return done.table.row(by_predicate=pl.col("key") == f"quality.{key}", named=True)


@pytest.mark.slow
def test_every_threshold_of_the_configuration_has_a_row_and_a_sheet(done: Calibration) -> None:
    keys = [threshold.key for threshold in THRESHOLDS]
    assert sorted(keys) == sorted(QualityConfig.model_fields)
    assert done.table["key"].to_list() == [f"quality.{key}" for key in keys]
    assert [sheet.name for sheet in done.sheets] == [f"{key}.png" for key in keys]


@pytest.mark.slow
def test_counts_beyond_a_threshold_are_those_of_the_frame_table(
    study: StudyConfig, done: Calibration
) -> None:
    frames = pl.read_parquet(StudyPaths(study.root).frame_table(PATIENT).with_suffix(".parquet"))
    assert (
        row_of(done, "no_signal_brightness")["frames"] == len(BLACK) == has_reason(frames, "no_signal").sum()
    )
    # black frames are not asked whether they stand still
    frozen = row_of(done, "frozen_min_s")
    assert frozen["frames"] == len(FROZEN) == has_reason(frames, "frozen").sum()
    assert frozen["share"] == round(len(FROZEN) / (FRAMES - len(BLACK)), 4)
    assert frozen["threshold"] == "static_s >= 1"
    assert row_of(done, "color_fraction")["frames"] == 0


@pytest.mark.slow
def test_sheets_show_masked_frames_of_both_sides(done: Calibration) -> None:
    def tiles(key: str) -> list[list[bool]]:
        (file,) = (sheet for sheet in done.sheets if sheet.stem == key)
        sheet = read_picture(file)
        assert sheet.shape == (256, 9 * 128, 3)
        # without the captions at their lower edge
        return [
            [bool(sheet[y : y + 100, x : x + 128].any()) for x in range(128, 9 * 128, 128)] for y in (0, 128)
        ]

    within, beyond = tiles("frozen_min_s")
    assert all(within)
    assert beyond == [True, True, False, False, False, False, False, False]  # one of each second
    within, beyond = tiles("color_fraction")
    assert all(within)
    assert not any(beyond)
    assert row_of(done, "frozen_min_s")["pictures"] == 10


@pytest.mark.slow
def test_distributions_are_a_picture_of_all_scores(done: Calibration) -> None:
    picture = read_picture(done.distributions)
    assert picture.shape == (780, 1260, 4)
    assert picture.std() > 10


@pytest.mark.slow
def test_the_same_study_gives_the_same_pictures(
    study: StudyConfig, done: Calibration, tmp_path: Path
) -> None:
    again = calibrate(study, tmp_path)
    for one, other in zip(
        (done.distributions, *done.sheets), (again.distributions, *again.sheets), strict=True
    ):
        assert one.read_bytes() == other.read_bytes()
    assert again.table.equals(done.table)


@pytest.mark.slow
def test_without_preprocessed_images_numbers_and_distributions_remain(tmp_path: Path) -> None:
    bare = make_visit(tmp_path / "study", preprocessed=False)
    done = calibrate(bare, tmp_path / "out")
    assert row_of(done, "frozen_min_s")["frames"] == len(FROZEN)
    assert done.table["pictures"].sum() == 0


def test_a_study_without_frame_tables_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(FramesMissingError, match="run `eus-etl run` first"):
        calibrate(make_study(tmp_path), tmp_path / "out")


@pytest.mark.parametrize(("score", "beyond"), [(0.2, False), (0.201, True), (None, None)])
def test_beyond_is_as_the_relation_says(score: float | None, beyond: bool | None) -> None:
    threshold = Threshold("low_contact", "low_contact_fraction", "shadow_fraction", ">")
    frame = pl.DataFrame({"shadow_fraction": [score]}, schema={"shadow_fraction": pl.Float64})
    assert frame.select(threshold.beyond(QualityConfig())).item() is beyond


@pytest.mark.slow
def test_the_command_prints_the_table_and_where_the_pictures_are(tmp_path: Path) -> None:
    config = CONFIGS / "eus_config.yaml"
    study_file = tmp_path / "eus_config.yaml"
    study_file.write_text(config.read_text().replace("root: /data/eusml", f"root: {tmp_path / 'root'}"))
    (tmp_path / "preprocess_config.yaml").write_text((config.parent / "preprocess_config.yaml").read_text())
    empty = run_command("calibrate", "--config", study_file)
    assert empty.exit_code == 1
    assert "run `eus-etl run` first" in empty.output
    make_visit(tmp_path / "root", preprocessed=False)
    done = run_command("calibrate", "--config", study_file)
    assert done.exit_code == 0, done.output
    assert "quality.blurred_sharpness_z" in done.output.replace("\n", "")
    folder = StudyPaths(tmp_path / "root").pictures / "calibration"
    assert (folder / "distributions.png").is_file()
    assert str(folder) in done.output.replace("\n", "")
