import shutil
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest

from benchmarks.support.hospitals.visits import PATIENT, RATE_HZ, intervals, make_study, put_video
from benchmarks.support.screens.screens import (
    HEIGHT,
    WIDTH,
    Picture,
    colored,
    moving_screens,
    screen,
    speckle,
)
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import LABELS, REGIONS, SYNC, frame_table
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.settings import StudyConfig
from eus_etl.steps.frame_table import make_frame_table
from eus_etl.steps.observation.snapshot import RefusedRow
from eus_etl.steps.regions.step import find_regions
from eus_etl.steps.result import StepResult
from eus_etl.storage.tables.parts import rejected_part, write_part

VIDEO, OTHER = "vaaaaaaaaaaaa", "vbbbbbbbbbbbb"
CLEAN = 30
RECORDED_S = 2 * CLEAN / RATE_HZ
LABELLED = intervals(("station", "Station 1", 1.0, 4.0), ("position", "D 1", 2.0, 9.0))


def clean(seed: int) -> list[Picture]:
    return [colored(picture) for picture in moving_screens(CLEAN, seed)]


@pytest.fixture
def visit(tmp_path: Path) -> StudyConfig:
    """A visit of two videos, its labels and its regions; frames 10 to 19 of the first stand still."""
    study = make_study(tmp_path)
    first = clean(0)
    frozen = speckle(np.random.default_rng(9))
    first[10:20] = [colored(screen(frozen, tick)) for tick in range(10, 20)]
    put_video(study, VIDEO, [first])
    put_video(study, OTHER, [clean(1)])
    write_part(StudyPaths(tmp_path), LABELS, PATIENT, LABELLED)
    find_regions(study, PATIENT, REGIONS.empty())
    return study


def make(
    study: StudyConfig, sync: pl.DataFrame | None = None, procedure_s: float | None = RECORDED_S
) -> StepResult:
    return make_frame_table(study, PATIENT, SYNC.empty() if sync is None else sync, procedure_s)


def twin(study: StudyConfig) -> pl.DataFrame:
    return pl.read_parquet(StudyPaths(study.root).frame_table(PATIENT).with_suffix(".parquet"))


def outcomes(result: StepResult) -> dict[str, bool]:
    return {check.name: check.passed for check in result.checks}


def test_the_table_has_one_row_per_frame_with_labels_scores_and_reasons(visit: StudyConfig) -> None:
    result = make(visit)
    table = twin(visit)
    assert dict(table.schema) == frame_table(visit.families).schema
    assert table["timeline_s"].to_list() == pytest.approx([n / RATE_HZ for n in range(2 * CLEAN)])
    assert table.filter(pl.col("station").is_not_null())["procedure_s"].to_list() == pytest.approx(
        [n / RATE_HZ for n in range(5, 20)]
    )
    frozen = table.with_row_index().filter(pl.col("reasons").str.contains("frozen").fill_null(False))
    assert frozen["index"].to_list() == list(range(10, 20))
    assert table["sharpness_z"].null_count() == 0
    assert result.metadata["frames"] == 2 * CLEAN
    assert result.metadata["reason frozen"] == 10
    assert result.metadata["seconds station: Station 1"] == pytest.approx(3.0)
    assert (result.metadata["images_read"], result.metadata["videos_decoded"]) == (0, 0)
    assert outcomes(result) == {
        "frames_equal_rows": True,
        "labels_inside_recording": True,
        "synchronised": True,
    }


def test_the_csv_reads_back_as_its_twin(visit: StudyConfig) -> None:
    make(visit)
    file = StudyPaths(visit.root).frame_table(PATIENT)
    table = frame_table(visit.families)
    assert pl.read_csv(file, schema=table.schema).equals(twin(visit))
    assert b"\r" not in file.read_bytes()


def test_no_image_and_no_video_is_needed(visit: StudyConfig) -> None:
    before = make(visit)
    paths = StudyPaths(visit.root)
    shutil.rmtree(paths.frames / PATIENT)
    assert make(visit).version == before.version


def test_the_version_follows_labels_thresholds_and_sync(visit: StudyConfig) -> None:
    versions = [make(visit).version]
    write_part(StudyPaths(visit.root), LABELS, PATIENT, LABELLED.head(1))
    versions.append(make(visit).version)
    strict = visit.quality.model_copy(update={"frozen_min_s": 60.0})
    other = visit.model_copy(update={"quality": strict})
    result = make(other)
    versions.append(result.version)
    assert "reason frozen" not in result.metadata
    row = SYNC.frame([{"patient_id": PATIENT, "offset_s": 1.0, "method": "clock", "by": "ab"}])
    versions.append(make(visit, row).version)
    assert len(set(versions)) == 4


def test_a_moved_region_changes_scores_without_reading_an_image(visit: StudyConfig) -> None:
    make(visit)
    before = twin(visit)["brightness"].to_list()
    corner = REGIONS.frame([{"patient_id": PATIENT, "polygon": "0,0 300,0 300,60 0,60"}])
    find_regions(visit, PATIENT, corner)
    shutil.rmtree(StudyPaths(visit.root).frames / PATIENT)
    make(visit)
    assert twin(visit)["brightness"].to_list() != before


def test_labels_outside_of_the_recording_fail_their_check(visit: StudyConfig) -> None:
    outside = intervals(("station", "Station 1", 1.0, 4.0), ("station", "Station 3", 100.0, 120.0))
    write_part(StudyPaths(visit.root), LABELS, PATIENT, outside)
    result = make(visit)
    assert not outcomes(result)["labels_inside_recording"]
    (detail,) = (check.detail for check in result.checks if check.name == "labels_inside_recording")
    assert "1 used interval" in detail


def test_a_visit_that_needs_synchronising_is_flagged(visit: StudyConfig) -> None:
    flagged = make(visit, procedure_s=RECORDED_S * 1.2)
    assert flagged.metadata["sync_needed"] is True
    assert not outcomes(flagged)["synchronised"]
    row = SYNC.frame([{"patient_id": PATIENT, "offset_s": 0.0}])
    assert outcomes(make(visit, row, RECORDED_S * 1.2))["synchronised"]
    assert outcomes(make(visit, procedure_s=None))["synchronised"]


def test_a_layout_without_a_region_still_gets_its_rows(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    put_video(study, VIDEO, [[np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 5])
    find_regions(study, PATIENT, REGIONS.empty())
    make(study)
    assert twin(study)["reasons"].to_list() == ["no_signal"] * 5


def test_segments_are_scored_apart(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    small = [np.asarray(cv2.resize(p, (WIDTH // 2, HEIGHT // 2)), np.uint8) for p in clean(3)]
    put_video(study, VIDEO, [clean(2), small])
    find_regions(study, PATIENT, REGIONS.empty())
    result = make(study)
    table = twin(study)
    assert table.filter(pl.col("motion").is_null())["video_s"].to_list() == [0.0, CLEAN / RATE_HZ]
    assert result.metadata["disturbed"] == 0


def test_a_visit_without_videos_has_an_empty_table_and_labels_outside(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    write_part(StudyPaths(tmp_path), LABELS, PATIENT, LABELLED)
    result = make(study)
    assert twin(study).height == 0
    assert not outcomes(result)["labels_inside_recording"]
    header = StudyPaths(tmp_path).frame_table(PATIENT).read_text().strip()
    assert header == ",".join(frame_table(study.families).names)


def test_a_correction_of_a_video_that_was_uploaded_again_is_recorded_and_makes_no_label_certain(
    visit: StudyConfig,
) -> None:
    good = SYNC.frame([{"patient_id": PATIENT, "video_id": VIDEO, "offset_s": -1.0}])
    known = make(visit, good)
    assert known.metadata["corrections_rejected"] == 0
    old = SYNC.frame([{"patient_id": PATIENT, "video_id": "v0123456789ab", "offset_s": -1.0}])
    made = make(visit, pl.concat([good, old]))
    assert made.version != known.version
    assert made.metadata["corrections_rejected"] == 1
    assert made.metadata["sync_needed"] is True
    assert not outcomes(made)["synchronised"]
    part = rejected_part(StudyPaths(visit.root), "frame_table", PATIENT)
    assert pl.read_parquet(part).select("item", "reason").rows() == [("sync.csv", "unknown_video")]
    certain = twin(visit).group_by("video_id").agg(pl.col("label_certain").any())
    assert dict(certain.iter_rows()) == {VIDEO: True, OTHER: False}
    assert make(visit, good).version == known.version
    assert not part.exists()


def test_a_correction_that_cannot_be_used_makes_no_label_certain(visit: StudyConfig) -> None:
    bad = Rejection(item="row 2", reason="not_a_number", detail="offset_s: it is no number")
    made = make_frame_table(
        visit, PATIENT, SYNC.empty(), RECORDED_S, [RefusedRow(video_id=None, rejection=bad)]
    )
    assert made.metadata["sync_needed"] is True
    assert not twin(visit)["label_certain"].any()
    assert twin(visit)["label_uncertainty_s"].is_null().all()
    part = rejected_part(StudyPaths(visit.root), "frame_table", PATIENT)
    assert pl.read_parquet(part).select("item", "reason").rows() == [("row 2", "not_a_number")]
