"""A visit end to end: from an uploaded 1080p H.264 video at 5 Hz to its rows of the dataset, with all checks.

    python benchmarks/visit.py [--minutes 2 10]

Reference is bare decoding of the same file (``ffmpeg -f null``), before and after. Seconds are those of
`eus-etl run` in a process of its own, start-up included; those of an asset are Dagster's, from the start of
its step to the end. Memory is the largest resident size of any process of the run.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from benchmarks.support.hospitals.hospital_of_videos import hospital_of
from benchmarks.text_check import CLIP_S, repeat, write_clip
from eus_etl.defs.instance import open_instance
from eus_etl.domain.paths import StudyPaths

MOST_RATIO, MOST_MB = 1.4, 400


def seconds_of(command: Sequence[str | Path], **environment: str) -> tuple[float, float]:
    """What a command takes: seconds, and seconds of CPU."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, cpu_s


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


def measure(clip: Path, minutes: float, folder: Path) -> None:
    """Print what a visit with a video of so many minutes takes."""
    video = folder / "video.mp4"
    repeat(clip, video, round(minutes * 60 / CLIP_S))
    recipes = {"grey512": {"version": 1, "size_px": 512}}
    preprocess = {"recipes": recipes, "text_check": {"enabled": "always"}}
    study = hospital_of(folder, {"visit": video}, preprocess=preprocess)
    home = folder / "dagster_home"
    bare: list[str | Path] = ["ffmpeg", "-v", "error", "-nostdin", "-i", video, "-an", "-f", "null", "-"]
    first_s, first_cpu_s = seconds_of(bare)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "eus_etl.cli",
        "run",
        "--config",
        folder / "study.yaml",
    ]
    whole_s, whole_cpu_s = seconds_of(command, DAGSTER_HOME=str(home))
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    second_s, second_cpu_s = seconds_of(bare)
    bare_s, bare_cpu_s = (first_s + second_s) / 2, (first_cpu_s + second_cpu_s) / 2
    rows = pl.read_parquet(StudyPaths(study.root).table("dataset").with_suffix(".parquet")).height
    print(f"\n### {minutes:g} minutes, {rows} rows\n")
    print("| | s | of bare decoding | CPU s | of bare decoding |\n|---|---|---|---|---|")
    print(f"| bare decoding | {bare_s:.1f} | 1 | {bare_cpu_s:.1f} | 1 |")
    print(
        f"| `eus-etl run` | {whole_s:.1f} | {whole_s / bare_s:.2f} "
        f"| {whole_cpu_s:.1f} | {whole_cpu_s / bare_cpu_s:.2f} |"
    )
    for name, seconds in list(seconds_of_assets(home).items())[:8]:
        print(f"| {name} | {seconds:.1f} | {seconds / bare_s:.2f} | | |")
    met = "met" if whole_s / bare_s <= MOST_RATIO else "missed"
    print(f"\nratio of seconds: {whole_s / bare_s:.2f}, at most {MOST_RATIO}: {met}")
    print(f"peak: {peak_mb} MB, at most {MOST_MB}: {'met' if peak_mb <= MOST_MB else 'missed'}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--minutes", type=float, nargs="+", default=[2, 10])
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        clip = Path(name) / "clip.mp4"
        write_clip(clip)
        for number, minutes in enumerate(chosen.minutes):
            folder = Path(name) / str(number)
            folder.mkdir()
            measure(clip, minutes, folder)


if __name__ == "__main__":
    main()
