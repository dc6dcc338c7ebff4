"""Speed of preprocessing beside a bare loop in OpenCV over the same frames, on two threads each.

    python benchmarks/preprocess.py [--runs 5] [--frames 1000] [--clip FILE]

The loop is ``cv2.imread``, ``cv2.resize`` to 512 by 512, ``cv2.imwrite``: no mask, no crop, no row, no hash,
and what it leaves is neither flushed nor remembered. It is timed in colour, as OpenCV reads where nothing is
said, and in grey; each also with averaging by area, as recipes shrink, which costs OpenCV more than its
interpolation from four neighbours. Ours is the step of the pipeline by one recipe of 512 px in grey, without
the text check. All write PNG with OpenCV's settings. All take turns; times are medians, their ratios those of
one run. CPU seconds move less with the load of the machine.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from benchmarks.support.hospitals.visits import PATIENT, make_study, put_video
from benchmarks.support.screens.sample_screens import sample_screen
from benchmarks.support.videos.pictures import read_picture
from eus_etl.domain.images.codec import encode_image
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.images.threads import one_thread_a_picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import REGIONS
from eus_etl.domain.video.reader import decode
from eus_etl.settings import ImageConfig, RecipeConfig, StudyConfig
from eus_etl.steps.preprocessed_frames.step import preprocess_patient
from eus_etl.steps.regions.step import find_regions

VIDEO = "vaaaaaaaaaaaa"
SIZE_PX = 512
THREADS = 2


def screens(frames: int, clip: Path | None) -> list[Picture]:
    """Pictures of a clip, or of a synthetic machine at 1920 by 1080, repeated where there are too few."""
    if clip:
        shown = [frame.picture() for frame in decode(clip, "0" * 12)]
    else:
        grey = sample_screen("convex", 3).shown
        shown = [
            np.asarray(cv2.cvtColor(cv2.resize(picture, (1920, 1080)), cv2.COLOR_GRAY2BGR), np.uint8)
            for picture in grey
        ]
    return [shown[number % len(shown)] for number in range(frames)]


def keep_as_jpeg(paths: StudyPaths) -> None:
    """Store the frames as the shipped configuration has them; the tests' helper stores PNG."""
    for file in sorted(paths.frames_folder(PATIENT, VIDEO).iterdir()):
        file.with_suffix(".jpg").write_bytes(encode_image(read_picture(file), ImageConfig()).tobytes())
        file.unlink()
    rows = paths.extracted_folder(PATIENT, VIDEO) / "extracted.parquet"
    stored = pl.read_parquet(rows)
    stored.with_columns(pl.col("path").str.replace(r"\.png$", ".jpg")).write_parquet(rows)


def bare_loop(files: list[Path], folder: Path, flags: int, interpolation: int) -> None:
    def one(file: Path) -> None:
        picture = cv2.imread(str(file), flags)
        small = cv2.resize(np.asarray(picture), (SIZE_PX, SIZE_PX), interpolation=interpolation)
        cv2.imwrite(str(folder / f"{file.stem}.png"), small)

    with one_thread_a_picture(), ThreadPoolExecutor(THREADS) as workers:
        list(workers.map(one, files))


def cpu_seconds() -> float:
    return sum(os.times()[:4])


def report(study: StudyConfig, runs: int) -> None:
    paths = StudyPaths(study.root)
    files = sorted(paths.frames_folder(PATIENT, VIDEO).iterdir())
    loop, state = study.root / "loop", paths.state / "preprocessed"

    def ours() -> Path:
        preprocess_patient(study, PATIENT)
        return paths.preprocessed

    def loop_with(flags: int, interpolation: int) -> Callable[[], Path]:
        def run() -> Path:
            loop.mkdir()
            bare_loop(files, loop, flags, interpolation)
            return loop

        return run

    ways: dict[str, Callable[[], Path]] = {
        "read, resize, write in colour": loop_with(cv2.IMREAD_COLOR, cv2.INTER_LINEAR),
        "the same, averaging by area": loop_with(cv2.IMREAD_COLOR, cv2.INTER_AREA),
        "read, resize, write in grey": loop_with(cv2.IMREAD_GRAYSCALE, cv2.INTER_LINEAR),
        "the same in grey, averaging by area": loop_with(cv2.IMREAD_GRAYSCALE, cv2.INTER_AREA),
        "eus-etl: preprocessed_frames": ours,
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    size: dict[str, float] = {}
    for _ in range(runs):
        for name, run in ways.items():
            start, cpu_start = time.perf_counter(), cpu_seconds()
            made = run()
            taken[name].append((time.perf_counter() - start, cpu_seconds() - cpu_start))
            images = list(made.rglob("*.png"))
            if len(images) != len(files):
                raise RuntimeError(f"{name}: {len(images)} images of {len(files)} frames")
            size[name] = sum(image.stat().st_size for image in images) / len(images) / 1000
            for folder in (made, state):
                shutil.rmtree(folder, ignore_errors=True)
    medians = {
        name: (statistics.median(wall for wall, _ in times), statistics.median(cpu for _, cpu in times))
        for name, times in taken.items()
    }
    wall_ours, cpu_ours = medians["eus-etl: preprocessed_frames"]
    print("| way | frames/s | our rate to it | CPU ms a frame | its CPU to ours | KB an image |")
    print("|---|---|---|---|---|---|")
    for name, (wall, cpu) in medians.items():
        print(
            f"| {name} | {len(files) / wall:.0f} | {wall / wall_ours:.2f} "
            f"| {1000 * cpu / len(files):.1f} | {cpu / cpu_ours:.2f} | {size[name]:.0f} |"
        )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--frames", type=int, default=1000)
    arguments.add_argument("--clip", type=Path)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        study = make_study(Path(name))
        recipes = {"square": RecipeConfig(version=1, size_px=SIZE_PX)}
        study = study.model_copy(
            update={"preprocess": study.preprocess.model_copy(update={"recipes": recipes})}
        )
        pictures = screens(chosen.frames, chosen.clip)
        put_video(study, VIDEO, [pictures])
        keep_as_jpeg(StudyPaths(study.root))
        find_regions(study, PATIENT, REGIONS.empty())
        height, width = pictures[0].shape[:2]
        print(f"\n### {len(pictures)} frames of {width}x{height} px, {THREADS} threads\n")
        report(study, chosen.runs)


if __name__ == "__main__":
    main()
