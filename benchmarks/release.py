"""What the tables of a release cost: choosing, naming and writing them for a large study.

    python benchmarks/release.py [--frames 1000000] [--visits 2000]

All tables are made up, and there are no pictures: linking one and looking at it for leaks costs what reading
it does. Each release is measured in a process of its own, which reads the tables from the disk: CPU seconds
of all its threads, and the most memory that it held. Imports and making up are not counted. The second
release has the first one as its parent, and a tenth more frames.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.support.hospitals.released_study import KEY, KEY_VARIABLE, RECIPE, patient_of, study_with
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.release.leaks import LeakReport
from eus_etl.domain.tables import catalog
from eus_etl.domain.tables.schema import Table
from eus_etl.settings import StudyConfig
from eus_etl.steps.release import build
from eus_etl.steps.release.step import make_release
from eus_etl.storage.tables.table_files import write_csv


def study_at(root: Path) -> StudyConfig:
    return study_with(
        root, frames_per_person=100_000, min_gap_s=0.2, patient_columns=["cancer_type", "visit_date"]
    )


def make_up(study: StudyConfig, frames: int, visits: int) -> None:
    """The study's tables, visits of equal length at 5 Hz."""
    paths, rng = StudyPaths(study.root), np.random.default_rng(frames)
    of_visit = frames // visits
    count = of_visit * visits
    patients = [patient_of(number) for number in range(visits)]
    stations = [None, *(label.name for label in study.families["station"])]
    digests = rng.bytes(32 * count)
    at, tail = pl.col("n"), pl.col("patient_id").str.slice(24, 12)
    geometry = ("crop_x", "crop_y", "crop_w", "crop_h", "pad_x", "pad_y", "width", "height")
    rows = (
        pl.DataFrame({"patient_id": np.repeat(patients, of_visit)})
        .with_columns((pl.int_range(pl.len()) % of_visit).alias("n"))
        .with_columns(
            pl.format("v{}", tail).alias("video_id"),
            pl.format("s{}", tail).alias("subject_id"),
            (at * 5).alias("frame_index"),
            (at / 5).alias("video_s"),
            (at / 5).alias("procedure_s"),
            pl.Series("station", [stations[k] for k in rng.integers(0, len(stations), count)]),
            pl.lit(value=True).alias("label_certain"),
            pl.lit("ok").alias("status"),
            pl.lit(value=False).alias("release_blocked"),
            pl.lit(RECIPE).alias("recipe"),
            pl.Series("mean", rng.uniform(20, 90, count)),
            pl.Series("std", rng.uniform(5, 40, count)),
            pl.Series("sha256", [digests[32 * k : 32 * k + 32].hex() for k in range(count)]),
            *(pl.lit(64).alias(name) for name in geometry),
            pl.lit(1.0).alias("scale"),
            (at * 18000).cast(pl.String).str.zfill(12).alias("stem"),
        )
        .with_columns(
            pl.format("{}/{}/{}", "patient_id", "video_id", "stem").alias("frame_id"),
            pl.format("{}-0", "video_id").alias("layout_id"),
        )
        .with_columns(
            pl.format(f"master-dataset/Preprocessed/{RECIPE}/{{}}.png", "frame_id").alias(f"path_{RECIPE}")
        )
    )
    paths.data.mkdir(parents=True, exist_ok=True)
    index = columns_of(catalog.dataset(study.families, [RECIPE]), rows)
    index.write_parquet(paths.table("dataset").with_suffix(".parquet"))
    made = columns_of(
        catalog.preprocess_metadata(study.families), rows.with_columns(pl.col(f"path_{RECIPE}").alias("path"))
    )
    made.write_parquet(paths.table("preprocess_metadata").with_suffix(".parquet"))
    people = rows.select("patient_id", "subject_id", pl.lit("other").alias("cancer_type")).unique()
    people = columns_of(catalog.patients(study.patients.columns), people).sort("patient_id")
    write_csv(people, paths.table("patients"))
    signed = rows.select(
        "patient_id", "video_id", "layout_id", pl.lit(value=True).alias("signed_off")
    ).unique()
    write_csv(columns_of(catalog.LAYOUTS, signed), paths.table("layouts"))
    for table in (catalog.LABELS, catalog.TEXT_CHECKS, catalog.REJECTED):
        write_csv(table.empty(), paths.table(table.name))


def columns_of(table: Table, rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` as ``table``; columns that are not there are empty."""
    empty = [pl.lit(None).alias(name) for name in table.names if name not in rows.columns]
    return table.conform(rows.with_columns(empty))


def measure(root: Path) -> None:
    """Make one release, and print its cost."""
    os.environ[KEY_VARIABLE] = KEY
    nothing = LeakReport(catalog.LEAKS.empty(), 0, catalog.LEAKS.empty(), 0, 0, 0)
    setattr(build, "put_pictures", lambda *_: None)  # noqa: B010 - what is not measured
    setattr(build, "search_for_leaks", lambda *_: nothing)  # noqa: B010
    study = study_at(root)
    begun, cpu = time.perf_counter(), time.process_time()
    result = make_release(study, "default")
    cost = time.process_time() - cpu, time.perf_counter() - begun
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    folder = StudyPaths(root).releases / result.version
    rows = pl.scan_parquet(folder / "frames.parquet").select(pl.len()).collect().item()
    print(f"{rows:>9} frames: {cost[0]:6.1f} s CPU, {cost[1]:6.1f} s, {memory_mb:6.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--visits", type=int, default=2_000)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    with tempfile.TemporaryDirectory() as folder:
        for frames in (options.frames, options.frames * 11 // 10):
            make_up(study_at(Path(folder)), frames, options.visits)
            subprocess.run([sys.executable, "-m", "benchmarks.release", "--measure", folder], check=True)


if __name__ == "__main__":
    main()
