"""Google Sheets over real HTTP: what cells become, what the sheet may look like, and every refusal."""

import logging
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta

import pytest

from benchmarks.support.servers.sheet_server import (
    ACCOUNT,
    DROPPED,
    Answer,
    Cell,
    SheetServer,
    Spreadsheet,
    refusal,
    sheet_server,
)
from eus_etl.domain.patients import patient_row
from eus_etl.errors import EusEtlError, SourceAccessError, SourceError, SourceUnavailableError
from eus_etl.settings import PatientColumnConfig, PatientsConfig
from eus_etl.sources.patient_rows.base import PatientRow, PatientRowSource, RowScan
from eus_etl.sources.patient_rows.google_sheet import SCOPE, GoogleSheet

ID = "1kVh-sheet_of-the_study"
HEADERS = ["CAP score", "Stiffness", "Seen on"]
FIRST: list[Cell] = ["Name", "Patient", "CAP score", "Stiffness", "Seen on"]
ROW: list[Cell] = ["Quillfeather", "Coming-Ola-52", 310, 5.5, date(2026, 10, 5)]
READ = PatientRow("Coming-Ola-52", {"CAP score": "310", "Stiffness": "5.5", "Seen on": "2026-10-05"}, 2)

Read = Callable[..., RowScan]


@pytest.fixture(scope="module")
def running() -> Iterator[SheetServer]:
    with sheet_server() as server:
        yield server


@pytest.fixture
def server(running: SheetServer, monkeypatch: pytest.MonkeyPatch) -> SheetServer:
    # the client waits a random share of 2, 4, 8, ... seconds before it tries again: none of it here
    monkeypatch.setattr("random.random", lambda: 0.0)
    running.spreadsheets = {ID: Spreadsheet({"Patients": [FIRST, ROW]})}
    running.faults.clear()
    running.token_faults.clear()
    running.asked.clear()
    return running


@pytest.fixture
def read(server: SheetServer) -> Read:
    def read_it(a1_range: str = "Patients", spreadsheet_id: str = ID, account: str = ACCOUNT) -> RowScan:
        source: PatientRowSource = GoogleSheet(
            spreadsheet_id,
            a1_range,
            "Patient",
            HEADERS,
            server.credentials(account, SCOPE),
            date_headers=["Seen on"],
            api_root=server.root,
        )
        return source.read()

    return read_it


def test_rows_are_found_by_header_in_one_request(server: SheetServer, read: Read) -> None:
    found = read()
    assert found == RowScan((READ,), ("Name", "Patient", "CAP score", "Stiffness", "Seen on"))
    assert "Quillfeather" not in repr(found)
    assert len(server.asked) == 1


def test_reordered_columns_and_folded_headers(server: SheetServer, read: Read) -> None:
    header: list[Cell] = [" Seen\non", None, "Stiffness", "Patient\u00a0", "CAP   score"]
    server.spreadsheets[ID].tabs["Patients"] = [header, [date(2026, 10, 5), "x", 5.5, "Coming-Ola-52", 310]]
    assert read().rows == (READ,)


def test_cells_as_they_are_stored(server: SheetServer, read: Read) -> None:
    server.spreadsheets[ID].tabs["Patients"] = [
        FIRST,
        [None, "a", 310.0, 0.1, datetime(2026, 10, 5, 23, 59, 59)],
        [None, 52, True, False, "2026-10-05"],
        [],
        [None, None, None, None, None, "a column without a header"],
        ["Quillfeather", "b"],
        [None, "c", -3, 1e-7, 2024],
        [None, "c", "310 dB/m", "#N/A", 45_000],
        [None, None, None, None, None],
    ]
    assert [(row.key, *row.cells.values(), row.number) for row in read().rows] == [
        ("a", "310", "0.1", "2026-10-05", 2),
        ("52", "true", "false", "2026-10-05", 3),
        ("b", "", "", "", 6),
        ("c", "-3", "1e-07", "2024", 7),
        ("c", "310 dB/m", "#N/A", "2023-03-15", 8),
    ]


def test_every_moment_comes_back_as_its_day(server: SheetServer, read: Read) -> None:
    days = range(date(1927, 5, 18).toordinal(), date.max.toordinal() + 1, 997)
    moments = [datetime.fromordinal(day) + timedelta(seconds=day * 7919 % 86_400) for day in days]
    for moment in moments:
        server.spreadsheets[ID].tabs["Patients"].append([None, "a", 1, 2, moment])
    found = [row.cells["Seen on"] for row in read().rows[1:]]
    assert found == [moment.date().isoformat() for moment in moments]


def test_a_typed_year_is_no_date_and_a_date_is_one(read: Read, server: SheetServer) -> None:
    day = PatientColumnConfig(name="seen_on", header="Seen on", type="date", meaning="day of the visit")
    config = PatientsConfig(key_header="Patient", columns=(day,))
    row, rejected = patient_row("p", None, [read().rows[0].cells], config)
    assert (row["seen_on"], rejected) == (date(2026, 10, 5), [])
    server.spreadsheets[ID].tabs["Patients"][1] = [None, "a", None, None, 2024]
    row, rejected = patient_row("p", None, [read().rows[0].cells], config)
    assert row["seen_on"] is None
    assert [bad.reason for bad in rejected] == ["not_a_date"]


@pytest.mark.parametrize("a1_range", ["Patients", "Patients!A:Z", "'Patients'!B1:E", "A1:E100", "'Patients'"])
def test_ranges(read: Read, a1_range: str) -> None:
    assert read(a1_range).rows == (READ,)


def test_a_tab_with_a_quote_and_a_slash_in_its_name(server: SheetServer, read: Read) -> None:
    server.spreadsheets[ID].tabs["Ola's 2026/27"] = [FIRST, ROW]
    assert read("'Ola''s 2026/27'!A:E").rows == (READ,)


def test_many_rows_in_one_request(server: SheetServer, read: Read) -> None:
    days = [date(2026, 1, 1) + timedelta(days=n % 365) for n in range(2_000)]
    server.spreadsheets[ID].tabs["Patients"] = [
        FIRST,
        *([None, f"p{n}", n, 0.5, d] for n, d in enumerate(days)),
    ]
    rows = read().rows
    assert len(server.asked) == 1
    assert [(row.key, row.cells["CAP score"], row.cells["Seen on"]) for row in rows] == [
        (f"p{n}", str(n), day.isoformat()) for n, day in enumerate(days)
    ]


def test_headers_without_rows(server: SheetServer, read: Read) -> None:
    server.spreadsheets[ID].tabs["Patients"] = [FIRST]
    assert read().rows == ()


@pytest.mark.parametrize(
    ("cells", "cause"),
    [
        (
            [["Patient", "Stiffness", "Name"], ["a", 5]],
            "0 columns 'CAP score' among its 3",
        ),
        ([[*FIRST, "Patient "], ROW], "2 columns 'Patient'"),
        ([], "0 columns 'Patient' among its 0"),
        ([[], ROW], "0 columns 'Patient' among its 0"),
        ([ROW, ROW], "first row holds none of the headers 'CAP score', 'Patient', 'Seen on', 'Stiffness'"),
    ],
)
def test_what_is_not_the_sheet_is_an_error(
    server: SheetServer, read: Read, cells: list[list[Cell]], cause: str
) -> None:
    server.spreadsheets[ID].tabs["Patients"] = cells
    with pytest.raises(SourceError) as caught:
        read()
    assert cause in str(caught.value)
    assert "Quillfeather" not in str(caught.value)
    assert caught.value.subject == "sources.patient_rows"


PASSING = [
    refusal(429, "Quota exceeded for quota metric 'Read requests'", "RATE_LIMIT_EXCEEDED"),
    refusal(500, "Internal error encountered."),
    refusal(503, "The service is currently unavailable."),
    Answer(502, b"<html>Bad Gateway</html>"),
    DROPPED,
]


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: fault.status)
def test_what_passes_is_tried_again(server: SheetServer, read: Read, fault: Answer) -> None:
    server.faults.extend([fault, fault])
    assert read().rows == (READ,)


@pytest.mark.parametrize(
    "fault",
    [
        *PASSING,
        Answer(200, b"<html>Log in to the guest network</html>"),
        Answer(200, b"\xff\xfe"),
        Answer(200, b"[1]"),
        Answer(200, b'{"values": [["Patient", "Quillfeather"]]}', sent_bytes=20),
    ],
)
def test_what_does_not_pass_is_unavailable_and_not_empty(
    server: SheetServer, read: Read, fault: Answer
) -> None:
    server.faults.extend([fault] * 20)
    with pytest.raises(SourceUnavailableError) as caught:
        read()
    assert caught.value.subject == "sources.patient_rows"
    assert caught.value.__cause__ is None


def test_an_expired_token_is_renewed(server: SheetServer) -> None:
    credentials = server.credentials()
    sheet = GoogleSheet(ID, "Patients", "Patient", ["Stiffness"], credentials, api_root=server.root)
    first = sheet.read()
    server.tokens.clear()
    assert sheet.read() == first


@pytest.mark.parametrize(
    ("fault", "cause", "remedy"),
    [
        (
            refusal(403, "API has not been used in project 12 before or it is disabled.", "SERVICE_DISABLED"),
            "Sheets API is switched off",
            "enable it",
        ),
        (
            refusal(400, "This operation is not supported for this document", word="FAILED_PRECONDITION"),
            "cannot read this range",
            "Excel file",
        ),
        (refusal(403, "The caller does not have permission"), "no access", ACCOUNT),
        (Answer(403, b"no JSON"), "no access", ACCOUNT),
        (Answer(410, b"{}"), "HTTP 410", "spreadsheet_id"),
    ],
)
def test_refusals_say_what_to_do(
    server: SheetServer, read: Read, fault: Answer, cause: str, remedy: str
) -> None:
    server.faults.append(fault)
    with pytest.raises(SourceError) as caught:
        read()
    assert cause in caught.value.cause
    assert remedy in caught.value.remedy
    assert len(server.asked) == 1


def test_a_sheet_that_is_not_shared(server: SheetServer, read: Read) -> None:
    with pytest.raises(SourceAccessError, match="no access") as caught:
        read(account="other@study.iam.gserviceaccount.com")
    assert "share it with other@study.iam.gserviceaccount.com as a viewer" in caught.value.remedy


def test_an_id_or_a_range_that_is_not_there(read: Read) -> None:
    with pytest.raises(SourceAccessError, match="no spreadsheet with this id"):
        read(spreadsheet_id="1other")
    with pytest.raises(SourceError, match="cannot read this range"):
        read("Patiens!A:F")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Answer(400, b'{"error": "invalid_grant", "error_description": "Invalid JWT."}'), SourceAccessError),
        (Answer(401, b'{"error": "invalid_client"}'), SourceAccessError),
        (DROPPED, SourceUnavailableError),
    ],
)
def test_no_token(server: SheetServer, read: Read, fault: Answer, kind: type[EusEtlError]) -> None:
    server.token_faults.extend([fault] * 20)
    with pytest.raises(kind):
        read()
    assert server.asked == []


def test_tokens_that_are_never_accepted(server: SheetServer, read: Read) -> None:
    server.faults.extend([refusal(401, "Request had invalid authentication credentials.")] * 20)
    with pytest.raises(SourceAccessError, match="does not accept the credentials"):
        read()


def test_a_server_that_is_not_there(server: SheetServer) -> None:
    credentials = server.credentials()
    closed = "http://127.0.0.1:9/"  # the discard port: nothing listens there
    with pytest.raises(SourceUnavailableError, match="cannot be reached"):
        GoogleSheet(ID, "Patients", "Patient", [], credentials, api_root=closed).read()


def test_no_cell_and_no_token_in_any_log(
    server: SheetServer, read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        server.faults.extend([PASSING[0], PASSING[1]])
        read()
        token = next(reversed(server.tokens))
    assert "Quillfeather" not in caplog.text
    assert token not in caplog.text
