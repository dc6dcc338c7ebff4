"""A hospital with its videos on a drive, its items in DynamoDB, its rows on a Google Sheet: all on loopback.

Three visits with one video each; the first and the last are of one person. Names and secrets are planted,
so that tests can look for them where they must not be.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import requests

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, FRAMES, ONE, TWO, TinyHospital
from benchmarks.support.servers.aws_server import REGION, aws_server, create_table
from benchmarks.support.servers.drive_files import Drive
from benchmarks.support.servers.drive_server import DriveServer, serve
from benchmarks.support.servers.drive_tokens import TokenOffice
from benchmarks.support.servers.sheet_server import Cell, SheetServer, Spreadsheet, sheet_server
from benchmarks.support.videos.small_videos import paint_field, write_video

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

AGAIN = "33333333-aaaa-4aaa-8aaa-000000000003"
"""Another visit of the person of visit ``ONE``."""
VISITS = (ONE, TWO, AGAIN)

STUDY_FOLDER = "folder000001"
"""Id of the first folder that a drive makes."""

ITEMS, PERSONS, SHEET = "patient", "patient_info", "sheet-of-the-study"
KEY_VARIABLE, KEY = "EUS_ETL_TEST_SUBJECT_KEY", "5ec7e7" * 11
HASHES = {ONE: "261a5d290e06" * 5, TWO: "e073284aa808" * 5, AGAIN: "261a5d290e06" * 5}
NAME, DOCTOR, FREE_TEXT = "Quillfeather", "Morgenthaler", "told her sister of it"
AWS_SECRET = "planted-aws-secret"  # noqa: S105 - planted to be looked for

HEADERS: list[Cell] = ["Name", "Cancer type", "Patient"]
FIRST_ROWS: Mapping[str, str] = {ONE: "none", ALIAS_TWO: "other", AGAIN: "adenocarcinoma"}


def subject_of(visit: str) -> str:
    """The id that the person of a visit must get: HMAC-SHA256 of the hash."""
    return hmac.new(KEY.encode(), HASHES[visit].encode(), hashlib.sha256).hexdigest()


def drive_source(server: DriveServer, folder: Path) -> dict[str, object]:
    """Configuration of videos on the drive below its first folder; the key file is written to ``folder``."""
    assert server.tokens is not None
    return {
        "kind": "google_drive",
        "folder_id": STUDY_FOLDER,
        "credentials_file": str(server.tokens.write_key_file(folder / "drive_key.json", server.address)),
        "api_root": server.api_root,
        "workers": 2,
    }


@dataclass(frozen=True)
class Services:
    """The running servers."""

    drive: DriveServer
    tokens: TokenOffice
    sheet: SheetServer
    aws: str
    dynamo: "DynamoDBClient"

    @property
    def secrets(self) -> list[str]:
        """What may stand nowhere: keys, tokens, hashes of persons, free text, doctors."""
        planted = [AWS_SECRET, KEY, *HASHES.values(), FREE_TEXT, DOCTOR]
        return [*planted, *self.tokens.secrets, "token-1", "PRIVATE KEY"]


@contextmanager
def services() -> Iterator[Services]:
    """All servers, stopped at the end of the block; AWS credentials must be in the environment."""
    tokens = TokenOffice()
    with (
        serve(Drive(), tokens=tokens) as drive,
        sheet_server() as sheet,
        aws_server() as aws,
        closing(boto3.client("dynamodb", region_name=REGION, endpoint_url=aws)) as dynamo,
    ):
        yield Services(drive, tokens, sheet, aws, dynamo)


class RealHospital:
    """The pancreas study below ``folder``, its sources in the services.

    Args:
        folder: of an earlier hospital as well, whose root and instance then go on.
        running: the servers; what they held before is replaced.
        drive: what the drive holds; None fills a new one.
    """

    def __init__(self, folder: Path, running: Services, drive: Drive | None = None) -> None:
        self.folder = folder
        self.running = running
        self.tiny = TinyHospital(folder)
        self.tiny.configure(sources=self._sources())
        self.drive = Drive() if drive is None else copy_of(drive)
        running.drive.drive = self.drive
        running.drive.faults.other.clear()
        requests.post(f"{running.aws}/moto-api/reset", timeout=10).raise_for_status()
        create_table(running.dynamo, ITEMS)
        create_table(running.dynamo, PERSONS)
        self.put_item(ONE, "Brisk-Heron-1", Start="00:00:00", Stop="00:00:01")
        self.put_item(TWO, ALIAS_TWO, Start="00:00:00", Stop="00:00:02")
        self.put_item(AGAIN, "Slow-Wren-3", Start="00:00:01", Stop="00:00:02")
        self.rows: dict[str, str] = dict(FIRST_ROWS)
        self.write_rows()
        if drive is None:
            self._fill_drive()

    def _sources(self) -> dict[str, object]:
        running = self.running
        sheet_key = running.sheet.write_key_file(self.folder / "sheet_key.json")
        aws = {"region": REGION, "endpoint_url": running.aws}
        return {
            "videos": drive_source(running.drive, self.folder),
            "label_items": {"kind": "dynamodb", "table": ITEMS, **aws},
            "patient_rows": {
                "kind": "google_sheet",
                "spreadsheet_id": SHEET,
                "range": "Patients!A:F",
                "credentials_file": str(sheet_key),
                "api_root": running.sheet.root,
            },
            "subjects": {"table": PERSONS, "key_variable": KEY_VARIABLE, **aws},
        }

    def _fill_drive(self) -> None:
        study = self.drive.folder("study")
        for visit, name, first in ((ONE, ONE, 0), (TWO, ALIAS_TWO, 100), (AGAIN, AGAIN, 200)):
            folder = self.drive.folder(f"{name} {NAME}", study)
            self.drive.upload(f"{NAME} first.mp4", folder, self.video(first))
            assert self.folder_of(visit) == folder

    def folder_of(self, visit: str) -> str:
        """Id of a visit's folder on the drive."""
        names = {ONE: ONE, TWO: ALIAS_TWO, AGAIN: AGAIN}
        return next(item.item_id for item in self.drive.items.values() if item.name.startswith(names[visit]))

    def file_of(self, visit: str) -> str:
        """Id of the first file in a visit's folder."""
        return self.drive.children([self.folder_of(visit)])[0].item_id

    def video(self, first: int) -> bytes:
        """A video whose n-th frame shows the number ``first + n``."""
        path = write_video(
            self.folder / "made.mp4",
            [40 * n for n in range(FRAMES)],
            size=(320, 192),
            first=first,
            painter=paint_field,
        )
        return path.read_bytes()

    def put_item(self, visit: str, alias: str, **station: str) -> None:
        """Write a visit's label item, and who the person is; ``Start`` and ``Stop`` are of its station."""
        attributes = {
            "pk": visit,
            "pseudo_name": alias,
            "org": "AIMS",
            "Date": "2026-10-05",
            "Stop Procedure": "00:00:02",
            "biopsy": f"{NAME} {FREE_TEXT}",
            **{f"{edge} Station 1 1": time for edge, time in station.items()},
        }
        person = {"pk": visit, "mrd_hash": HASHES.get(visit, "ff" * 32), "name": NAME, "doctor": DOCTOR}
        for table, item in ((ITEMS, attributes), (PERSONS, person)):
            self.running.dynamo.put_item(
                TableName=table, Item={name: {"S": value} for name, value in item.items()}
            )

    def write_rows(self) -> None:
        """Write the sheet."""
        rows: list[list[Cell]] = [[NAME, cancer, patient] for patient, cancer in self.rows.items()]
        self.running.sheet.spreadsheets[SHEET] = Spreadsheet({"Patients": [HEADERS, *rows]})


def copy_of(drive: Drive) -> Drive:
    """A drive of its own with the same things in it, under the same ids."""
    items = {key: replace(item) for key, item in drive.items.items()}
    return Drive(items, list(drive.log), drive.oldest_change, _numbers=count(1000))
