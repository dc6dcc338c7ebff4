"""What a study costs as it grows: CPU seconds of everything that is done with all visits, and their ratio.

    python benchmarks/scale.py [--visits 100 1000 10000] [--first 10] [--without-page]

``--first`` visits with a video of two seconds are made by the real chain, in one command; so many, at most,
as there are visits: ``--visits 100 1000 --first 1000`` makes all of both. The others were recorded before:
items, rows, files of the videos' folder, tables and provenance are there for each of them, and their events
were multiplied in Dagster's SQLite database from one that was reported to it; they have no images. So what
asks, plans, lists and assembles sees a study of the full size, and what decodes sees ``--first`` visits.

CPU seconds are those of the process itself, without the readers of videos; for the page those of the
webserver and its code server.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest import mock

import dagster as dg
import requests

from benchmarks.support.hospitals.hasty_databases import databases_in_a_hurry
from benchmarks.support.hospitals.large_study import visit_ids
from benchmarks.support.hospitals.multiplied import multiply, one_visit
from benchmarks.support.hospitals.tiny_hospital import ONE, TinyHospital
from benchmarks.support.page.webserver import webserver
from benchmarks.support.processes import descendants
from eus_etl.defs.assets.factory import StepSpec
from eus_etl.defs.event_store.space import stored_bytes
from eus_etl.defs.graph import StudyGraph, study_graph
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import RunReport, StudySession
from eus_etl.defs.reconcile.staleness import Node
from eus_etl.defs.status import study_status, visits_status
from eus_etl.defs.triggers.sensors import edits_sensor, videos_sensor
from eus_etl.settings import StudyConfig
from eus_etl.steps.result import StepResult

LINEAGE = """{ assetNodes { assetKey { path } staleStatus staleCauses { reason } dependencyKeys { path }
  assetMaterializations(limit: 1) { runId timestamp }
  partitionStats { numMaterialized numPartitions numFailed numMaterializing } } }"""
"""What the page of the lineage asks of each asset."""

PARTITIONS = """{ assetNodes { assetKey { path }
  partitionKeysByDimension { name partitionKeys }
  assetPartitionStatuses { ... on DefaultPartitionStatuses {
    materializedPartitions failedPartitions unmaterializedPartitions materializingPartitions } } } }"""
"""What the page of an asset's partitions asks, here of all assets at once."""

Figures = dict[str, float]


class Clock:
    """CPU seconds by what they were taken for."""

    def __init__(self) -> None:
        self.figures: Figures = {}

    def __call__(self, what: str, work: Callable[[], object], per: int = 1) -> None:
        """Do ``work``, and note its CPU seconds divided by ``per``."""
        begun = time.process_time()
        work()
        self.figures[what] = (time.process_time() - begun) / per


class Steps:
    """CPU seconds of what assets do, apart from what finding, deciding and recording costs beside it."""

    def __init__(self) -> None:
        self.taken_s = 0.0

    def graph(self, study: StudyConfig) -> StudyGraph:
        """The study's graph, whose steps are timed."""
        graph = study_graph(study)
        nodes = {key: self._timed(node) for key, node in graph.nodes.items()}
        return replace(graph, nodes=nodes)

    def _timed(self, node: Node) -> Node:
        if not isinstance(node, StepSpec):
            return node
        do = node.step

        def step(context: dg.AssetExecutionContext, patient: str) -> StepResult:
            begun = time.process_time()
            try:
                return do(context, patient)
            finally:
                self.taken_s += time.process_time() - begun

        return replace(node, step=step)


def first_run(clock: Clock, hospital: TinyHospital, instance: dg.DagsterInstance, visits: int) -> None:
    """Make new visits, and note what each costs, and what of that is not in its steps."""
    steps = Steps()
    with mock.patch("eus_etl.defs.reconcile.local_session.study_graph", steps.graph):
        clock("first run, a visit", lambda: run(hospital, instance), visits)
    clock.figures["of it beside the steps"] = clock.figures["first run, a visit"] - steps.taken_s / visits


def put_new_visits(hospital: TinyHospital, visits: list[str]) -> None:
    """Items and videos of visits that nothing is known of yet."""
    for number, visit in enumerate(visits):
        hospital.items[visit] = {**hospital.items[ONE], "pseudo_name": f"New-{number}-{visit[:6]}"}
        hospital.add_video(f"{visit}/first.mp4", first=0)
    hospital.write_items()


def run(hospital: TinyHospital, instance: dg.DagsterInstance, patients: list[str] | None = None) -> RunReport:
    """What `eus-etl run` does.

    Raises:
        SystemExit: something could not be made.
    """
    report = StudySession(hospital.study, instance).run(patients)
    if not report.complete:
        raise SystemExit(f"not complete: {report.failed[:3]} {report.unobserved}")
    return report


def command_s(hospital: TinyHospital) -> float:
    """CPU seconds of `eus-etl run` in a process of its own, which has to make something."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "eus_etl.cli", "run", "--config", hospital.config],
        env=os.environ | {"DAGSTER_HOME": str(hospital.home)},
        check=True,
        capture_output=True,
        text=True,
    )
    if "assets made for 1 visits" not in done.stdout:
        raise SystemExit(done.stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def status(hospital: TinyHospital, instance: dg.DagsterInstance) -> None:
    """What `eus-etl status` asks."""
    session = StudySession(hospital.study, instance)
    visits_status(hospital.study, session)
    study_status(hospital.study, session)


class Sensor:
    """A sensor that is ticked without a daemon: what it reports is recorded, what it requests counted."""

    def __init__(self, sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> None:
        self._sensor, self._instance = sensor, instance
        self._cursor: str | None = None
        self.requests = 0

    def tick(self) -> str | None:
        """One tick; returns why it skipped."""
        result = self._sensor(dg.build_sensor_context(self._instance, self._cursor))
        if isinstance(result, dg.SkipReason):
            return result.skip_message
        assert isinstance(result, dg.SensorResult)  # noqa: S101 - what the sensors return
        self._cursor = result.cursor
        for event in result.asset_events or ():
            if isinstance(event, dg.AssetMaterialization):
                self._instance.report_runless_asset_event(event)
        self.requests = len(result.run_requests or ())
        return result.skip_reason.skip_message if result.skip_reason else None

    def settle(self) -> None:
        """Tick until nothing is new."""
        for _ in range(20):
            said = self.tick()
            if said and said.endswith(("nothing new", "nothing has happened", ", 0 changes reported")):
                return
        raise SystemExit(f"the sensor found something new each time: {said}")


def tick_sensors(clock: Clock, hospital: TinyHospital, instance: dg.DagsterInstance) -> None:
    """Idle ticks of both sensors; then one that sees an edit, and one that sees that everything is stale."""
    graph = study_graph(hospital.study)
    videos, edits = (Sensor(make(graph, hospital.config), instance) for make in (videos_sensor, edits_sensor))
    videos.settle()
    edits.settle()
    clock("tick of the videos' sensor, nothing new", videos.tick)
    clock("tick of the edits' sensor, nothing new", edits.tick)
    hospital.items[ONE]["Stop Station 1 1"] = "00:00:01"
    hospital.write_items()
    clock("tick that sees a label edit", edits.tick)
    if edits.requests != 1:
        raise SystemExit(f"a label edit asked for {edits.requests} runs")
    run(hospital, instance)
    hospital.configure(quality={"frozen_min_s": 1.1})
    clock("tick that sees a threshold for all", edits.tick)
    if edits.requests < 2:  # one would be the tables
        raise SystemExit("a threshold asked for no runs")


def descendants_s() -> float:
    """CPU seconds of the processes that this one started and that are running, with those they started."""
    ticks = 0
    for pid in descendants(os.getpid()):
        with suppress(OSError):  # it has ended since
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def ask_page(hospital: TinyHospital) -> Figures:
    """CPU seconds of the queries behind two pages, each asked once before."""
    found: Figures = {}
    with webserver(hospital.home, hospital.configs, hospital.folder / "webserver.log") as address:
        for what, query in {"page: lineage": LINEAGE, "page: partitions": PARTITIONS}.items():
            for _ in range(2):
                begun = descendants_s()
                answer = requests.post(f"{address}/graphql", json={"query": query}, timeout=600).json()
                if answer.get("errors"):
                    raise SystemExit(f"{what}: {str(answer['errors'])[:500]}")
                found[what] = descendants_s() - begun
    return found


def measure(visits: int, first: int, *, page: bool) -> Figures:
    """All figures of a study of so many visits."""
    clock, made = Clock(), min(first, visits - 1)
    ids = visit_ids(visits - 1)
    with tempfile.TemporaryDirectory() as folder:
        with mock.patch.object(os, "fsync"):  # setting it up should not wait for the disk file by file
            hospital = one_visit(Path(folder))
            multiply(hospital, ids[made:])
        with open_instance(hospital.home) as instance:
            put_new_visits(hospital, ids[:made])
            before = stored_bytes(instance)
            first_run(clock, hospital, instance, made)
            kept_mb = (stored_bytes(instance) - before) / made / 1e6
            clock("run with nothing to do", lambda: run(hospital, instance))
            hospital.items[ONE]["Stop Station 1 1"] = "00:00:02"
            hospital.write_items()
            clock("label edit", lambda: run(hospital, instance))
            hospital.items[ONE]["Stop Station 1 1"] = "00:00:04"
            hospital.write_items()
            clock.figures["label edit, by a command of its own"] = command_s(hospital)
            hospital.add_video(f"{ONE}/second.mp4", first=200)
            clock("new video", lambda: run(hospital, instance))
            clock("status", lambda: status(hospital, instance))
            tick_sensors(clock, hospital, instance)
            clock("threshold, a visit", lambda: run(hospital, instance, ids[:made]), made)
            clock.figures["MB of events, a visit"] = kept_mb
        return clock.figures | (ask_page(hospital) if page else {})


def show(found: Mapping[int, Figures]) -> None:
    """Print a table: a line for each figure, a column for each size, and the largest to the smallest."""
    sizes = list(found)
    print(f"| CPU s | {' | '.join(f'{size:,}' for size in sizes)} | ratio |")
    print("|---" * (len(sizes) + 2) + "|")
    for what, smallest in found[sizes[0]].items():
        figures = [found[size][what] for size in sizes]
        ratio = figures[-1] / smallest if smallest else float("nan")
        print(f"| {what} | {' | '.join(f'{figure:.2f}' for figure in figures)} | {ratio:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--visits", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--first", type=int, default=10, help="so many are made by the real chain")
    parser.add_argument("--without-page", action="store_true", help="start no webserver")
    options = parser.parse_args()
    found: dict[int, Figures] = {}
    with databases_in_a_hurry():
        measure(4, 1, page=False)  # what is imported and compiled once
        for visits in options.visits:
            found[visits] = measure(visits, options.first, page=not options.without_page)
            print(f"{visits:,} visits are measured", flush=True)
    show(found)


if __name__ == "__main__":
    main()
