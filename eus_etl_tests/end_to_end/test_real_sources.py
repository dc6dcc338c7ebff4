"""One study on a drive, in DynamoDB and on a sheet: from their answers to the dataset, and what edits do.

After each test the log, the output, the instance and the root are searched for planted names and secrets.
"""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from benchmarks.support.hospitals.real_hospital import (
    AGAIN,
    AWS_SECRET,
    ITEMS,
    KEY,
    KEY_VARIABLE,
    NAME,
    SHEET,
    STUDY_FOLDER,
    VISITS,
    RealHospital,
    Services,
    services,
    subject_of,
)
from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TWO
from benchmarks.support.servers.aws_server import use_fake_credentials
from benchmarks.support.servers.drive_client import HASTE
from benchmarks.support.servers.sheet_server import refusal
from benchmarks.support.videos.pictures import read_picture
from benchmarks.support.videos.small_videos import read_number
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import RunReport, StudySession
from eus_etl.domain.tables import catalog
from eus_etl.domain.tables.schema import Table
from eus_etl_tests.support.hospitals.leaks import assert_nothing_leaked

pytestmark = pytest.mark.slow

KEPT = 10
"""Frames kept of each video: two seconds at 5 Hz."""
CHAIN = {
    "raw_videos",
    "labels",
    "patients",
    "frames",
    "regions",
    "frame_table",
    "preprocessed_frames",
    "timeline",
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """The servers, the credentials that they want, and clients in a hurry."""
    with pytest.MonkeyPatch.context() as patch:
        use_fake_credentials(patch, tmp_path_factory.mktemp("aws"))
        patch.setenv("AWS_SECRET_ACCESS_KEY", AWS_SECRET)
        patch.setenv(KEY_VARIABLE, KEY)
        patch.setattr("eus_etl.sources.videos.google_drive.source.Pace", lambda: HASTE)
        patch.setattr("random.random", lambda: 0.0)  # Google's client waits a random share of seconds
        with services() as found:
            yield found


@pytest.fixture(scope="module")
def finished(running: Services, tmp_path_factory: pytest.TempPathFactory) -> tuple[RealHospital, RunReport]:
    """A hospital whose visits are all made."""
    hospital = RealHospital(tmp_path_factory.mktemp("real") / "hospital", running)
    return hospital, run(hospital)


@pytest.fixture
def hospital(
    finished: tuple[RealHospital, RunReport],
    running: Services,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[RealHospital]:
    """A copy of the finished hospital, to be changed; nothing may leak meanwhile."""
    caplog.set_level(logging.DEBUG)
    original, _ = finished
    shutil.copytree(original.folder, tmp_path / "hospital")
    copy = RealHospital(tmp_path / "hospital", running, original.drive)
    yield copy
    said = "".join(record.getMessage() for record in caplog.get_records("call"))
    assert_nothing_leaked(copy, said + "".join(capfd.readouterr()))


def run(hospital: RealHospital) -> RunReport:
    """Observe and make what is due."""
    with open_instance(hospital.tiny.home) as instance:
        return StudySession(hospital.tiny.study, instance).run()


def made(report: RunReport, patient: str | None = None) -> set[str]:
    """Names of the assets made of a visit, or of the whole study."""
    return {one.asset for one in report.made if one.patient_id == patient}


def frames(hospital: RealHospital, patient: str) -> pl.DataFrame:
    """A visit's frame table."""
    schema = catalog.frame_table(hospital.tiny.study.families).schema
    return pl.read_csv(hospital.tiny.paths.frame_table(patient), schema=schema)


def table(hospital: RealHospital, of: Table) -> pl.DataFrame:
    """A study table."""
    return pl.read_csv(hospital.tiny.paths.table(of.name), schema=of.schema)


def patients(hospital: RealHospital) -> pl.DataFrame:
    """``patients.csv``."""
    return table(hospital, catalog.patients(hospital.tiny.study.patients.columns))


def numbers(hospital: RealHospital, patient: str) -> list[int]:
    """What the saved images of a visit show, in the order of its frame table."""
    return [
        read_number(read_picture(hospital.tiny.paths.root / path))
        for path in frames(hospital, patient)["path"]
    ]


def raw_files(hospital: RealHospital, patient: str) -> dict[str, bytes]:
    """The raw videos of a visit that are complete."""
    folder = hospital.tiny.paths.raw_folder(patient)
    return {file.name: file.read_bytes() for file in folder.iterdir() if not file.name.startswith(".")}


def test_everything_is_made_to_the_dataset(finished: tuple[RealHospital, RunReport]) -> None:
    hospital, report = finished
    assert report.complete, (report.failed, report.unobserved)
    assert all(made(report, visit) == CHAIN for visit in VISITS)
    assert report.videos_decoded == len(VISITS)
    study = hospital.tiny.study
    index = table(hospital, catalog.dataset(study.families, study.preprocess.recipes))
    assert dict(index["patient_id"].value_counts().iter_rows()) == dict.fromkeys(VISITS, KEPT)
    for visit, first in zip(VISITS, (0, 100, 200), strict=True):
        assert numbers(hospital, visit) == list(range(first, first + 50, 5))
    assert frames(hospital, ONE)["station"].to_list() == ["Station 1"] * 5 + [None] * 5
    assert frames(hospital, AGAIN)["station"].to_list() == [None] * 5 + ["Station 1"] * 5
    assert table(hospital, catalog.REJECTED).is_empty()


def test_one_person_has_one_id_and_the_hash_stays_out(hospital: RealHospital) -> None:
    found = dict(patients(hospital).select("patient_id", "subject_id").iter_rows())
    assert found == {visit: subject_of(visit) for visit in VISITS}
    assert found[ONE] == found[AGAIN] != found[TWO]
    cancer = dict(patients(hospital).select("patient_id", "cancer_type").iter_rows())
    assert cancer == {ONE: "none", TWO: "other", AGAIN: "adenocarcinoma"}


def test_a_second_pass_makes_nothing_and_asks_the_drive_once(hospital: RealHospital) -> None:
    asked = hospital.running.drive.requests
    report = run(hospital)
    assert report.complete
    assert report.made == []
    assert hospital.running.drive.requests == asked + 1


def test_an_edited_item_and_an_edited_row_touch_their_visits_alone(hospital: RealHospital) -> None:
    hospital.put_item(ONE, "Brisk-Heron-1", Start="00:00:00", Stop="00:00:02")
    hospital.rows[ALIAS_TWO] = "neuroendocrine"
    hospital.write_rows()
    report = run(hospital)
    assert report.complete
    assert made(report, ONE) == {"labels", "patients", "frame_table", "timeline"}
    assert made(report, TWO) == {"patients"}
    assert made(report, AGAIN) == set()
    assert report.videos_decoded == 0
    assert frames(hospital, ONE)["station"].to_list() == ["Station 1"] * KEPT
    assert patients(hospital).filter(patient_id=TWO)["cancer_type"].to_list() == ["neuroendocrine"]


def test_a_moved_file_and_a_replaced_one_are_distinguished(hospital: RealHospital) -> None:
    moved, replaced = hospital.file_of(ONE), hospital.file_of(AGAIN)
    hospital.drive.change(moved, parent=hospital.folder_of(TWO), name=f"{NAME} second.mp4")
    hospital.drive.replace(replaced, hospital.video(first=500))
    report = run(hospital)
    assert report.complete, report.failed
    assert report.videos_decoded == 2
    assert frames(hospital, ONE).is_empty()
    assert raw_files(hospital, ONE) == {}
    assert numbers(hospital, TWO) == [*range(100, 150, 5), *range(0, 50, 5)]
    assert numbers(hospital, AGAIN) == list(range(500, 550, 5))
    assert list(raw_files(hospital, AGAIN).values()) == [hospital.drive.items[replaced].content]
    assert table(hospital, catalog.VIDEOS).height == 3


def test_a_renamed_file_is_not_fetched_again_and_a_trashed_one_is_kept(hospital: RealHospital) -> None:
    fetched, before = hospital.running.drive.counts["media"], frames(hospital, TWO)
    copies = raw_files(hospital, TWO)
    trashed = hospital.file_of(TWO)
    hospital.drive.change(hospital.file_of(ONE), name=f"{NAME} better.mp4")
    hospital.drive.change(trashed, trashed=True)
    report = run(hospital)
    assert report.complete, report.failed
    assert report.videos_decoded == 0
    assert hospital.running.drive.counts["media"] == fetched
    assert list(raw_files(hospital, ONE)) == [f"{NAME} better.mp4"]
    assert raw_files(hospital, TWO) == copies
    assert frames(hospital, TWO).equals(before)
    flags = table(hospital, catalog.REJECTED).select("patient_id", "item", "reason")
    assert (TWO, trashed, "gone_from_source") in flags.rows()
    assert made(report, AGAIN) == set()


def test_an_item_that_comes_after_the_upload_finds_it_by_its_alias(hospital: RealHospital) -> None:
    late, alias = "44444444-aaaa-4aaa-8aaa-000000000004", "Amber-Crane-4"
    folder = hospital.drive.folder(f"{alias} {NAME}", STUDY_FOLDER)
    hospital.drive.upload("a.mp4", folder, hospital.video(first=700))
    assert made(run(hospital)) == {"rejected_csv"}
    assert table(hospital, catalog.REJECTED)["reason"].to_list() == ["matches_nobody"]
    hospital.put_item(late, alias, Start="00:00:00", Stop="00:00:02")
    report = run(hospital)
    assert report.complete, report.failed
    assert {one.patient_id for one in report.made} == {late, None}
    assert numbers(hospital, late) == list(range(700, 750, 5))
    assert frames(hospital, late)["station"].to_list() == ["Station 1"] * KEPT
    assert table(hospital, catalog.REJECTED).is_empty()


def test_a_file_that_the_drive_withholds_is_recorded_and_the_visit_continues(hospital: RealHospital) -> None:
    folder = hospital.folder_of(ONE)
    held_back = hospital.drive.upload(f"{NAME} bad.mp4", folder, hospital.video(first=300))
    hospital.drive.change(held_back, refusal="cannotDownloadAbusiveFile")
    hospital.drive.upload(f"{NAME} good.mp4", folder, hospital.video(first=400))
    report = run(hospital)
    assert report.complete, report.failed
    assert report.videos_decoded == 1
    assert numbers(hospital, ONE) == [*range(0, 50, 5), *range(400, 450, 5)]
    (row,) = table(hospital, catalog.REJECTED).to_dicts()
    assert (row["patient_id"], row["item"], row["reason"]) == (ONE, held_back, "not_fetched")
    assert "cannotDownloadAbusiveFile" in row["detail"]
    assert "have the uploader check the file" in row["remedy"]


def test_a_file_over_its_quota_fails_the_visit_with_its_remedy_and_keeps_the_rest(
    hospital: RealHospital,
) -> None:
    folder, fetched = hospital.folder_of(ONE), hospital.running.drive.counts["media"]
    locked = hospital.drive.upload(f"{NAME} second.mp4", folder, hospital.video(first=300))
    hospital.drive.upload(f"{NAME} third.mp4", folder, hospital.video(first=400))
    hospital.drive.change(locked, refusal="downloadQuotaExceeded")
    before = frames(hospital, ONE)
    report = run(hospital)
    (failed,) = report.failed
    assert (failed.asset, failed.patient_id) == ("raw_videos", ONE)
    assert locked in failed.error
    assert "after growing pauses" in failed.error
    assert frames(hospital, ONE).equals(before)
    assert sorted(raw_files(hospital, ONE)) == [f"{NAME} first.mp4", f"{NAME} third.mp4"]

    hospital.drive.change(locked, refusal=None)
    assert run(hospital).complete
    assert hospital.running.drive.counts["media"] == fetched + 3  # one of them refused, none twice
    assert numbers(hospital, ONE) == [*range(0, 50, 5), *range(300, 350, 5), *range(400, 450, 5)]


def test_a_drive_that_is_down_leaves_the_other_sources_working(hospital: RealHospital) -> None:
    copies = raw_files(hospital, ONE)
    hospital.running.drive.faults.other.extend(["500"] * HASTE.attempts)
    hospital.put_item(ONE, "Brisk-Heron-1", Start="00:00:00", Stop="00:00:02")
    report = run(hospital)
    assert [failure.source for failure in report.unobserved] == ["drive_videos"]
    assert made(report, ONE) == {"labels", "patients", "frame_table", "timeline"}
    assert made(report, TWO) == made(report, AGAIN) == set()
    assert raw_files(hospital, ONE) == copies


@pytest.mark.parametrize("broken", ["table", "key"])
def test_items_that_cannot_be_read_leave_the_other_sources_working(
    hospital: RealHospital, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broken == "table":
        hospital.running.dynamo.delete_table(TableName=ITEMS)
    else:
        monkeypatch.delenv(KEY_VARIABLE)
    hospital.rows[ONE] = "other"
    hospital.write_rows()
    report = run(hospital)
    # without the key only the subject ids cannot be read: those known before stay, and it is recorded
    assert [failure.source for failure in report.unobserved] == (["label_items"] if broken == "table" else [])
    recorded = table(hospital, catalog.REJECTED)["reason"].to_list()
    assert ("no_subject_ids" in recorded) == (broken == "key")
    assert made(report, ONE) == {"patients"}
    assert made(report, TWO) == made(report, AGAIN) == set()
    kept = dict(patients(hospital).select("patient_id", "subject_id").iter_rows())
    assert kept == {visit: subject_of(visit) for visit in VISITS}


def test_a_sheet_that_is_down_leaves_the_other_sources_working(hospital: RealHospital) -> None:
    hospital.running.sheet.faults.extend([refusal(500, f"{NAME} is not well")] * 6)
    hospital.drive.change(hospital.file_of(AGAIN), name=f"{NAME} better.mp4")
    report = run(hospital)
    assert [failure.source for failure in report.unobserved] == ["patient_rows"]
    assert made(report, AGAIN) == {"raw_videos", "frames", "frame_table"}
    assert report.videos_decoded == 0
    assert made(report, ONE) == made(report, TWO) == set()
    assert patients(hospital).filter(patient_id=TWO)["cancer_type"].to_list() == ["other"]
    hospital.running.sheet.spreadsheets[SHEET].readers.clear()
    (failure,) = run(hospital).unobserved
    assert "share it with" in str(failure.error)
