"""Two workers against one on one machine, on visits that are mostly decoding; and what a visit costs beside.

    python benchmarks/cluster.py [--visits N] [--seconds S]

Each round starts everything again: PostgreSQL, Redis, a server's services, and workers in namespaces of
their own. A worker has one core, as a machine of its own would be: one with two would decode a video on both.
All visits are queued at once by `eus-etl run --submit`, a run each. A round lasts from the first visit's
start to the last one's end, so the start of the services is not in it. Daemon, databases and code server
share the two cores with the workers: with one worker they have the other core to themselves, with two they
take from both.
`overhead` is what a visit takes from its launch to its end beside its steps: broker, start of a process,
definitions, its run's events.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import numpy as np
from numpy.typing import NDArray

from benchmarks.support.hospitals.cluster import cluster
from benchmarks.support.hospitals.services import wait_until
from benchmarks.support.hospitals.two_studies import TwoStudies
from benchmarks.support.videos.small_videos import write_video
from eus_etl.defs.assets.names import Asset
from eus_etl.defs.instance import daemon_seen
from eus_etl.defs.keys import SCOPE_TAG, VISIT, asset_key
from eus_etl.defs.reconcile.run_health import UNDER_WAY
from eus_etl.steps.observation.snapshot import DRIVE_VIDEOS, LABEL_ITEMS
from eus_etl.storage.source_snapshots import Inventory

_FRAME_MS = 40
_PATIENCE_S = 1800.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--visits", type=int, default=12)
    parser.add_argument("--seconds", type=int, default=60, help="of each visit's video, 1280x720 at 25 Hz")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="eus_etl_cluster") as name:
        folder = Path(name)
        video = heavy_video(folder / "heavy.mp4", arguments.seconds)

        def write(path: Path, number: int) -> None:
            # bytes behind the last box tell the files apart, and change no picture
            path.write_bytes(video.read_bytes() + b"\0\0\0\x0cfree" + number.to_bytes(4, "big"))

        hospital = TwoStudies(folder / "hospital", arguments.visits, write)
        walls_s = {
            workers: measured(hospital.copy(folder / f"with_{workers}"), workers) for workers in (1, 2)
        }
        print(f"2 workers are {walls_s[1] / walls_s[2]:.2f} times as fast as 1")


def measured(hospital: TwoStudies, workers: int) -> float:
    """Make a hospital's visits with so many workers, and print how long it took; its seconds."""
    visits = sum(map(len, hospital.visits.values()))
    with cluster(hospital, workers) as (found, instance):
        for number in range(workers):
            found.start_worker(number, core=number)
        with ExitStack() as running:
            with hospital.closed():
                running.enter_context(found.services.running())
                wait_until("sensors have looked", lambda: is_looked_at(hospital), _PATIENCE_S, found.services)
            for study in hospital.visits:
                submit(hospital, study)
            wait_until("all are made", lambda: is_made(hospital, instance), _PATIENCE_S, found.services)
        of_visits = dg.RunsFilter(tags={SCOPE_TAG: VISIT}, statuses=[dg.DagsterRunStatus.SUCCESS])
        records = instance.get_run_records(of_visits)
        wall_s = max(record.end_time or 0 for record in records) - min(
            record.start_time or 0 for record in records
        )
        of_steps_s = []
        overhead_s = []
        for record in records:
            run_id = record.dagster_run.run_id
            steps_s = sum(
                step.end_time - step.start_time
                for step in instance.get_run_step_stats(run_id)
                if step.start_time is not None and step.end_time is not None
            )
            launched = instance.get_run_stats(run_id).launch_time or 0
            of_steps_s.append(steps_s)
            overhead_s.append((record.end_time or 0) - launched - steps_s)
    print(
        f"{workers} workers: {visits} visits in {wall_s:.1f} s, {wall_s / visits:.2f} s each; "
        f"of each of {len(records)} runs {np.mean(of_steps_s):.2f} s steps, "
        f"{np.mean(overhead_s):.2f} s overhead (median {np.median(overhead_s):.2f} s)"
    )
    return wall_s


def is_looked_at(hospital: TwoStudies) -> bool:
    """Whether the sensors have looked at every source, and a daemon takes runs."""
    paths = [hospital.paths(study) for study in hospital.visits]
    seen = all(Inventory(each, source).is_whole for each in paths for source in (LABEL_ITEMS, DRIVE_VIDEOS))
    return seen and daemon_seen(hospital.home) is not None


def submit(hospital: TwoStudies, study: str) -> None:
    """Queue a run for each of a study's visits."""
    program = Path(sys.executable).with_name("eus-etl")
    subprocess.run([program, "run", "--submit", "--config", hospital.config(study)], check=True)


def is_made(hospital: TwoStudies, instance: dg.DagsterInstance) -> bool:
    """Whether all visits are made, and no run is under way."""
    if instance.get_runs_count(dg.RunsFilter(statuses=list(UNDER_WAY))):
        return False
    return all(
        len(instance.get_materialized_partitions(asset_key(study, Asset.PREPROCESSED_FRAMES))) == len(visits)
        for study, visits in hospital.visits.items()
    )


def heavy_video(path: Path, seconds: int) -> Path:
    """A video that takes long to decode: speckle that moves, at a high rate of bits."""
    noise = np.random.default_rng(1).integers(0, 120, (720 + 64, 1280 + 64), np.uint8)

    def paint(number: int, width: int, height: int) -> NDArray[np.uint8]:
        down, right = number * 7 % 64, number * 5 % 64
        picture = np.zeros((height, width, 3), np.uint8)
        field = noise[down : down + height - 40, right : right + width - 40, np.newaxis]
        picture[20:-20, 20:-20] = field + np.uint8(60)
        return picture

    started = time.monotonic()
    write_video(path, [_FRAME_MS * n for n in range(25 * seconds)], size=(1280, 720), painter=paint)
    made_s, mb = time.monotonic() - started, path.stat().st_size / 1e6
    print(f"made a video of {seconds} s, {mb:.0f} MB, in {made_s:.0f} s")
    return path


if __name__ == "__main__":
    main()
