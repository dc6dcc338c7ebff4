"""What a change of the uploads makes again and what it leaves alone."""

import shutil

import polars as pl
import pytest

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TWO, TinyHospital
from eus_etl.domain.tables import catalog
from eus_etl_tests.support.hospitals.edited import KEPT, contents, frames, made, numbers, run, table


@pytest.mark.slow
def test_of_a_second_video_only_that_one_is_decoded(hospital: TinyHospital) -> None:
    before = contents(hospital.paths.frames_of_patient(ONE))
    hospital.add_video(f"{ONE}/second.mp4", first=300)
    report = run(hospital)
    assert report.videos_decoded == 1
    assert made(report, TWO) == set()
    assert numbers(hospital, ONE) == [*range(0, 50, 5), *range(300, 350, 5)]
    assert frames(hospital, ONE)["timeline_s"].to_list() == pytest.approx([k / 5 for k in range(2 * KEPT)])
    assert before.items() < contents(hospital.paths.frames_of_patient(ONE)).items()


@pytest.mark.slow
def test_a_renamed_upload_is_not_decoded_and_keeps_its_ids(hospital: TinyHospital) -> None:
    before, images = frames(hospital, ONE), contents(hospital.paths.frames_of_patient(ONE))
    upload = hospital.videos / ONE / "first.mp4"
    upload.rename(upload.with_name("better name.mp4"))
    report = run(hospital)
    assert made(report, TWO) == set()
    assert report.videos_decoded == 0
    assert frames(hospital, ONE).equals(before)
    assert contents(hospital.paths.frames_of_patient(ONE)) == images
    assert [file.name for file in hospital.paths.raw_folder(ONE).iterdir()] == ["better name.mp4"]
    videos = table(hospital, catalog.VIDEOS).filter(pl.col("patient_id") == ONE)
    assert videos["file_name"].to_list() == ["better name.mp4"]


@pytest.mark.slow
def test_a_replaced_upload_takes_the_frames_of_the_old_one_away(hospital: TinyHospital) -> None:
    (old,) = frames(hospital, ONE)["video_id"].unique()
    hospital.add_video(f"{ONE}/first.mp4", first=500)
    report = run(hospital)
    assert report.videos_decoded == 1
    assert made(report, TWO) == set()
    assert numbers(hospital, ONE) == list(range(500, 550, 5))
    assert not [entry for entry in hospital.paths.root.rglob("*") if old in entry.name]
    assert len(list(hospital.paths.raw_folder(ONE).iterdir())) == 1
    assert old not in set(table(hospital, catalog.VIDEOS)["video_id"])


@pytest.mark.slow
def test_a_file_moved_to_another_visit_takes_its_rows_along(hospital: TinyHospital) -> None:
    (moved,) = frames(hospital, ONE)["video_id"].unique()
    upload = hospital.videos / ONE / "first.mp4"
    upload.rename(hospital.videos / f"{ALIAS_TWO} scans" / "of one.mp4")
    report = run(hospital)
    assert report.complete
    assert frames(hospital, ONE).is_empty()
    assert moved in set(frames(hospital, TWO)["video_id"])
    assert frames(hospital, TWO).height == 2 * KEPT
    videos = table(hospital, catalog.VIDEOS)
    assert videos.filter(pl.col("video_id") == moved)["patient_id"].to_list() == [TWO]
    index = catalog.dataset(hospital.study.families, hospital.study.preprocess.recipes)
    assert table(hospital, index)["patient_id"].to_list() == [TWO] * 2 * KEPT
    for place in (hospital.paths.frames, hospital.paths.preprocessed / "small", hospital.paths.raw_data):
        assert not [file for file in (place / ONE).rglob("*") if file.is_file()]


def test_what_the_source_no_longer_has_is_kept_and_recorded(hospital: TinyHospital) -> None:
    before = frames(hospital, ONE)
    (hospital.videos / ONE / "first.mp4").unlink()
    report = run(hospital)
    assert report.complete
    assert report.videos_decoded == 0
    assert [file.name for file in hospital.paths.raw_folder(ONE).iterdir()] == ["first.mp4"]
    assert frames(hospital, ONE).equals(before)
    rejected = table(hospital, catalog.REJECTED)
    assert rejected.select("patient_id", "file_name", "reason").rows() == [
        (ONE, f"{ONE}/first.mp4", "gone_from_source")
    ]


@pytest.mark.slow
def test_a_second_upload_of_the_same_file_is_recorded(hospital: TinyHospital) -> None:
    upload = hospital.videos / ONE / "first.mp4"
    shutil.copy2(upload, upload.with_name("zweite Kopie.mp4"))
    report = run(hospital)
    assert report.complete
    assert report.videos_decoded == 0
    assert frames(hospital, ONE).height == KEPT
    assert table(hospital, catalog.REJECTED)["reason"].to_list() == ["duplicate_upload"]


@pytest.mark.slow
def test_labels_that_come_after_the_upload_find_it_by_its_alias(hospital: TinyHospital) -> None:
    late, alias = "33333333-aaaa-4aaa-8aaa-000000000003", "Amber-Crane-3"
    hospital.add_video(f"{alias}/first.mp4", first=700)
    assert made(run(hospital)) == {"rejected_csv"}
    assert table(hospital, catalog.REJECTED)["reason"].to_list() == ["matches_nobody"]
    hospital.items[late] = {"pseudo_name": alias, "Start FNA 1": "00:00:00", "Stop FNA 1": "00:00:02"}
    hospital.write_items()
    report = run(hospital)
    assert report.videos_decoded == 1
    assert made(report, ONE) == made(report, TWO) == set()
    assert frames(hospital, late)["fna"].to_list() == ["FNA"] * KEPT
    assert table(hospital, catalog.REJECTED).is_empty()
