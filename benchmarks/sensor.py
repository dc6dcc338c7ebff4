"""What a tick costs while nothing is new: its time and its requests, for studies of growing size.

    python benchmarks/sensor.py [--visits 100 1000 10000] [--ticks 10]

A drive on loopback holds a file a visit; as many label items stand in a JSON export. All visits are known.
The middle of the ticks counts.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import dagster as dg

from benchmarks.support.hospitals.hasty_databases import databases_in_a_hurry
from benchmarks.support.hospitals.large_study import record_made, record_versions, record_visits, visit_ids
from benchmarks.support.hospitals.real_hospital import drive_source
from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from benchmarks.support.servers.drive_client import HASTE
from benchmarks.support.servers.drive_files import Drive
from benchmarks.support.servers.drive_server import DriveServer, serve
from benchmarks.support.servers.drive_tokens import TokenOffice
from eus_etl.defs.assets.names import Asset
from eus_etl.defs.graph import StudyGraph, study_graph
from eus_etl.defs.instance import open_instance
from eus_etl.defs.triggers.sensors import edits_sensor, videos_sensor
from eus_etl.steps.observation.connect import connect
from eus_etl.steps.observation.observe import observe
from eus_etl.steps.observation.snapshot import LABEL_ITEMS

Ticking = Callable[[str | None], tuple[str | None, str | None]]
"""A tick: from a cursor to the next, and why it skipped."""


def fill(drive: Drive, visits: list[str]) -> None:
    study = drive.folder("study")
    for visit in visits:
        drive.upload("a.mp4", drive.folder(visit, study), visit.encode())


def ticking(sensor: dg.SensorDefinition, instance: dg.DagsterInstance, *, report: bool) -> Ticking:
    def tick(cursor: str | None) -> tuple[str | None, str | None]:
        result = sensor(dg.build_sensor_context(instance, cursor))
        if isinstance(result, dg.SkipReason):
            return cursor, result.skip_message
        assert isinstance(result, dg.SensorResult)  # noqa: S101 - what the sensors return
        for event in result.asset_events:
            if report and isinstance(event, dg.AssetMaterialization):
                instance.report_runless_asset_event(event)
        return result.cursor, result.skip_reason.skip_message if result.skip_reason else None

    return tick


def idle(tick: Ticking, cursor: str | None, ticks: int, reason: str) -> float:
    """Middle time of ticks in ms, each of which found nothing new."""
    taken = []
    for _ in range(ticks):
        begun = time.perf_counter()
        cursor, skipped = tick(cursor)
        taken.append(time.perf_counter() - begun)
        if skipped != reason:
            raise SystemExit(f"a tick was not idle: {skipped}")
    return 1000 * statistics.median(taken)


def of_videos(
    graph: StudyGraph, instance: dg.DagsterInstance, server: DriveServer, visits: int, ticks: int
) -> tuple[float, float]:
    """Time of an idle tick in ms, and its requests."""
    tick = ticking(videos_sensor(graph), instance, report=False)
    with mock.patch("eus_etl.defs.reconcile.plan.RUNS_A_TICK", visits):  # asks for all at once
        cursor, _ = tick(None)
    before = server.requests
    taken_ms = idle(tick, cursor, ticks, "nothing new")
    return taken_ms, (server.requests - before) / ticks


def of_edits(hospital: TinyHospital, graph: StudyGraph, instance: dg.DagsterInstance, ticks: int) -> float:
    """Time of an idle tick in ms."""
    seen = observe(graph.study, connect(graph.study), LABEL_ITEMS)
    record_visits(instance, graph, seen.versions)
    record_versions(instance, hospital.home, graph.key(LABEL_ITEMS), seen.versions)
    record_made(instance, hospital.home, graph, (Asset.LABELS, Asset.PATIENTS), seen.versions)
    tick, cursor, skipped = ticking(edits_sensor(graph), instance, report=True), None, None
    while (
        skipped != "nothing has happened"
    ):  # until it has reported and asked for all that the new study lacks
        cursor, skipped = tick(cursor)
    return idle(tick, cursor, ticks, "nothing has happened")


def measure(visits: int, ticks: int) -> tuple[float, float, float]:
    """Times of idle ticks of both sensors in ms, and requests of the videos' one."""
    with tempfile.TemporaryDirectory() as folder, serve(Drive(), tokens=TokenOffice()) as server:
        ids = visit_ids(visits)
        fill(server.drive, ids)
        hospital = TinyHospital(Path(folder))
        hospital.configure(sources={"videos": drive_source(server, hospital.folder)})
        items = [{"pk": visit, "Start FNA 1": "00:01:40", "Stop FNA 1": "00:02:00"} for visit in ids]
        (hospital.folder / "incoming" / "items.json").write_text(json.dumps(items))
        hospital.write_rows("Patient,Cancer type\n")
        graph = study_graph(hospital.study)
        with open_instance(hospital.home) as instance:
            edits_ms = of_edits(hospital, graph, instance, ticks)
            return *of_videos(graph, instance, server, visits, ticks), edits_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--visits", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--ticks", type=int, default=10)
    options = parser.parse_args()
    # what is timed writes nothing: setting it up should not wait for the disk file by file; and of ticks that
    # follow one another at once, the pace that the real Drive wants would be all that is seen
    pace = mock.patch("eus_etl.sources.videos.google_drive.source.Pace", return_value=HASTE)
    with databases_in_a_hurry(), mock.patch.object(os, "fsync"), pace:
        found = {visits: measure(visits, options.ticks) for visits in options.visits}
    print("| visits | videos: ms a tick | requests a tick | edits: ms a tick |\n|---|---|---|---|")
    for visits, (videos_ms, requests, edits_ms) in found.items():
        print(f"| {visits:,} | {videos_ms:.1f} | {requests:g} | {edits_ms:.0f} |")
    first, *_, last = found.values()
    print(f"\nlargest to smallest study: videos {last[0] / first[0]:.2f}, edits {last[2] / first[2]:.1f}")


if __name__ == "__main__":
    main()
