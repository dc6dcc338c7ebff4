"""A visit end to end: from an uploaded 1080p H.264 video at 5 Hz to its rows of the dataset, with all checks.

    python benchmarks/visit.py [--minutes 2 10]

Two kinds of file: with three B frames after each other frame, as public recordings in H.264 have them, and
with hardly any, of which nearly all frames have to be decoded.

Reference is bare decoding of the same file (``ffmpeg -f null``), before and after. Seconds are those of
`eus-etl run` in a process of its own, start-up included; those of an asset are Dagster's, from the start of
its step to the end. Memory is the largest resident size (VmHWM) of each process of the run.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from benchmarks.support.hospitals.hospital_of_videos import hospital_of
from benchmarks.support.processes import descendants, peak_mb
from benchmarks.text_check import CLIP_S, repeat, write_clip
from eus_etl.defs.instance import open_instance
from eus_etl.domain.paths import StudyPaths

MOST_RATIO, MOST_MB = 1.4, 400
KINDS = {"B frames": "bframes=3:b-adapt=0", "hardly any B frames": ""}
"""Kinds of file, with the encoder's settings."""

_LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds, seconds of CPU, and the most memory of each process, largest first."""

    wall_s: float
    cpu_s: float
    peaks_mb: list[int]


def cost_of(command: Sequence[str | Path], **environment: str) -> Cost:
    """Run a command, and look at its processes all the while."""
    before, start = os.times(), time.perf_counter()
    peaks: dict[int, int] = {}
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
    while running.poll() is None:
        for pid in (running.pid, *descendants(running.pid)):
            if (peak := peak_mb(pid)) is not None:
                peaks[pid] = peak
        time.sleep(_LOOK_EVERY_S)
    if running.returncode:
        raise SystemExit(f"{command[0]} ended with {running.returncode}")
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(time.perf_counter() - start, cpu_s, sorted(peaks.values(), reverse=True))


def seconds_of_assets(home: Path) -> dict[str, float]:
    """Seconds of each asset over all runs of an instance, those that took the longest first."""
    found: dict[str, float] = {}
    with open_instance(home) as instance:
        for run in instance.get_runs():
            for step in instance.get_run_step_stats(run.run_id):
                if step.start_time and step.end_time:
                    name = step.step_key.rpartition("__")[2]
                    found[name] = found.get(name, 0) + step.end_time - step.start_time
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))


def measure(clip: Path, kind: str, minutes: float, folder: Path) -> None:
    """Print what a visit with a video of so many minutes takes."""
    video = folder / "video.mp4"
    repeat(clip, video, round(minutes * 60 / CLIP_S))
    recipes = {"grey512": {"version": 1, "size_px": 512}}
    preprocess = {"recipes": recipes, "text_check": {"enabled": "always"}}
    study = hospital_of(folder, {"visit": video}, preprocess=preprocess)
    home = folder / "dagster_home"
    decode: list[str | Path] = ["ffmpeg", "-v", "error", "-nostdin", "-i", video, "-an", "-f", "null", "-"]
    run: list[str | Path] = [sys.executable, "-m", "eus_etl.cli", "run", "--config", folder / "study.yaml"]
    first, whole, second = cost_of(decode), cost_of(run, DAGSTER_HOME=str(home)), cost_of(decode)
    bare_s, bare_cpu_s = (first.wall_s + second.wall_s) / 2, (first.cpu_s + second.cpu_s) / 2
    rows = pl.read_parquet(StudyPaths(study.root).table("dataset").with_suffix(".parquet")).height
    print(f"\n### {minutes:g} minutes, {kind}, {rows} rows\n")
    print("| | s | of bare decoding | CPU s | of bare decoding |\n|---|---|---|---|---|")
    print(f"| bare decoding | {bare_s:.1f} | 1 | {bare_cpu_s:.1f} | 1 |")
    print(
        f"| `eus-etl run` | {whole.wall_s:.1f} | {whole.wall_s / bare_s:.2f} "
        f"| {whole.cpu_s:.1f} | {whole.cpu_s / bare_cpu_s:.2f} |"
    )
    for name, seconds in list(seconds_of_assets(home).items())[:8]:
        print(f"| {name} | {seconds:.1f} | {seconds / bare_s:.2f} | | |")
    met = "met" if whole.wall_s / bare_s <= MOST_RATIO else "missed"
    print(f"\nratio of seconds: {whole.wall_s / bare_s:.2f}, at most {MOST_RATIO}: {met}")
    verdict = "met" if whole.peaks_mb[0] <= MOST_MB else "missed"
    print(f"largest processes: {whole.peaks_mb[:4]} MB, at most {MOST_MB}: {verdict}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--minutes", type=float, nargs="+", default=[2, 10])
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for kind, x264 in KINDS.items():
            clip = Path(name) / "clip.mp4"
            write_clip(clip, x264)
            for minutes in chosen.minutes:
                folder = Path(name) / f"{kind} {minutes:g}"
                folder.mkdir()
                measure(clip, kind, minutes, folder)


if __name__ == "__main__":
    main()
