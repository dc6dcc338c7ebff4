"""What an edit makes again and what it leaves alone: counted in the asset graph, seen on the disk."""

from pathlib import Path

import polars as pl
import pytest

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, FRAMES, ONE, TWO, TinyHospital
from benchmarks.support.videos.pictures import read_picture
from eus_etl.defs.assets.events import NO_VIDEO
from eus_etl.domain.tables import catalog
from eus_etl_tests.support.hospitals.edited import (
    KEPT,
    contents,
    frames,
    illegible,
    made,
    numbers,
    run,
    table,
)

SYNC = f"patient_id,offset_s,scale,method,by\n{ONE},-1,1,clock,xx\n"
"""The recording of the first visit began a second after its procedure."""


def test_without_an_edit_nothing_is_made(hospital: TinyHospital) -> None:
    before = contents(hospital.paths.root)
    report = run(hospital)
    assert report.made == []
    assert contents(hospital.paths.root) == before


def test_a_label_edit_reads_no_video_and_no_image_and_touches_no_other_visit(hospital: TinyHospital) -> None:
    paths = hospital.paths
    hospital.items[ONE]["Stop Station 1 1"] = "00:00:02"
    hospital.write_items()
    with illegible(paths.raw_data, paths.frames_of_patient(ONE), paths.frames_of_patient(TWO)):
        report = run(hospital)
    assert made(report, ONE) == {"labels", "patients", "frame_table", "timeline"}
    assert made(report, TWO) == set()
    assert made(report) == {"labels_csv", "preprocess_metadata_csv", "rejected_csv", "dataset"}
    assert report.videos_decoded == 0
    assert frames(hospital, ONE)["station"].to_list() == ["Station 1"] * KEPT
    assert table(hospital, catalog.LABELS).filter(pl.col("label") == "Station 1")["stop_s"].to_list() == [2.0]


def test_an_edit_of_the_sheet_makes_only_what_depends_on_it(hospital: TinyHospital) -> None:
    hospital.write_rows(f"Patient,Cancer type\n{ONE},none\n{ALIAS_TWO},adenocarcinoma\n")
    with illegible(hospital.paths.raw_data, hospital.paths.frames_of_patient(TWO)):
        report = run(hospital)
    assert made(report, TWO) == {"patients"}
    assert made(report, ONE) == set()
    assert {"patients_csv", "dataset"} <= made(report) <= {"patients_csv", "dataset", "rejected_csv"}
    patients = table(hospital, catalog.patients(hospital.study.patients.columns))
    assert patients.filter(pl.col("patient_id") == TWO)["cancer_type"].to_list() == ["adenocarcinoma"]


def test_an_edit_of_sync_moves_the_labels_and_decodes_nothing(hospital: TinyHospital) -> None:
    hospital.paths.sync_csv.write_text(SYNC)
    with illegible(hospital.paths.raw_data):
        report = run(hospital)
    assert "frame_table" in made(report, ONE)
    assert not {"raw_videos", "frames", "labels", "patients", "preprocessed_frames"} & made(report, ONE)
    assert made(report, TWO) == set()
    assert report.videos_decoded == 0
    assert frames(hospital, ONE)["procedure_s"][0] == 1.0
    assert frames(hospital, ONE)["station"].is_null().all()


@pytest.mark.slow
def test_a_correction_of_a_video_that_was_uploaded_again_is_shown_and_makes_nothing_certain(
    hospital: TinyHospital,
) -> None:
    (video_id,) = frames(hospital, ONE)["video_id"].unique()
    header = "patient_id,video_id,offset_s\n"
    hospital.paths.sync_csv.write_text(f"{header}{ONE},{video_id},-1\n{TWO},,inf\n")
    report = run(hospital)
    assert "rejected_csv" in made(report)
    assert frames(hospital, ONE)["label_uncertainty_s"].is_not_null().all()
    assert frames(hospital, TWO)["label_uncertainty_s"].is_null().all()
    hospital.add_video(f"{ONE}/first.mp4", first=600)
    run(hospital)
    rejected = table(hospital, catalog.REJECTED).select("patient_id", "stage", "item", "reason").rows()
    assert rejected == [
        (ONE, "frame_table", "sync.csv", "unknown_video"),
        (TWO, "frame_table", "row 3", "not_a_number"),
    ]
    assert not frames(hospital, ONE)["label_certain"].any()
    assert frames(hospital, ONE)["label_uncertainty_s"].is_null().all()


def test_an_empty_mount_point_and_a_sheet_of_headers_alone_change_nothing(hospital: TinyHospital) -> None:
    before = contents(hospital.paths.root)
    hospital.write_rows("Patient,Cancer type\n")
    hospital.videos.rename(hospital.folder / "elsewhere")
    hospital.videos.mkdir()
    report = run(hospital)
    assert {failure.source for failure in report.unobserved} == {"drive_videos", "patient_rows"}
    assert report.made == []
    assert contents(hospital.paths.root) == before


@pytest.mark.slow
def test_a_picture_that_could_not_be_drawn_is_drawn_by_the_next_run(
    hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise MemoryError

    timeline = hospital.paths.timeline_picture(ONE)
    hospital.paths.sync_csv.write_text(SYNC)
    with monkeypatch.context() as patch:
        patch.setattr("eus_etl.steps.previews.visit.draw_timeline", fail)
        assert "frame_table" in made(run(hospital), ONE)
    assert not timeline.exists()
    report = run(hospital)
    assert made(report, ONE) == {"timeline"}
    assert made(report) == set()
    assert timeline.is_file()
    assert run(hospital).made == []


@pytest.mark.slow
def test_an_edit_of_sync_reads_no_image(hospital: TinyHospital) -> None:
    hospital.paths.sync_csv.write_text(SYNC)
    with illegible(hospital.paths.frames_of_patient(ONE)):
        report = run(hospital)
    assert made(report, ONE) == {"frame_table", "timeline"}


@pytest.mark.slow
def test_a_threshold_makes_the_frame_tables_and_reads_no_image(hospital: TinyHospital) -> None:
    paths = hospital.paths
    hospital.configure(quality={"no_signal_brightness": 250})
    with illegible(paths.raw_data, paths.frames_of_patient(ONE), paths.frames_of_patient(TWO)):
        report = run(hospital)
    for patient in (ONE, TWO):
        assert made(report, patient) == {"frame_table", "timeline"}
        assert frames(hospital, patient)["reasons"].str.contains("no_signal").all()
    assert made(report) == {"preprocess_metadata_csv", "rejected_csv", "dataset"}
    assert report.videos_decoded == 0


@pytest.mark.slow
def test_a_recipe_makes_preprocessed_frames_and_no_frame_table(hospital: TinyHospital) -> None:
    hospital.configure(preprocess={"recipes": {"small": {"version": 2, "size_px": 48}}})
    with illegible(hospital.paths.raw_data):
        report = run(hospital)
    assert made(report, ONE) == made(report, TWO) == {"preprocessed_frames", "timeline"}
    assert report.videos_decoded == 0
    images = list((hospital.paths.preprocessed / "small").rglob("*.png"))
    assert len(images) == 2 * KEPT
    assert {read_picture(image).shape for image in images} == {(48, 48)}


@pytest.mark.slow
def test_another_extraction_decodes_again(hospital: TinyHospital) -> None:
    hospital.configure(extraction={"frame_rate_hz": 10})
    report = run(hospital)
    assert report.videos_decoded == 2
    for patient, first in ((ONE, 0), (TWO, 100)):
        assert numbers(hospital, patient) == [first + -(-25 * k // 10) for k in range(2 * KEPT)]


@pytest.mark.slow
def test_a_cell_that_turns_bad_is_recorded_although_its_value_stays_unknown(hospital: TinyHospital) -> None:
    for cell, reasons in (("", []), ("sarcoma?", ["not_allowed"]), ("", [])):
        hospital.write_rows(f"Patient,Cancer type\n{ONE},{cell}\n{ALIAS_TWO},other\n")
        assert made(run(hospital), TWO) == set()
        rejected = table(hospital, catalog.REJECTED)
        assert rejected.filter(pl.col("patient_id") == ONE)["reason"].to_list() == reasons


@pytest.mark.slow
def test_an_invalid_hand_written_region_is_recorded(hospital: TinyHospital) -> None:
    hospital.paths.regions_csv.write_text(f"patient_id,video_id,polygon\n{ONE},,nonsense\n")
    assert "regions" in made(run(hospital), ONE)
    assert "bad_polygon" in table(hospital, catalog.REJECTED)["reason"].to_list()


@pytest.mark.slow
def test_a_known_screen_makes_the_visits_that_show_it_once(hospital: TinyHospital) -> None:
    signature = table(hospital, catalog.LAYOUTS).filter(pl.col("patient_id") == ONE)["signature"][0]
    text = 'patient_id,video_id,polygon,signature,signed_off\n,,"40,20 280,20 280,170 40,170",{},ab\n'
    hospital.paths.regions_csv.write_text(text.format(signature))
    with illegible(hospital.paths.raw_data):
        report = run(hospital)
    assert made(report, ONE) == {"regions", "frame_table", "preprocessed_frames", "timeline"}
    assert report.videos_decoded == 0
    layouts = table(hospital, catalog.LAYOUTS)
    assert set(layouts.filter(pl.col("patient_id") == ONE)["found_by"]) == {"regions.csv"}
    assert not layouts["signed_off"].any()  # no row names the visit: nobody has looked at it
    assert "not_signed_off" in table(hospital, catalog.REJECTED)["reason"].to_list()
    assert run(hospital).made == []
    hospital.paths.regions_csv.write_text(text.format("999x999-" + 32 * "0"))
    assert "regions" in made(run(hospital), ONE)  # no row holds any more
    hospital.paths.regions_csv.write_text(text.format("999x999-" + 31 * "0" + "1"))
    assert run(hospital).made == []  # nobody shows this screen


@pytest.mark.slow
def test_a_new_visit_with_a_known_screen_makes_its_regions_once(hospital: TinyHospital) -> None:
    signature = table(hospital, catalog.LAYOUTS)["signature"][0]
    hospital.paths.regions_csv.write_text(
        f'patient_id,video_id,polygon,signature,signed_off\n,,"40,20 280,20 280,170 40,170",{signature},ab\n'
    )
    run(hospital)
    new = "33333333-aaaa-4aaa-8aaa-000000000003"
    hospital.items[new] = {"pseudo_name": "Amber-Crane-3"}
    hospital.write_items()
    waiting = [one.metadata["videos"] for one in run(hospital).made if one.patient_id == new]
    assert waiting == [NO_VIDEO] * 2  # with the labels and the patient's row: the rest is missing in the page
    hospital.add_video(f"{new}/first.mp4", first=0, frames=FRAMES - 5)
    assert "regions" in made(run(hospital), new)
    layouts = table(hospital, catalog.LAYOUTS).filter(pl.col("patient_id") == new)
    assert set(layouts["found_by"]) == {"regions.csv"}
    assert run(hospital).made == []


@pytest.mark.slow
def test_a_sign_off_makes_the_regions_of_visits_with_the_same_screen_again_once(
    hospital: TinyHospital,
) -> None:
    layouts = table(hospital, catalog.LAYOUTS).unique("patient_id", keep="first")
    rows = {row["patient_id"]: row for row in layouts.to_dicts()}
    lines = {
        visit: f'{visit},{row["video_id"]},"{row["polygon"]}",{rows[ONE]["signature"]},ab\n'
        for visit, row in rows.items()
    }
    header = "patient_id,video_id,polygon,signature,signed_off\n"
    hospital.paths.regions_csv.write_text(header + lines[ONE])
    with illegible(hospital.paths.raw_data):
        report = run(hospital)
    assert "regions" in made(report, ONE)
    assert "regions" in made(report, TWO)
    found = table(hospital, catalog.LAYOUTS).filter(pl.col("patient_id") == TWO)
    assert set(found["found_by"]) == {"auto_motion"}
    assert not found["signed_off"].any()
    assert run(hospital).made == []
    # hardly another outline, of the same screen: it says nothing new of other visits
    hospital.paths.regions_csv.write_text(header + lines[ONE] + lines[TWO])
    report = run(hospital)
    assert "regions" in made(report, TWO)
    assert made(report, ONE) == set()


def test_a_source_that_does_not_answer_is_not_an_empty_one(hospital: TinyHospital) -> None:
    before = contents(hospital.paths.root)
    hospital.videos.rename(hospital.folder / "elsewhere")
    report = run(hospital)
    assert [failure.source for failure in report.unobserved] == ["drive_videos"]
    assert not report.complete
    assert report.made == []
    assert contents(hospital.paths.root) == before


def test_a_study_whose_sources_were_never_there_makes_nothing(tmp_path: Path) -> None:
    hospital = TinyHospital(tmp_path)
    (tmp_path / "incoming").rename(tmp_path / "elsewhere")
    report = run(hospital)
    assert len(report.unobserved) == 3
    assert report.made == []
    assert not hospital.paths.data.exists()


@pytest.mark.slow
def test_a_disk_error_is_reported_without_the_uploaded_name(hospital: TinyHospital) -> None:
    hospital.add_video(f"{ONE}/Quillfeather.mp4", first=200)
    assert run(hospital).complete
    raw = hospital.paths.raw_folder(ONE) / "Quillfeather.mp4"
    raw.unlink()
    raw.symlink_to("/proc/self/mem")  # is there, and cannot be read
    (failed,) = run(hospital).failed
    assert (failed.patient_id, failed.asset) == (ONE, "raw_videos")
    assert ONE in failed.error
    assert "check its disk" in failed.error
    for file in hospital.home.rglob("*"):
        assert not file.is_file() or b"Quillfeather" not in file.read_bytes()
