"""Extraction of a visit: images, rows and grids, what is decoded again, and what is rejected."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.support.hospitals.visits_of_videos import PATIENT, contents, lay_out, study_at
from benchmarks.support.videos.pictures import read_picture
from benchmarks.support.videos.small_videos import evenly, read_number, write_video
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import DECODED, EXTRACTED
from eus_etl.settings import GridConfig, ImageConfig
from eus_etl.steps.frames import extract_patient
from eus_etl.storage.cell_store import load_grids
from eus_etl.storage.extraction_store import load_rows
from eus_etl.storage.tables.parts import load_part


def test_each_image_shows_the_frame_that_its_row_says(tmp_path: Path, video: Path) -> None:
    study = study_at(tmp_path / "root", rate_hz=5)
    (video_id,) = lay_out(study, [video])
    result = extract_patient(study, PATIENT)
    rows = load_rows(StudyPaths(study.root), PATIENT)
    assert rows.schema == EXTRACTED.schema
    assert rows["frame_index"].to_list() == [0, 5, 10, 15, 20, 25, 30, 35]
    assert rows["pts"].to_list() == [200 * n for n in range(8)]
    assert rows["video_s"].to_list() == [n / 5 for n in range(8)]
    assert rows["frame_id"][1] == f"{PATIENT}/{video_id}/000000000200"
    assert rows["path"][1] == f"master-dataset/Frames/{PATIENT}/{video_id}/000000000200.jpg"
    shown = [read_number(read_picture(study.root / path)) for path in rows["path"]]
    assert shown == rows["frame_index"].to_list()
    assert result.metadata["videos_decoded"] == 1
    assert result.metadata["frames"] == 8
    decoded, skipped = result.metadata["frames_decoded"], result.metadata["frames_skipped"]
    assert (decoded, skipped) == (28, 12)
    assert result.metadata["bytes"] == sum(
        path.stat().st_size for path in study.root.rglob("master-dataset/Frames/**/*.jpg")
    )
    assert all(check.passed for check in result.checks)
    assert load_part(StudyPaths(study.root), DECODED, PATIENT).rows(named=True) == [
        {
            "patient_id": PATIENT,
            "video_id": video_id,
            "frames_decoded": 28,
            "frames_skipped": 12,
            "decode_errors": 0,
            "frames_before_key": 0,
            "frames_missing": 0,
            "clock_restarts": 0,
            "interlaced": False,
            "deinterlaced": False,
            "frames_kept": 8,
        }
    ]


def test_the_same_picture_has_the_same_id_at_every_rate(tmp_path: Path, video: Path) -> None:
    ids = {}
    for rate in (None, 10.0, 5.0):
        study = study_at(tmp_path / f"root{rate}", rate_hz=rate)
        lay_out(study, [video])
        extract_patient(study, PATIENT)
        ids[rate] = load_rows(StudyPaths(study.root), PATIENT)["frame_id"].to_list()
    assert [len(ids[rate]) for rate in ids] == [40, 16, 8]
    assert set(ids[5.0]) < set(ids[10.0]) < set(ids[None])


def test_a_second_run_decodes_nothing_even_without_raw_data(tmp_path: Path, video: Path) -> None:
    study = study_at(tmp_path / "root", rate_hz=5)
    lay_out(study, [video])
    first = extract_patient(study, PATIENT)
    (study.root / "raw_data").rename(tmp_path / "elsewhere")
    before = contents(study.root)
    second = extract_patient(study, PATIENT)
    assert (second.metadata["videos_decoded"], second.metadata["videos_kept"]) == (0, 1)
    assert second.version == first.version
    assert contents(study.root) == before


def test_another_video_is_the_only_one_decoded_and_one_gone_leaves_nothing(
    tmp_path: Path, video: Path
) -> None:
    other = write_video(tmp_path / "two.mkv", evenly(50, 20))
    study = study_at(tmp_path / "root", rate_hz=5)
    lay_out(study, [video])
    alone = extract_patient(study, PATIENT)
    before = contents(study.root, "master-dataset", ".eus_etl")
    lay_out(study, [video, other])
    both = extract_patient(study, PATIENT)
    assert (both.metadata["videos_decoded"], both.metadata["videos_kept"]) == (1, 1)
    assert both.version != alone.version
    lay_out(study, [video])
    again = extract_patient(study, PATIENT)
    assert again.metadata["videos_decoded"] == 0
    assert again.version == alone.version
    assert contents(study.root, "master-dataset", ".eus_etl") == before


@pytest.mark.parametrize(
    "change",
    [
        {"rate_hz": 10.0},
        {"image": ImageConfig(quality=80)},
        {"image": ImageConfig(format="png")},
        {"grid": GridConfig(block_px=32)},
        {"deinterlace": True},
    ],
)
def test_a_changed_configuration_extracts_anew_and_leaves_nothing_of_the_old(
    tmp_path: Path, video: Path, change: dict[str, object]
) -> None:
    settings = {"rate_hz": 5.0, **change}
    changed, fresh = study_at(tmp_path / "root", **settings), study_at(tmp_path / "fresh", **settings)  # type: ignore[arg-type]  # the parameters are of several types
    lay_out(study_at(tmp_path / "root"), [video])
    first = extract_patient(study_at(tmp_path / "root", rate_hz=5.0), PATIENT)
    second = extract_patient(changed, PATIENT)
    assert second.metadata["videos_decoded"] == 1
    assert second.version != first.version
    lay_out(fresh, [video])
    extract_patient(fresh, PATIENT)
    assert contents(changed.root) == contents(fresh.root)


def test_grids_have_a_row_a_frame_and_a_segment_a_picture_size(tmp_path: Path) -> None:
    base = Fraction(1, 90_000)
    first = write_video(tmp_path / "1.ts", evenly(3600, 10), base, size=(160, 96))
    second = write_video(tmp_path / "2.ts", evenly(3600, 10, start=36_000), base, size=(320, 192))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    study = study_at(tmp_path / "root")
    (video_id,) = lay_out(study, [joined])
    extract_patient(study, PATIENT)
    rows = load_rows(StudyPaths(study.root), PATIENT)
    grids = load_grids(StudyPaths(study.root).extracted_folder(PATIENT, video_id))
    assert rows["segment"].to_list() == [0] * 10 + [1] * 10
    assert rows["grid_row"].to_list() == [*range(10), *range(10)]
    assert [(grid.geometry.width_px, grid.frames) for grid in grids] == [(160, 10), (320, 10)]
    for row in rows.iter_rows(named=True):
        grey = cv2.cvtColor(read_picture(study.root / row["path"]), cv2.COLOR_BGR2GRAY)
        grid = grids[row["segment"]]
        weights = np.ones((grid.geometry.rows, grid.geometry.cols))
        assert grid.score(weights).brightness[row["grid_row"]] == pytest.approx(grey.mean(), abs=1)


def test_repeated_pts_keep_all_their_images(tmp_path: Path) -> None:
    part = write_video(tmp_path / "part.ts", evenly(3600, 5, start=900_000), Fraction(1, 90_000))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part.read_bytes() * 2)
    study = study_at(tmp_path / "root")
    lay_out(study, [joined])
    result = extract_patient(study, PATIENT)
    rows = load_rows(StudyPaths(study.root), PATIENT)
    assert result.metadata["frames"] == 10
    assert rows["frame_id"].n_unique() == 10
    assert rows["frame_id"][5].endswith("/000000900000-1")
    shown = [read_number(read_picture(study.root / path)) for path in rows["path"]]
    assert shown == [*range(5), *range(5)]


def test_progress_is_told_with_ids_only(tmp_path: Path, video: Path) -> None:
    study = study_at(tmp_path / "root", rate_hz=5)
    (video_id,) = lay_out(study, [video])
    told: list[str] = []
    decoded: list[int] = []
    extract_patient(study, PATIENT, progress=told.append, on_frames=decoded.append)
    assert told == [f"{video_id}: 8 of 40 frames kept, 28 decoded"]
    assert sum(decoded) == 28


def test_real_clips_give_their_true_frame_counts(shared: Path, tmp_path: Path) -> None:
    counts = {
        "Vir_prospective_file2.mp4": 151,
        "clarius-ocular-short.mp4": 50,
        "color3d_jpeg_baseline.mjpeg.avi": 120,
        "examples_ybr_color.dcm": 30,
    }
    study = study_at(tmp_path / "root")
    ids = lay_out(study, [shared / "clips" / name for name in counts])
    result = extract_patient(study, PATIENT)
    rows = load_rows(StudyPaths(study.root), PATIENT)
    assert dict(rows.group_by("video_id").len().rows()) == dict(zip(ids, counts.values(), strict=True))
    assert result.metadata["frames"] == sum(counts.values())
    assert all(check.passed for check in result.checks)
