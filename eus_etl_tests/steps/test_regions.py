from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from benchmarks.support.hospitals.visits import PATIENT, grid_of, make_study, put_video
from benchmarks.support.screens.screens import (
    HEIGHT,
    WIDTH,
    Picture,
    colored,
    field_mask,
    moving_screens,
    screen,
)
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.screen.region import mask, parse_polygon
from eus_etl.domain.tables.catalog import LAYOUTS, REGIONS
from eus_etl.errors import FramesMissingError
from eus_etl.sample.screen import optical_texture, optical_view
from eus_etl.settings import QualityConfig, StudyConfig
from eus_etl.steps.regions.screen_region import sample_rows
from eus_etl.steps.regions.step import find_regions
from eus_etl.steps.result import StepResult
from eus_etl.storage.tables.parts import load_part, rejected_part

VIDEO, OTHER = "vaaaaaaaaaaaa", "vbbbbbbbbbbbb"
BLACK: list[Picture] = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 4


def clean(frames: int = 30, seed: int = 0) -> list[Picture]:
    return [colored(picture) for picture in moving_screens(frames, seed)]


def by_hand(*rows: tuple[str | None, str]) -> pl.DataFrame:
    return REGIONS.frame(
        {"patient_id": PATIENT, "video_id": video_id, "polygon": polygon} for video_id, polygon in rows
    )


def layouts_of(study: StudyConfig) -> pl.DataFrame:
    return load_part(StudyPaths(study.root), LAYOUTS, PATIENT)


def rejected_of(study: StudyConfig) -> list[tuple[str, str]]:
    part = rejected_part(StudyPaths(study.root), "regions", PATIENT)
    return pl.read_parquet(part).select("item", "reason").rows() if part.is_file() else []


def check(result: StepResult) -> bool:
    (only,) = result.checks
    assert only.name == "every_layout_has_a_region"
    return only.passed


def test_each_segment_is_a_layout_with_its_region(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    small = [np.asarray(cv2.resize(p, (WIDTH // 2, HEIGHT // 2)), np.uint8) for p in clean(20, 5)]
    put_video(study, VIDEO, [clean(), small])
    result = find_regions(study, PATIENT, REGIONS.empty())
    layouts = layouts_of(study)
    assert layouts["layout_id"].to_list() == [f"{VIDEO}-0", f"{VIDEO}-1"]
    assert layouts["segment"].to_list() == [0, 1]
    assert layouts.select("width", "height").rows() == [(WIDTH, HEIGHT), (WIDTH // 2, HEIGHT // 2)]
    assert layouts["found_by"].to_list() == ["auto_motion"] * 2
    found = mask(parse_polygon(layouts["polygon"][0]), WIDTH, HEIGHT) > 0
    assert (found & field_mask()).sum() / (found | field_mask()).sum() > 0.9
    assert layouts["first_pts"][1] > layouts["last_pts"][0]
    assert check(result)
    assert result.metadata["videos_decoded"] == 0
    images_read = result.metadata["images_read"]
    assert isinstance(images_read, int)
    assert 0 < images_read <= 2 * study.regions.sample_frames


def test_the_overlay_is_an_outline_on_a_blank_screen(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    put_video(study, VIDEO, [clean()])
    find_regions(study, PATIENT, REGIONS.empty())
    overlay = cv2.imread(str(tmp_path / layouts_of(study)["overlay"][0]))
    assert overlay is not None
    assert overlay.shape == (HEIGHT, WIDTH, 3)
    assert len(np.unique(overlay.reshape(-1, 3), axis=0)) == 2


def test_a_screen_without_a_field_is_recorded_and_checked(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    put_video(study, VIDEO, [BLACK])
    put_video(study, OTHER, [clean()])
    result = find_regions(study, PATIENT, REGIONS.empty())
    layouts = layouts_of(study)
    assert layouts["video_id"].to_list() == [VIDEO, OTHER]
    assert (layouts["kind"] == "none").to_list() == [True, False]
    assert layouts.row(0, named=True)["polygon"] is None
    assert layouts.row(0, named=True)["overlay"] is None
    assert rejected_of(study) == [(f"{VIDEO}-0", "no_region")]
    assert not check(result)


def test_a_region_found_without_motion_is_used_and_recorded_as_uncertain(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    put_video(study, VIDEO, [clean(1) * 10])
    result = find_regions(study, PATIENT, REGIONS.empty())
    assert layouts_of(study)["found_by"].to_list() == ["auto_structure"]
    assert rejected_of(study) == [(f"{VIDEO}-0", "uncertain_region")]
    assert result.metadata["uncertain"] == 1
    assert check(result)


def test_an_endoscopes_view_alone_is_uncertain(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    texture = optical_texture(np.random.default_rng(0), WIDTH, HEIGHT)
    put_video(study, VIDEO, [[optical_view(texture, 0.4 * number, WIDTH, HEIGHT) for number in range(24)]])
    result = find_regions(study, PATIENT, REGIONS.empty())
    layout = layouts_of(study).row(0, named=True)
    assert layout["uncertain"]
    assert "endoscope" in layout["doubt"]
    assert rejected_of(study) == [(f"{VIDEO}-0", "uncertain_region")]
    assert result.metadata["uncertain"] == 1


def test_a_row_of_the_video_beats_one_of_the_visit_and_no_image_is_read(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    put_video(study, VIDEO, [clean()])
    put_video(study, OTHER, [clean(seed=1)])
    rows = by_hand((None, "10,10 200,10 200,200"), (OTHER, "20,20 210,20 210,210 20,210"))
    result = find_regions(study, PATIENT, rows)
    layouts = layouts_of(study)
    assert layouts["polygon"].to_list() == ["10,10 200,10 200,200", "20,20 210,20 210,210 20,210"]
    assert set(layouts["found_by"]) == {"regions.csv"}
    assert result.metadata["images_read"] == 0


@pytest.mark.parametrize("polygon", ["10,10 900,10 900,200", "ten,ten", "5,5 5,5 5,5"])
def test_a_bad_polygon_is_recorded_and_the_region_is_searched_for(tmp_path: Path, polygon: str) -> None:
    study = make_study(tmp_path)
    put_video(study, VIDEO, [clean()])
    result = find_regions(study, PATIENT, by_hand((VIDEO, polygon)))
    assert layouts_of(study)["found_by"].to_list() == ["auto_motion"]
    assert rejected_of(study) == [(f"{VIDEO}-0", "bad_polygon")]
    assert result.metadata["corrections_rejected"] == 1


def test_a_bad_row_of_the_video_leaves_the_one_of_the_visit(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    put_video(study, VIDEO, [clean()])
    find_regions(study, PATIENT, by_hand((VIDEO, "nonsense"), (None, "10,10 200,10 200,200")))
    assert layouts_of(study)["found_by"].to_list() == ["regions.csv"]
    assert rejected_of(study) == [(f"{VIDEO}-0", "bad_polygon")]


def test_the_version_follows_the_regions_and_what_was_rejected_and_old_traces_go(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    put_video(study, VIDEO, [clean()])
    first = find_regions(study, PATIENT, by_hand((VIDEO, "nonsense")))
    assert find_regions(study, PATIENT, by_hand((VIDEO, "nonsense"))).version == first.version
    assert find_regions(study, PATIENT, REGIONS.empty()).version != first.version
    assert rejected_of(study) == []
    other = find_regions(study, PATIENT, by_hand((VIDEO, "10,10 200,10 200,200")))
    assert other.version != first.version


def test_a_visit_without_videos_has_no_layouts(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    result = find_regions(study, PATIENT, REGIONS.empty())
    assert layouts_of(study).is_empty()
    assert check(result)


def test_a_missing_image_stops_with_its_frame_and_a_remedy(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    put_video(study, VIDEO, [clean()])
    for image in StudyPaths(tmp_path).frames_folder(PATIENT, VIDEO).iterdir():
        image.write_bytes(b"no picture")
    with pytest.raises(FramesMissingError, match=f"{PATIENT}/{VIDEO}/.*run again"):
        find_regions(study, PATIENT, REGIONS.empty())


def test_sampled_pictures_avoid_black_frozen_and_endoscope_views() -> None:
    frozen = clean(1, seed=8) * 30
    optical = [np.full((HEIGHT, WIDTH, 3), (60, 90, 150 + 4 * n), np.uint8) for n in range(20)]
    header = [colored(screen(np.zeros((HEIGHT, WIDTH), np.uint8), tick)) for tick in range(20)]
    pictures = [*header, *clean(40), *frozen, *optical]
    rows = sample_rows(grid_of(pictures), 12, QualityConfig())
    assert len(rows) == 12
    assert rows.min() >= 20
    assert rows.max() <= 60  # the picture that froze moved from the one before
    assert np.ptp(rows) > 35  # spread over what is left


def test_where_all_is_still_or_black_pictures_are_sampled_nevertheless() -> None:
    assert len(sample_rows(grid_of(BLACK), 48, QualityConfig())) == len(BLACK)
    assert len(sample_rows(grid_of(clean(1) * 30), 10, QualityConfig())) == 10


def test_a_row_for_a_video_that_was_uploaded_again_is_recorded(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    put_video(study, VIDEO, [clean()])
    find_regions(study, PATIENT, by_hand(("v0123456789ab", "1,1 9,1 9,9"), (VIDEO, "1,1 99,1 99,99")))
    assert rejected_of(study) == [("regions.csv", "unknown_video")]
    assert layouts_of(study)["found_by"].to_list() == ["regions.csv"]
