"""What the doctor finds on real folders, servers and instances; and that it leaves nothing behind."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import boto3
import dagster as dg
import polars as pl
import pytest
from dagster._daemon.types import DaemonHeartbeat

from benchmarks.support.hospitals.tiny_hospital import LONG_AGO, ONE, TWO, TinyHospital
from benchmarks.support.servers.aws_server import REGION, aws_server, create_table, use_fake_credentials
from benchmarks.support.servers.drive_files import Drive
from benchmarks.support.servers.drive_server import serve
from benchmarks.support.servers.drive_tokens import ACCOUNT, TokenOffice
from benchmarks.support.servers.sheet_server import Spreadsheet, sheet_server
from eus_etl.commands.doctor.finding import Finding
from eus_etl.commands.doctor.run import examine
from eus_etl.defs import instance as homes
from eus_etl.defs.instance import open_instance
from eus_etl.domain.numbers import bytes_in_units
from eus_etl.steps.observation.connect import connect
from eus_etl.steps.observation.observe import observe_all
from eus_etl.steps.observation.snapshot import observed_files
from eus_etl.steps.raw_videos.step import fetch_videos
from eus_etl.storage.root_owner import claim_root

KEY_VARIABLE = "EUS_ETL_TEST_SUBJECT_KEY"


@pytest.fixture
def hospital(tmp_path: Path) -> TinyHospital:
    return TinyHospital(tmp_path)


def look(hospital: TinyHospital, seen: Callable[[Path], float | None] | None = None) -> dict[str, Finding]:
    findings = examine(hospital.study, hospital.config, hospital.home, seen or (lambda _: None))
    assert len({finding.check for finding in findings}) == len(findings)
    assert all(bool(finding.remedy) == (finding.outcome != "ok") for finding in findings)
    return {finding.check: finding for finding in findings}


def tree(folder: Path) -> dict[str, tuple[int, str]]:
    """Everything below a folder: times of change and content, of folders too."""
    return {
        str(path): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in (folder, *folder.rglob("*"))
    }


def test_a_study_before_its_first_run(hospital: TinyHospital) -> None:
    before = tree(hospital.folder)
    found = look(hospital)
    assert tree(hospital.folder) == before
    assert not hospital.study.root.exists()
    assert not hospital.home.exists()
    assert [finding.check for finding in found.values() if finding.outcome == "problem"] == []
    assert "the first run marks it" in found["root's owner"].found
    assert "can be created" in found["root"].found
    assert "2 files to take" in found["sources.videos"].found
    assert found["sources.label_items"].found.startswith("2 items")
    assert found["sources.patient_rows"].found.startswith("2 rows")
    assert "2 files to fetch" in found["free disk"].found


def test_a_study_at_work(hospital: TinyHospital) -> None:
    study = hospital.study
    claim_root(hospital.paths, study.study)
    sources = connect(study)
    observe_all(study, sources)
    for patient in (ONE, TWO):
        fetch_videos(study, patient, sources.videos(), observed_files(hospital.paths, patient))
    hospital.add_video(f"{ONE}/second.mp4", first=200)
    before = tree(hospital.folder)
    found = look(hospital)
    assert tree(hospital.folder) == before
    assert "marked as the root of eusml" in found["root's owner"].found
    assert "3 files to take" in found["sources.videos"].found
    assert "1 files to fetch" in found["free disk"].found


def test_files_are_neither_read_nor_hashed_and_must_fit_the_disk(
    hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: Path) -> str:
        raise AssertionError(f"{path} is read")

    monkeypatch.setattr("eus_etl.sources.videos.local_folder.md5_of", read)
    big = hospital.videos / ONE / "endless.mp4"
    for share, outcome in ((0.3, "warning"), (2.0, "problem")):
        with big.open("wb") as file:  # holes: nobody could read it in time
            file.truncate(int(share * shutil.disk_usage(big).free))
        os.utime(big, (LONG_AGO, LONG_AGO))
        room = look(hospital)["free disk"]
        assert room.outcome == outcome, room
        assert "free space" in room.remedy


def test_images_are_foreseen_from_those_that_the_study_has(hospital: TinyHospital) -> None:
    paths, made = hospital.paths, "vaaaaaaaaaaaa"
    for folder, size in (
        (paths.frames_folder(ONE, made), 3000),
        (paths.preprocessed_folder("small", ONE, made), 4000),
    ):
        folder.mkdir(parents=True)
        (folder / "000000000000.jpg").write_bytes(bytes(size))
    paths.data.mkdir(parents=True)
    rows = {"patient_id": [ONE, TWO], "video_id": [made, "vbbbbbbbbbbbb"], "bytes": [1000, 1]}
    pl.DataFrame(rows).write_csv(paths.table("videos"))
    waiting = sum(path.stat().st_size for path in hospital.videos.rglob("*.mp4"))
    assert f"images about {bytes_in_units(7 * waiting)}" in look(hospital)["free disk"].found


def test_a_root_that_is_not_ours(hospital: TinyHospital) -> None:
    hospital.paths.data.mkdir(parents=True)
    hospital.paths.table("labels").write_text("old,table\n")
    owner = look(hospital)["root's owner"]
    assert owner.outcome == "problem"
    assert "eus-etl adopt" in owner.remedy
    shutil.rmtree(hospital.paths.data)
    claim_root(hospital.paths, "another_study")
    assert "another_study" in look(hospital)["root's owner"].found


def test_places_that_cannot_be_written_to(hospital: TinyHospital) -> None:
    hospital.study.root.parent.write_text("a file where a folder should be")
    hospital.home.write_text("here too")
    found = look(hospital)
    for check in ("root", "Dagster home"):
        assert found[check].outcome == "problem"
        assert "cannot be written to (Not a directory)" in found[check].found


def test_a_part_of_the_root_that_belongs_to_somebody_else(hospital: TinyHospital) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    hospital.paths.frames.mkdir(parents=True)
    hospital.paths.frames.chmod(0o555)
    assert "Frames cannot be written to" in look(hospital)["root"].found


def test_sources_that_are_away_or_other_than_configured(hospital: TinyHospital) -> None:
    shutil.rmtree(hospital.videos)
    hospital.write_rows(f"Patient,Other\n{ONE},secret cell\n")
    (hospital.folder / "incoming" / "items.json").unlink()
    found = look(hospital)
    for check in ("sources.videos", "sources.label_items", "sources.patient_rows"):
        assert found[check].outcome == "problem"
    assert "0 columns 'Cancer type'" in found["sources.patient_rows"].found
    assert "secret" not in found["sources.patient_rows"].line
    assert found["free disk"].outcome == "warning"


def daemon_seen(home: Path) -> float | None:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        signs = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
    return max(signs, default=None)


def test_signs_of_the_daemon(hospital: TinyHospital) -> None:
    assert "no Dagster home yet" in look(hospital, daemon_seen)["daemon"].found
    assert not hospital.home.exists()
    with open_instance(hospital.home) as instance:
        before = {path for path in hospital.home.rglob("*") if path.suffix not in (".db-wal", ".db-shm")}
        assert "none has ever run" in look(hospital, daemon_seen)["daemon"].found
        for ago_s, outcome in ((3600, "warning"), (5, "ok")):
            beat = DaemonHeartbeat(time.time() - ago_s, "SENSOR", "an id", [])
            instance.add_daemon_heartbeat(beat)
            assert look(hospital, daemon_seen)["daemon"].outcome == outcome
    assert set(hospital.home.rglob("*")) == before


def test_google_drive(hospital: TinyHospital, tmp_path: Path) -> None:
    drive, office = Drive(), TokenOffice()
    folder = drive.folder("Planted Folder")
    drive.upload("Planted Patient.mp4", drive.folder(ONE, folder), bytes(5000))
    with serve(drive, tokens=office) as server:
        key = office.write_key_file(tmp_path / "key.json", server.address)
        key.chmod(0o600)
        videos = {"kind": "google_drive", "folder_id": folder, "credentials_file": str(key)}
        hospital.configure(sources={"videos": {**videos, "api_root": server.api_root}})
        before = tree(hospital.folder)
        found = look(hospital)
        assert tree(hospital.folder) == before
        assert found["credentials of sources.videos"] == Finding(
            "credentials of sources.videos", "ok", f"a key file of {ACCOUNT}"
        )
        assert found["clock against Google"].outcome == "ok"
        assert "1 files to take" in found["sources.videos"].found
        assert "1 files to fetch (5.0 kB)" in found["free disk"].found

        observe_all(hospital.study, connect(hospital.study))
        before, asked = tree(hospital.folder), server.counts["list"]
        drive.upload("Planted Patient 2.mp4", drive.folder(TWO, folder), bytes(1000))
        assert "2 files to take" in look(hospital)["sources.videos"].found
        assert server.counts["list"] == asked + 1, "what is known is not listed again"
        assert tree(hospital.folder) == before

        key.chmod(0o644)
        drive.change(folder, shared=False)
        again = look(hospital)
        assert "chmod 600" in again["credentials of sources.videos"].remedy
        assert "share the folder" in again["sources.videos"].remedy
        key.unlink()
        without = look(hospital)
        assert without["credentials of sources.videos"].outcome == "problem"
        assert without["sources.videos"].outcome == "problem"
    for finding in (*found.values(), *again.values(), *without.values()):
        for planted in ("Planted", *office.secrets):
            assert planted not in finding.line


def test_a_google_sheet(hospital: TinyHospital, tmp_path: Path) -> None:
    with sheet_server() as server:
        server.spreadsheets["sheet1"] = Spreadsheet(
            {"Patients": [["Patient", "Cancer type"], [ONE, "secret"]]}
        )
        key = server.write_key_file(tmp_path / "key.json")
        rows = {"kind": "google_sheet", "spreadsheet_id": "sheet1", "range": "Patients"}
        hospital.configure(
            sources={"patient_rows": {**rows, "credentials_file": str(key), "api_root": server.root}}
        )
        assert look(hospital)["sources.patient_rows"].found.startswith("1 rows, with all 2 configured")
        server.spreadsheets["sheet1"].tabs["Patients"] = [["secret", "cell"], [ONE, "secret"]]
        wrong = look(hospital)["sources.patient_rows"]
        assert wrong.outcome == "problem"
        assert "secret" not in wrong.line


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    use_fake_credentials(monkeypatch, tmp_path)
    with aws_server() as address:
        yield address


def test_dynamodb(hospital: TinyHospital, aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    server = {"region": REGION, "endpoint_url": aws}
    items = {"kind": "dynamodb", "ssm_parameter": "/stack/tables/patient", **server}
    subjects = {"table": "info", "key_variable": KEY_VARIABLE, **server}
    hospital.configure(sources={"label_items": items, "subjects": subjects})
    found = look(hospital)
    assert found["credentials of AWS"] == Finding("credentials of AWS", "ok", "found by env")
    assert found["clock against AWS"].outcome == "ok"
    assert "no such SSM parameter" in found["sources.label_items"].found
    assert "no such table" in found["sources.subjects"].found
    assert KEY_VARIABLE in found["key of subject ids"].found
    assert found["key of subject ids"].outcome == "problem"

    monkeypatch.setenv(KEY_VARIABLE, "planted secret" * 4)
    with closing(boto3.client("ssm", region_name=REGION, endpoint_url=aws)) as ssm:
        ssm.put_parameter(Name="/stack/tables/patient", Value="items", Type="String")
    with closing(boto3.client("dynamodb", region_name=REGION, endpoint_url=aws)) as client:
        for table in ("items", "info"):
            create_table(client, table)
        client.put_item(TableName="info", Item={"pk": {"S": ONE}, "mrd_hash": {"S": "planted hash"}})
    found = look(hospital)
    assert found["key of subject ids"].outcome == "ok"
    assert found["sources.subjects"].outcome == "ok"
    assert found["sources.label_items"].outcome == "warning"
    assert "is empty" in found["sources.label_items"].found
    assert "planted" not in json.dumps([finding.line for finding in found.values()])


def test_aws_without_credentials(
    hospital: TinyHospital, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_fake_credentials(monkeypatch, tmp_path)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    items = {"kind": "dynamodb", "table": "items", "endpoint_url": "http://127.0.0.1:9"}
    hospital.configure(sources={"label_items": items})
    found = look(hospital)
    assert "there are none" in found["credentials of AWS"].found
    assert found["sources.label_items"].outcome == "problem"
    assert "does not say its time" in found["clock against AWS"].found


def test_what_cannot_be_changed_or_read_is_found_and_hides_nothing_else(hospital: TinyHospital) -> None:
    claim_root(hospital.paths, "eusml")
    paths = hospital.paths
    paths.pages.mkdir()
    paths.ledger(ONE).write_text('{"frames": {"inputs"')
    paths.ledger(TWO).write_text("{}")
    found = look(hospital)
    assert f"the page of {ONE} cannot be read" in found["provenance"].found
    assert found["all of the root"].outcome == "ok"
    paths.ledger(TWO).unlink()
    paths.ledger(TWO).mkdir()  # reading it fails
    hospital.home.mkdir()
    (hospital.home / "dagster.yaml").write_text("storage: [")
    found = look(hospital, homes.daemon_seen)
    assert "Is a directory (IsADirectoryError) at .eus_etl/ledger/" in found["provenance"].found
    assert "dagster.yaml is not valid YAML" in found["places"].found
    assert "2 files to take" in found["sources.videos"].found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away; the other test covers users")
def test_what_belongs_to_another_user_is_found(hospital: TinyHospital) -> None:
    claim_root(hospital.paths, "eusml")
    hospital.home.mkdir()
    for place in (hospital.paths.owner_file, hospital.home):
        os.chown(place, 12345, 12345)
    found = look(hospital)
    for check in ("all of the root", "all of the home"):
        assert found[check].outcome == "warning"
        assert "1 folders and files belong to another user" in found[check].found
