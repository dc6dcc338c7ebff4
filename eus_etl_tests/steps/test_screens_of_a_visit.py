"""A visit whose screen changes: regions, status, preprocessed frames, hand-written rows for a screen."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from benchmarks.support.hospitals.visits import PATIENT, make_study, put_video
from benchmarks.support.screens.screens import HEIGHT, WIDTH, field_mask
from benchmarks.support.screens.varied_screens import varied_screen
from eus_etl.commands.review_regions import lines_to_sign, review_regions, reviewable
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.screen.field.shapes import overlap
from eus_etl.domain.screen.region import format_polygon, mask, parse_polygon
from eus_etl.domain.screen.region_overrides import ConfirmedOutline
from eus_etl.domain.tables.catalog import LAYOUTS, PREPROCESSED, REGIONS, SYNC
from eus_etl.settings import RecipeConfig, StudyConfig
from eus_etl.steps.frame_table import make_frame_table
from eus_etl.steps.observation.known_screens import KNOWN_SCREENS, KnownScreens
from eus_etl.steps.preprocessed_frames.step import preprocess_patient
from eus_etl.steps.regions.step import find_regions
from eus_etl.steps.result import StepResult
from eus_etl.storage.tables.parts import load_part, rejected_part
from eus_etl_tests.domain.screen.test_layouts import clean, page, split

VIDEO = "vaaaaaaaaaaaa"
SCREENS = ["ultrasound", "split", "ultrasound", "report", "ultrasound"]
LENGTHS = [20, 12, 10, 12, 16]
DRAWN = "120,60 200,60 200,150 120,150"


@pytest.fixture
def visit(tmp_path: Path) -> StudyConfig:
    study = make_study(tmp_path)
    plain = {"plain": RecipeConfig(version=1, size_px=64)}
    study = study.model_copy(update={"preprocess": study.preprocess.model_copy(update={"recipes": plain})})
    live = clean(46)
    put_video(study, VIDEO, [[*live[:20], *split(12), *live[20:30], *page(12, 225, 20), *live[30:]]])
    return study


def locate(study: StudyConfig, *rows: dict[str, object]) -> StepResult:
    return find_regions(study, PATIENT, REGIONS.frame(rows))


def layouts_of(study: StudyConfig) -> pl.DataFrame:
    return load_part(StudyPaths(study.root), LAYOUTS, PATIENT)


def signature(study: StudyConfig, screen: str) -> str:
    return str(layouts_of(study).filter(pl.col("screen") == screen)["signature"][0])


def reasons(study: StudyConfig) -> list[str]:
    make_frame_table(study, PATIENT, SYNC.empty(), None)
    table = pl.read_parquet(StudyPaths(study.root).frame_table(PATIENT).with_suffix(".parquet"))
    return table["reasons"].fill_null("").to_list()


def test_each_screen_has_its_layouts_and_the_same_screen_the_same_region(visit: StudyConfig) -> None:
    result = locate(visit)
    layouts = layouts_of(visit)
    assert layouts["screen"].to_list() == SCREENS
    assert (layouts["last_row"] - layouts["first_row"] + 1).to_list() == LENGTHS
    assert layouts["layout_id"].to_list() == [f"{VIDEO}-{number}" for number in range(5)]
    ordinary = layouts.filter(pl.col("screen") == "ultrasound")
    assert ordinary["signature"].n_unique() == ordinary["polygon"].n_unique() == 1
    found = mask(parse_polygon(ordinary["polygon"][0]), WIDTH, HEIGHT) > 0
    assert (found & field_mask()).sum() / (found | field_mask()).sum() > 0.9
    assert layouts["kind"].to_list()[3] == "none"
    assert not rejected_part(StudyPaths(visit.root), "regions", PATIENT).exists()
    assert result.checks[0].passed
    assert (result.metadata["reports"], result.metadata["without_region"]) == (1, 0)


def test_frames_of_other_screens_say_so_and_the_rest_is_as_without_them(visit: StudyConfig) -> None:
    locate(visit)
    found = reasons(visit)
    parts = [found[sum(LENGTHS[:n]) : sum(LENGTHS[: n + 1])] for n in range(5)]
    assert all("split_layout" in each.split("|") for each in parts[1])
    assert set(parts[3]) == {"report_screen"}
    assert not [each for n in (0, 2, 4) for each in parts[n] if "split" in each or "report" in each]
    assert not [each for n in (0, 2, 4) for each in parts[n] if "blurred" in each]


def test_what_is_usual_is_usual_of_a_screen_not_of_a_stretch(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    blurred = [np.asarray(cv2.GaussianBlur(picture, (0, 0), 4), np.uint8) for picture in clean(8, 9)]
    put_video(study, VIDEO, [[*clean(20), *split(12), *blurred]])
    locate(study)
    assert layouts_of(study)["screen"].to_list() == SCREENS[:3]
    assert reasons(study)[32:] == ["blurred"] * 8


def test_a_report_is_not_preprocessed(visit: StudyConfig) -> None:
    locate(visit)
    result = preprocess_patient(visit, PATIENT)
    images = load_part(StudyPaths(visit.root), PREPROCESSED, PATIENT)
    assert images.height == sum(LENGTHS) - LENGTHS[3]
    assert f"{VIDEO}-3" not in set(images["layout_id"])
    assert result.metadata["frames_without_region"] == LENGTHS[3]


def test_a_row_for_one_screen_moves_only_its_layouts_and_makes_only_their_images(visit: StudyConfig) -> None:
    locate(visit)
    preprocess_patient(visit, PATIENT)
    paths = StudyPaths(visit.root)
    before = layouts_of(visit)
    images = {row["frame_id"]: row for row in load_part(paths, PREPROCESSED, PATIENT).to_dicts()}
    drawn = {"signature": signature(visit, "split"), "polygon": DRAWN}
    result = locate(visit, {"patient_id": PATIENT, "video_id": VIDEO, **drawn, "signed_off": "ab"})
    after = layouts_of(visit)
    moved = before["polygon"].ne_missing(after["polygon"]).to_list()
    assert moved == [False, True, False, False, False]
    assert after["signed_off"].to_list() == moved
    assert result.metadata["signed_off"] == 1
    for image in paths.frames_folder(PATIENT, VIDEO).iterdir():
        number = int(image.stem) // 200
        if not LENGTHS[0] <= number < LENGTHS[0] + LENGTHS[1]:
            image.unlink()
    made = preprocess_patient(visit, PATIENT)
    assert made.metadata["images_made"] == LENGTHS[1]
    now = {row["frame_id"]: row for row in load_part(paths, PREPROCESSED, PATIENT).to_dicts()}
    changed = {frame_id for frame_id in now if now[frame_id] != images[frame_id]}
    assert changed == {frame_id for frame_id, row in now.items() if row["layout_id"] == f"{VIDEO}-1"}
    assert all((paths.root / row["path"]).is_file() for row in now.values())


def test_a_moved_region_is_scored_without_an_image(visit: StudyConfig) -> None:
    locate(visit)
    before = reasons(visit)
    locate(visit, {"patient_id": PATIENT, "signature": signature(visit, "split"), "polygon": DRAWN})
    shutil.rmtree(StudyPaths(visit.root).frames / PATIENT)
    assert len(reasons(visit)) == len(before)


def test_a_row_without_a_screen_holds_for_ultrasound_only(visit: StudyConfig) -> None:
    locate(visit, {"patient_id": PATIENT, "polygon": DRAWN})
    by_hand = (layouts_of(visit)["found_by"] == "regions.csv").to_list()
    assert by_hand == [name == "ultrasound" for name in SCREENS]


def test_a_page_with_a_polygon_by_hand_is_ultrasound(visit: StudyConfig) -> None:
    locate(visit)
    locate(visit, {"patient_id": PATIENT, "signature": signature(visit, "report"), "polygon": DRAWN})
    row = layouts_of(visit).row(3, named=True)
    assert (row["screen"], row["found_by"]) == ("ultrasound", "regions.csv")


def test_two_sheets_a_layout_and_lines_that_sign_it_off(visit: StudyConfig, tmp_path: Path) -> None:
    locate(visit)
    preprocess_patient(visit, PATIENT)
    out = tmp_path / "review"
    stale = out / PATIENT / f"{VIDEO}-9_outline.png"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"of a layout that is no more")
    assert reviewable(visit) == [PATIENT]
    layouts = review_regions(visit, [PATIENT], out)
    names = {file.name for file in (out / PATIENT).iterdir()}
    assert names == {f"{VIDEO}-{n}_{kind}.png" for n in range(5) for kind in ("outline", "before_after")}
    outlined = cv2.imread(str(out / PATIENT / f"{VIDEO}-0_outline.png"))
    assert outlined is not None
    assert (outlined == (0, 255, 255)).all(axis=2).any()
    page_only = cv2.imread(str(out / PATIENT / f"{VIDEO}-3_before_after.png"))
    assert page_only is not None
    assert not page_only.any()  # nothing is preprocessed of a report

    header, *lines = lines_to_sign(layouts)
    assert len(lines) == 2
    corrections = StudyPaths(visit.root).regions_csv
    corrections.parent.mkdir(parents=True, exist_ok=True)
    corrections.write_text("\n".join([header, *lines]) + "\n")
    unsigned = find_regions(visit, PATIENT, pl.read_csv(corrections, schema=REGIONS.schema))
    assert unsigned.metadata["signed_off"] == 0  # nobody has replaced the sample's initials
    corrections.write_text(corrections.read_text().replace(",XX\n", ",AB\n"))
    signed = find_regions(visit, PATIENT, pl.read_csv(corrections, schema=REGIONS.schema))
    assert signed.metadata["signed_off"] == 4
    assert layouts_of(visit)["polygon"].equals(layouts["polygon"])
    assert len(lines_to_sign(layouts_of(visit))) == 1
    assert np.array_equal(layouts_of(visit)["signed_off"], [True, True, True, False, True])


def test_what_is_confirmed_for_a_screen_elsewhere_is_evidence_and_no_decision(tmp_path: Path) -> None:
    made = varied_screen("trapezoid", 7003)
    study = make_study(tmp_path)
    put_video(study, VIDEO, [[np.repeat(shown[..., np.newaxis], 3, axis=2) for shown in made.shown]])
    alone = locate(study)
    assert alone.shares == {KNOWN_SCREENS: None}
    before = layouts_of(study).row(0, named=True)

    def confirmed(screen: str, polygon: str) -> tuple[StepResult, dict[str, object]]:
        known = KnownScreens(confirmed=[ConfirmedOutline(screen, polygon)])
        result = find_regions(study, PATIENT, REGIONS.empty(), known)
        return result, layouts_of(study).row(0, named=True)

    [corners], _ = cv2.findContours(made.field.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    truth = format_polygon(np.asarray(corners[:, 0, :], np.int32))
    result, layout = confirmed(before["signature"], truth)
    assert result.shares[KNOWN_SCREENS] is not None
    found = mask(parse_polygon(str(layout["polygon"])), *made.field.shape[::-1]) > 0
    assert overlap(found, made.field) > 0.98
    assert (layout["found_by"], layout["signed_off"]) == ("auto_motion", False)

    other_screen = before["signature"].partition("-")[0] + "-" + "f0" * 16
    known = KnownScreens(confirmed=[ConfirmedOutline(other_screen, truth)])
    assert known.confirmed_for([before["signature"]]) == []
    assert known.share([before["signature"]]) is None
    assert confirmed(before["signature"], "0,0 9999,0 9999,9999")[1] == before
