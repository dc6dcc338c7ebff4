"""What the doctor finds on Google and AWS."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import boto3
import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from benchmarks.support.servers.aws_server import REGION, aws_server, create_table, use_fake_credentials
from benchmarks.support.servers.drive_files import Drive
from benchmarks.support.servers.drive_server import serve
from benchmarks.support.servers.drive_tokens import ACCOUNT, TokenOffice
from benchmarks.support.servers.sheet_server import Spreadsheet, sheet_server
from eus_etl.commands.doctor.finding import Finding
from eus_etl.steps.observation.all_sources import observe_all
from eus_etl.steps.observation.connect import connect
from eus_etl_tests.support.hospitals.examined import look, tree

KEY_VARIABLE = "EUS_ETL_TEST_SUBJECT_KEY"


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
