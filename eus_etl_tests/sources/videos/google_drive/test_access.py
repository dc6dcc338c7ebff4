"""Credentials, refusals and waits; and that none of them puts a secret or a name into a log or an error."""

import json
import logging
import traceback
from email.utils import formatdate
from pathlib import Path

import pytest
from google.auth.credentials import Credentials

from benchmarks.support.servers.drive_client import drive_at
from benchmarks.support.servers.drive_faults import Faults
from benchmarks.support.servers.drive_files import Drive
from benchmarks.support.servers.drive_server import serve
from benchmarks.support.servers.drive_tokens import TokenOffice
from eus_etl.errors import EusEtlError, SourceAccessError, SourceUnavailableError
from eus_etl.sources.videos.google_drive.connection import read_credentials
from eus_etl.sources.videos.google_drive.retry import Pace, Pacer, PassingFailure, Refused, failure_of

NAMES = ("Planted Patient", "Planted Folder")


def planted_drive() -> tuple[Drive, str]:
    drive = Drive()
    folder = drive.folder("Planted Folder")
    drive.upload("Planted Patient.mp4", drive.folder("Planted Folder 2", folder), b"content")
    return drive, folder


def test_a_service_account_lists_and_fetches_and_renews_its_token(tmp_path: Path) -> None:
    drive, folder = planted_drive()
    office = TokenOffice()
    with serve(drive, tokens=office) as server:
        key = office.write_key_file(tmp_path / "key.json", server.address)
        with drive_at(
            server, folder, tmp_path / "mirror", credentials=read_credentials(key, "sources.videos")
        ) as source:
            (file,) = source.list_files().files
            assert server.counts["token"] == 1
            office.revoke_all()
            source.fetch(file, tmp_path / "one.mp4")
            assert server.counts["token"] == 2
            office.revoke_all()
            source.revision()
            assert server.counts["token"] == 3
    assert (tmp_path / "one.mp4").read_bytes() == b"content"


def test_credentials_that_google_refuses(tmp_path: Path) -> None:
    drive, folder = planted_drive()
    office = TokenOffice()
    office.refuses = True
    with serve(drive, tokens=office) as server:
        key = office.write_key_file(tmp_path / "key.json", server.address)
        with (
            drive_at(
                server, folder, tmp_path / "mirror", credentials=read_credentials(key, "sources.videos")
            ) as source,
            pytest.raises(SourceAccessError, match="does not accept the credentials") as caught,
        ):
            source.list_files()
    assert server.requests == 0
    assert_clean("".join(traceback.format_exception(caught.value)), office)


def test_an_ordinary_account_lists_by_what_it_authorized(tmp_path: Path) -> None:
    drive, folder = planted_drive()
    office = TokenOffice()
    with serve(drive, tokens=office) as server:
        authorization = office.write_authorization(tmp_path / "authorization.json", server.address)
        credentials = read_credentials(authorization, "sources.videos")
        with drive_at(server, folder, tmp_path / "mirror", credentials=credentials) as source:
            assert len(source.list_files().files) == 1
            office.revoke_all()
            source.revision()
            assert server.counts["token"] == 2
            office.refuses = True
            office.revoke_all()
            with pytest.raises(SourceAccessError, match="does not accept the credentials") as caught:
                source.revision()
    assert_clean("".join(traceback.format_exception(caught.value)), office)


def test_a_service_account_acts_as_an_account_of_its_domain(tmp_path: Path) -> None:
    drive, folder = planted_drive()
    office = TokenOffice()
    with serve(drive, tokens=office) as server:
        key = office.write_key_file(tmp_path / "key.json", server.address)
        credentials = read_credentials(key, "sources.videos", "pipeline@hospital.example")
        with drive_at(server, folder, tmp_path / "mirror", credentials=credentials) as source:
            source.list_files()
        authorization = office.write_authorization(tmp_path / "authorization.json", server.address)
    assert office.acts_as == "pipeline@hospital.example"
    with pytest.raises(SourceAccessError, match="only a service account's key can act as"):
        read_credentials(authorization, "sources.videos", "pipeline@hospital.example")


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("forbidden", "the account has no access (403 forbidden)"),
        ("unheardOf", "Drive refuses the request and says only this (403 unheardOf)"),
        ("Jane Doe.mp4 is locked", "the account has no access (403)"),
    ],
)
def test_a_refusal_that_nobody_knows_says_what_drive_says(reason: str, said: str) -> None:
    refused = failure_of(403, {}, json.dumps({"error": {"errors": [{"reason": reason}]}}).encode())
    assert isinstance(refused, Refused)
    assert said in str(refused.error("folder1"))


@pytest.mark.parametrize(
    "content",
    ["no json", "{}", "[]", '{"type": "authorized_user"}', '{"refresh_token": "1//planted"}', None],
)
def test_a_file_that_is_no_key(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SourceAccessError, match="the credentials file") as caught:
        read_credentials(path, "sources.patient_rows")
    assert caught.value.subject == "sources.patient_rows"
    assert caught.value.__cause__ is None


def test_no_application_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nowhere.json"))
    with pytest.raises(SourceAccessError, match="no application default credentials"):
        read_credentials(None, "sources.videos")


def test_the_application_default_is_read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = TokenOffice().write_key_file(tmp_path / "key.json", "http://127.0.0.1:1")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
    found: Credentials = read_credentials(None, "sources.videos")
    assert getattr(found, "scopes", None) == ("https://www.googleapis.com/auth/drive.readonly",)


def test_no_secret_and_no_name_in_any_log_or_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Everything logs at DEBUG while all goes wrong that can."""
    drive, folder = planted_drive()
    office = TokenOffice()
    told: list[str] = []
    caplog.set_level(logging.DEBUG)
    for name in ("google", "googleapiclient", "urllib3", "requests", "httplib2"):
        caplog.set_level(logging.DEBUG, logger=name)
    with serve(drive, Faults(seed=5, share=0.4), office) as server:
        key = office.write_key_file(tmp_path / "key.json", server.address)
        with drive_at(
            server, folder, tmp_path / "mirror", credentials=read_credentials(key, "sources.videos")
        ) as source:
            (file,) = source.list_files().files
            server.faults.share = 0
            for refusal in ("downloadQuotaExceeded", "cannotDownloadAbusiveFile", "forbidden", "unheardOf"):
                drive.items[file.source_id].refusal = refusal
                with pytest.raises(EusEtlError) as caught:
                    source.fetch(file, tmp_path / "copy.mp4")
                told.append("".join(traceback.format_exception(caught.value)))
            server.faults.share = 1.0
            for _ in range(5):
                with pytest.raises(EusEtlError) as caught:
                    source.revision()
                told.append("".join(traceback.format_exception(caught.value)))
    assert len(caplog.records) > 10
    assert_clean("\n".join([*told, caplog.text]), office)


def assert_clean(text: str, office: TokenOffice) -> None:
    for planted in (*NAMES, *office.secrets):
        assert planted not in text


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_statuses_that_pass(status: int) -> None:
    assert isinstance(failure_of(status, {}, b"<html>no json</html>"), PassingFailure)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'{"error": "text"}', b'{"error": {"errors": []}}', b'{"error": {"errors": [{}]}}'],
)
def test_a_refusal_without_a_reason(body: bytes) -> None:
    refused = failure_of(403, {}, body)
    assert isinstance(refused, Refused)
    assert "share the study's folder" in str(refused.error("folder1"))


def test_a_reason_that_is_a_text_is_not_repeated() -> None:
    body = b'{"error": {"errors": [{"reason": "Planted Patient.mp4 is locked"}]}}'
    refused = failure_of(403, {}, body)
    assert isinstance(refused, Refused)
    assert "Planted" not in str(refused.error("file1"))


@pytest.mark.parametrize(
    ("header", "expected"),
    [("7", 7.0), (" 0 ", 0.0), ("soon", None), (formatdate(0, usegmt=True), 0.0)],
)
def test_retry_after(header: str, expected: float | None) -> None:
    failure = failure_of(429, {"retry-after": header}, b"")
    assert isinstance(failure, PassingFailure)
    assert (failure.retry_after_s, failure.everyone) == (expected, True)


def test_a_wait_that_would_outlast_the_listing_is_not_begun(tmp_path: Path) -> None:
    drive, folder = planted_drive()
    with (
        serve(drive, Faults(retry_after="3600")) as server,
        drive_at(server, folder, tmp_path / "mirror", listing_limit_s=30.0) as source,
    ):
        server.faults.other.append("429")
        with pytest.raises(SourceUnavailableError, match="429 rateLimitExceeded"):
            source.list_files()
        assert len(source.list_files().files) == 1


def test_retry_after_holds_all_threads_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slept: list[float] = []
    monkeypatch.setattr("eus_etl.sources.videos.google_drive.retry.time.sleep", slept.append)
    drive, folder = planted_drive()
    with (
        serve(drive, Faults(retry_after="3600")) as server,
        drive_at(server, folder, tmp_path / "mirror") as source,
    ):
        server.faults.other.append("429")
        source.list_files()
    assert max(slept) > 3500


def test_turns_are_spread_after_a_burst(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eus_etl.sources.videos.google_drive.retry.time.monotonic", lambda: 1000.0)
    pacer = Pacer(Pace(requests_per_s=10, burst=3))
    assert [round(pacer.turn_in_s(), 3) for _ in range(5)] == [0, 0, 0, 0.1, 0.2]
    pacer.hold_everyone(7)
    assert [round(pacer.turn_in_s(), 3) for _ in range(2)] == [7, 7.1]
