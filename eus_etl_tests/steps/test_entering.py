"""Frames that a name, a window or a code covers for a moment are marked, left out and never repeated."""

from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from benchmarks.support.hospitals.visits import PATIENT, make_study, put_video
from benchmarks.support.screens.screens import Picture, colored, moving_screens
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import LAYOUTS, PREPROCESSED, REGIONS, SYNC, frame_table
from eus_etl.settings import RecipeConfig, StudyConfig, TextCheckConfig
from eus_etl.steps.frame_table import make_frame_table
from eus_etl.steps.preprocessed_frames.step import preprocess_patient
from eus_etl.steps.regions.step import find_regions
from eus_etl.storage.tables.parts import load_frame_table, load_part

VIDEO = "vaaaaaaaaaaaa"
FRAMES, FIRST, STOP = 20, 10, 13
NAME = "SCHMIDT"


def studied(root: Path, enabled: str = "always") -> StudyConfig:
    study = make_study(root)
    update = {
        "text_check": TextCheckConfig.model_validate({"enabled": enabled}),
        "recipes": {"grey": RecipeConfig(version=1, size_px=128)},
    }
    return study.model_copy(update={"preprocess": study.preprocess.model_copy(update=update)})


def screens(what: str, first: int = FIRST, stop: int = STOP) -> list[Picture]:
    pictures = [colored(picture) for picture in moving_screens(FRAMES)]
    for picture in pictures[first:stop]:
        if what == "name":
            cv2.rectangle(picture, (98, 108), (205, 138), (40,) * 3, -1)
            cv2.putText(picture, NAME, (102, 130), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (240,) * 3, 2, cv2.LINE_AA)
        elif what == "measure":
            cv2.rectangle(picture, (98, 108), (205, 138), (40,) * 3, -1)
            cv2.putText(picture, "4.2 cm", (102, 130), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (240,) * 3, 2)
        elif what == "code":
            bits = np.random.default_rng(1).integers(0, 2, (1, 50)).astype(np.uint8) * 255
            picture[110:150, 98:198] = cv2.resize(bits, (100, 40), interpolation=cv2.INTER_NEAREST)[
                :, :, None
            ]
    return pictures


def covered_frames(study: StudyConfig) -> list[int]:
    make_frame_table(study, PATIENT, SYNC.empty(), None)
    table = load_frame_table(StudyPaths(study.root), frame_table(study.families), PATIENT)
    reasons = table["reasons"].fill_null("").str.split("|")
    return np.flatnonzero(reasons.list.contains("overlay").to_numpy()).tolist()


@pytest.mark.parametrize("what", ["name", "code"])
def test_frames_that_something_covers_are_marked_and_not_preprocessed(tmp_path: Path, what: str) -> None:
    study = studied(tmp_path)
    put_video(study, VIDEO, [screens(what)])
    result = find_regions(study, PATIENT, REGIONS.empty())
    expected = list(range(FIRST - 1, STOP + 1))  # a frame more on either side
    assert covered_frames(study) == expected
    assert result.metadata["frames_covered"] == len(expected)
    preprocess_patient(study, PATIENT)
    made = load_part(StudyPaths(study.root), PREPROCESSED, PATIENT)["frame_id"]
    rows = [int(frame_id.rpartition("/")[2]) // 200 for frame_id in made]
    assert rows == [row for row in range(FRAMES) if row not in expected]
    (layout,) = load_part(StudyPaths(study.root), LAYOUTS, PATIENT).to_dicts()
    assert layout["covered_boxes"]
    assert NAME not in f"{result} {layout}"


def test_what_is_there_from_the_first_frame_on_is_found_and_what_stays_is_not(tmp_path: Path) -> None:
    study = studied(tmp_path)
    put_video(study, VIDEO, [screens("name", 0, 3)])
    find_regions(study, PATIENT, REGIONS.empty())
    assert covered_frames(study) == [0, 1, 2, 3]
    put_video(study, VIDEO, [screens("name", 0, FRAMES)])
    find_regions(study, PATIENT, REGIONS.empty())
    assert covered_frames(study) == []


def test_what_a_scanner_writes_covers_nothing(tmp_path: Path) -> None:
    study = studied(tmp_path)
    put_video(study, VIDEO, [screens("measure")])
    find_regions(study, PATIENT, REGIONS.empty())
    assert covered_frames(study) == []


def test_images_are_made_again_only_where_the_covered_frames_changed(tmp_path: Path) -> None:
    study = studied(tmp_path, "never")
    put_video(study, VIDEO, [screens("name")])
    assert find_regions(study, PATIENT, REGIONS.empty()).metadata["frames_covered"] == 0
    assert preprocess_patient(study, PATIENT).metadata["images"] == FRAMES
    part = StudyPaths(study.root).part(LAYOUTS.name, PATIENT)
    layouts = pl.read_parquet(part)
    layouts.with_columns(covered_rows=pl.lit("3-4 9-9")).write_parquet(part)
    assert preprocess_patient(study, PATIENT).metadata["images"] == FRAMES - 3
    assert covered_frames(study) == [3, 4, 9]
