"""Marks on the picture, from the search for a region to the preprocessed image."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.support.hospitals.visits import PATIENT, make_study, put_video
from benchmarks.support.screens.screens import Picture, colored, moving_screens
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.screen.overlays import parse_boxes
from eus_etl.domain.tables.catalog import LAYOUTS, PREPROCESSED, REGIONS
from eus_etl.settings import RecipeConfig, StudyConfig
from eus_etl.steps.preprocessed_frames.step import preprocess_patient
from eus_etl.steps.regions.step import find_regions
from eus_etl.storage.tables.parts import load_part

VIDEO = "vaaaaaaaaaaaa"
CROSS = (160, 130)


@pytest.fixture
def visit(tmp_path: Path) -> StudyConfig:
    study = make_study(tmp_path)
    recipes = {"plain": RecipeConfig(version=1, size_px=256)}
    study = study.model_copy(update={"preprocess": study.preprocess.model_copy(update={"recipes": recipes})})
    pictures = [picture // 2 for picture in moving_screens(12)]
    for picture in pictures:
        cv2.drawMarker(picture, CROSS, 255, cv2.MARKER_CROSS, 13)
    put_video(study, VIDEO, [[colored(picture) for picture in pictures]])
    return study


def with_marks(study: StudyConfig, marks: str) -> StudyConfig:
    return study.model_copy(update={"regions": study.regions.model_copy(update={"marks": marks})})


def locate(study: StudyConfig, polygon: str | None = None) -> dict[str, object]:
    """Find the visit's region, or give it by hand; its row of layouts."""
    rows = [{"patient_id": PATIENT, "polygon": polygon}] if polygon else []
    found = find_regions(study, PATIENT, REGIONS.frame(rows))
    row = load_part(StudyPaths(study.root), LAYOUTS, PATIENT).row(0, named=True)
    return {**row, "images_read": found.metadata["images_read"]}


def brightest_at_the_cross(study: StudyConfig) -> int:
    """Grey level of the cross in the darkest of the preprocessed images."""
    paths = StudyPaths(study.root)
    levels = []
    for row in load_part(paths, PREPROCESSED, PATIENT).to_dicts():
        picture: Picture = np.asarray(cv2.imread(str(paths.root / row["path"]), cv2.IMREAD_GRAYSCALE))
        x, y = (
            int((at + 0.5 - row[f"crop_{axis}"]) * row["scale"] + row[f"pad_{axis}"])
            for at, axis in zip(CROSS, "xy", strict=True)
        )
        levels.append(int(picture[y - 2 : y + 3, x - 2 : x + 3].max()))
    return min(levels)


def test_marks_are_flagged_left_by_default_and_painted_over_on_request(visit: StudyConfig) -> None:
    layout = locate(visit)
    ((x, y, width, height),) = parse_boxes(str(layout["marks"]))
    assert abs(x + width / 2 - CROSS[0] - 0.5) <= 1
    assert abs(y + height / 2 - CROSS[1] - 0.5) <= 1
    assert (layout["inpainted"], layout["picture_in_picture"]) == (False, None)
    assert preprocess_patient(visit, PATIENT).metadata["images_made"] == 12
    assert brightest_at_the_cross(visit) > 220

    painting = with_marks(visit, "inpaint")
    assert locate(painting)["inpainted"] is True
    assert preprocess_patient(painting, PATIENT).metadata["images_made"] == 12
    assert brightest_at_the_cross(painting) < 150
    assert preprocess_patient(painting, PATIENT).metadata["images_made"] == 0

    locate(visit)
    assert preprocess_patient(visit, PATIENT).metadata["images_made"] == 12
    assert brightest_at_the_cross(visit) > 220


def test_a_region_by_hand_reads_images_only_where_marks_are_painted_over(visit: StudyConfig) -> None:
    by_hand = "80,50 240,50 240,190 80,190"
    left = locate(visit, by_hand)
    assert (left["kind"], left["images_read"], left["marks"], left["confidence"]) == ("polygon", 0, None, 1.0)
    painted = locate(with_marks(visit, "inpaint"), by_hand)
    assert painted["images_read"]
    assert painted["inpainted"] is True
    assert len(parse_boxes(str(painted["marks"]))) == 1
