"""Items in DynamoDB and rows on a sheet, of thousands of patients: what a look costs, what an edit starts.

    python benchmarks/records.py [--patients 10000] [--changed 10]

Both services run on loopback. All patients are known and made; then some items and some rows are edited.
"""

import argparse
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from unittest import mock

import boto3
import dagster as dg

from benchmarks.support.hospitals.hasty_databases import databases_in_a_hurry
from benchmarks.support.hospitals.large_study import record_made, record_versions, record_visits, visit_ids
from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from benchmarks.support.servers.aws_server import REGION, aws_server, create_table
from benchmarks.support.servers.sheet_server import Cell, SheetServer, Spreadsheet, sheet_server
from eus_etl.defs.assets.names import Asset
from eus_etl.defs.graph import StudyGraph, study_graph
from eus_etl.defs.instance import open_instance
from eus_etl.defs.triggers.sensors import edits_sensor
from eus_etl.steps.observation.connect import connect
from eus_etl.steps.observation.observe import observe
from eus_etl.steps.observation.snapshot import LABEL_ITEMS, PATIENT_ROWS

TABLE, SHEET = "patient", "sheet-of-the-study"
_PUT_AT_ONCE = 25


class Records:
    """The services, and how their records are written."""

    def __init__(self, aws: str, sheet: SheetServer) -> None:
        self.aws = aws
        self.sheet = sheet
        self.edited_rows: set[str] = set()

    def put_items(self, patients: list[str], stop: str) -> None:
        with closing(boto3.client("dynamodb", region_name=REGION, endpoint_url=self.aws)) as client:
            for first in range(0, len(patients), _PUT_AT_ONCE):
                items = [
                    {"pk": patient, "pseudo_name": f"Alias-{patient}", "Start FNA 1": "00:01:40"}
                    for patient in patients[first : first + _PUT_AT_ONCE]
                ]
                writes = [
                    {"PutRequest": {"Item": {k: {"S": v} for k, v in {**item, "Stop FNA 1": stop}.items()}}}
                    for item in items
                ]
                client.batch_write_item(RequestItems={TABLE: writes})  # type: ignore[dict-item]  # items are JSON

    def write_rows(self, patients: list[str]) -> None:
        rows: list[list[Cell]] = [
            [patient, "other" if patient in self.edited_rows else "none"] for patient in patients
        ]
        self.sheet.spreadsheets[SHEET] = Spreadsheet({"Patients": [["Patient", "Cancer type"], *rows]})


@contextmanager
def records() -> Iterator[Records]:
    credentials = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    with mock.patch.dict(os.environ, credentials), aws_server() as aws, sheet_server() as sheet:
        with closing(boto3.client("dynamodb", region_name=REGION, endpoint_url=aws)) as client:
            create_table(client, TABLE)
        yield Records(aws, sheet)


def study_of(folder: Path, held: Records) -> TinyHospital:
    hospital = TinyHospital(folder)
    hospital.configure(
        sources={
            "label_items": {
                "kind": "dynamodb",
                "table": TABLE,
                "region": REGION,
                "endpoint_url": held.aws,
            },
            "patient_rows": {
                "kind": "google_sheet",
                "spreadsheet_id": SHEET,
                "range": "Patients",
                "credentials_file": str(held.sheet.write_key_file(folder / "sheet_key.json")),
                "api_root": held.sheet.root,
            },
        }
    )
    return hospital


def look(graph: StudyGraph, source: str) -> dict[str, str]:
    """Versions of a source, observed in one pass whose time is printed."""
    begun = time.perf_counter()
    versions = dict(observe(graph.study, connect(graph.study), source).versions)
    print(f"| first look at {source} | {time.perf_counter() - begun:.1f} s | {len(versions):,} versions |")
    return versions


def tick(
    what: str, graph: StudyGraph, instance: dg.DagsterInstance, cursor: str | None
) -> tuple[str | None, set[str], set[str]]:
    """A tick of the edits' sensor: its cursor, whose events it reports and whose runs it asks for."""
    begun = time.perf_counter()
    result = edits_sensor(graph)(dg.build_sensor_context(instance, cursor))
    taken_s = time.perf_counter() - begun
    if isinstance(result, dg.SkipReason):
        print(f"| {what} | {taken_s:.1f} s | skipped: {result.skip_message} |")
        return cursor, set(), set()
    assert isinstance(result, dg.SensorResult)  # noqa: S101 - what the sensor returns
    events = {str(event.partition) for event in result.asset_events if event.partition}
    asked = {str(request.partition_key) for request in result.run_requests or [] if request.partition_key}
    print(f"| {what} | {taken_s:.1f} s | {len(events)} patients logged, {len(asked)} requested |")
    for event in result.asset_events:
        if isinstance(event, dg.AssetMaterialization):
            instance.report_runless_asset_event(event)
    return result.cursor, events, asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--changed", type=int, default=10, help="edited items, and as many edited rows")
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line a request
    patients = visit_ids(options.patients)
    of_items, of_rows = patients[: options.changed], patients[-options.changed :]
    print(f"| {options.patients:,} patients | taken | found |\n|---|---|---|")
    with (
        tempfile.TemporaryDirectory() as folder,
        records() as held,
        databases_in_a_hurry(),
        mock.patch.object(os, "fsync"),  # setting it up should not wait for the disk file by file
    ):
        held.put_items(patients, stop="00:02:00")
        held.write_rows(patients)
        hospital = study_of(Path(folder), held)
        graph = study_graph(hospital.study)
        with open_instance(hospital.home) as instance:
            for source in (LABEL_ITEMS, PATIENT_ROWS):
                record_versions(instance, hospital.home, graph.key(source), look(graph, source))
            record_visits(instance, graph, patients)
            record_made(instance, hospital.home, graph, (Asset.LABELS, Asset.PATIENTS), patients)
            cursor, _, _ = tick("tick that looks through all", graph, instance, None)
            cursor, _, _ = tick("tick on nothing new", graph, instance, cursor)
            cursor, _, _ = tick("tick on nothing new", graph, instance, cursor)
            held.put_items(of_items, stop="00:02:01")
            held.edited_rows.update(of_rows)
            held.write_rows(patients)
            _, logged, asked = tick(
                f"tick on {options.changed} items and as many rows", graph, instance, cursor
            )
    changed = {*of_items, *of_rows}
    print(f"\nlogged are the changed patients and no others: {logged == changed}")
    print(f"requested are changed patients and no others: {asked == set(sorted(changed)[:20])}")


if __name__ == "__main__":
    main()
