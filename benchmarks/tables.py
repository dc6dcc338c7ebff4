"""Joining at scale: the frame table of one long visit, and the dataset of a large study.

    python benchmarks/catalog.py [--visit-frames 200000] [--rows 100000 1000000 10000000]

All tables are made up, and so are the cells of the visit; there is no image. Each row is measured in a
process of its own, which reads the tables from the disk: CPU seconds of all its threads, and the most memory
that it held. Imports and making up are not counted. ``frame_table`` sums cells into scores, joins, writes and
draws.
"""

import argparse
import importlib
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from eus_etl.domain.cells.statistics import CellGrid, grid_geometry
from eus_etl.domain.frame_table import build_frame_table
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.quality.scores import SCORES
from eus_etl.domain.tables import catalog
from eus_etl.domain.tables.schema import NUMBER, Table
from eus_etl.settings import GridConfig, StudyConfig, load_study, shipped
from eus_etl.steps.dataset import make_dataset
from eus_etl.steps.frame_table import make_frame_table
from eus_etl.steps.study_tables import assemble_preprocess_metadata
from eus_etl.storage.cell_store import save_grids
from eus_etl.storage.extraction_store import load_rows, write_rows
from eus_etl.storage.manifests import Manifest, write_manifest
from eus_etl.storage.tables.parts import load_part, write_part
from eus_etl.storage.tables.table_files import write_csv, write_parquet

RATE_HZ = 5
VIDEO_FRAMES = 25_000
"""Frames of one file of the long visit: recorders begin a new one from time to time."""
VISIT_FRAMES = 10_000
"""Frames of a visit of the large study: half an hour at 5 Hz."""
STATION_S = 60.0
SCREEN = (1920, 1080)


def study_at(root: Path) -> StudyConfig:
    return load_study(shipped("configs") / "eus_config.yaml").model_copy(update={"root": root})


def patient_of(number: int) -> str:
    return f"66666666-aaaa-4aaa-8aaa-{number:012d}"


def ids(patient_id: str, video_id: str, frames: int) -> pl.DataFrame:
    """``frame_id``, ``path`` and times of a video that was kept at ``RATE_HZ``."""
    pts = pl.int_range(frames, eager=True).alias("pts") * (90_000 // RATE_HZ)
    stem = pl.col("pts").cast(pl.String).str.zfill(12)
    return pl.DataFrame(pts).with_columns(
        pl.lit(patient_id).alias("patient_id"),
        pl.lit(video_id).alias("video_id"),
        pl.format(f"{patient_id}/{video_id}/{{}}", stem).alias("frame_id"),
        pl.format(f"master-dataset/Frames/{patient_id}/{video_id}/{{}}.jpg", stem).alias("path"),
        (pl.col("pts") / 90_000).alias("video_s"),
        pl.lit("1/90000").alias("time_base"),
        (pl.col("pts") // 3000).alias("frame_index"),
        pl.lit("h5a5a5a5a5a5a5a5a").alias("dhash"),
    )


def columns_of(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """``frame`` as ``table``: numbers that are not given are drawn, other columns are empty."""
    rng = np.random.default_rng(frame.height)
    missing = [column for column in table.columns if column.name not in frame.columns]
    drawn = [
        pl.Series(column.name, rng.gamma(4.0, 10.0, frame.height))
        if column.dtype == NUMBER
        else pl.lit(None, column.dtype).alias(column.name)
        for column in missing
    ]
    return table.conform(frame.with_columns(drawn))


def make_long_visit(study: StudyConfig, frames: int) -> None:
    """A visit as the extraction leaves it, with a minute of each station in turn."""
    paths, patient_id = StudyPaths(study.root), patient_of(0)
    rng = np.random.default_rng(0)
    geometry = grid_geometry(*SCREEN, GridConfig())
    level = rng.integers(40, 120, (5, geometry.rows, geometry.cols), np.uint8)
    videos, decoded, layouts = [], [], []
    for order, start in enumerate(range(0, frames, VIDEO_FRAMES)):
        count, video_id = min(VIDEO_FRAMES, frames - start), f"v{order:012x}"
        folder = paths.extracted_folder(patient_id, video_id)
        folder.mkdir(parents=True)
        extracted = ids(patient_id, video_id, count).with_columns(
            pl.lit(0).alias("segment"),
            pl.int_range(count).alias("grid_row"),
            pl.lit(value=False).alias("synthetic_time"),
            pl.lit(value=False).alias("decode_error"),
        )
        write_rows(folder, extracted)
        # half of the screen is speckle, the rest stands still
        codes = np.repeat(level[np.newaxis], count, axis=0)
        codes[:, :, :, geometry.cols // 4 : -geometry.cols // 4] += rng.integers(
            0, 16, codes[:, :, :, geometry.cols // 4 : -geometry.cols // 4].shape, np.uint8
        )
        save_grids(folder, [CellGrid(0, geometry, codes)])
        write_manifest(folder, Manifest("of the benchmark", frames_kept=count))
        decoded.append({"patient_id": patient_id, "video_id": video_id, "frames_kept": count})
        facts = {"patient_id": patient_id, "video_id": video_id}
        placed = {"order": order, "timeline_start_s": start / RATE_HZ, "duration_s": count / RATE_HZ}
        videos.append({**facts, **placed, "file_name": f"{order}.mp4", "timeline_source": "assumed"})
        layout = {"layout_id": f"{video_id}-0", "segment": 0, "width": SCREEN[0], "height": SCREEN[1]}
        stretch = {"first_row": 0, "last_row": count - 1, "screen": "ultrasound", "signature": "1920x1080"}
        outline = {
            "kind": "hull",
            "polygon": "480,100 1440,100 1440,1000 480,1000",
            "found_by": "auto_motion",
            "uncertain": False,
        }
        layouts.append(
            {**facts, **layout, **stretch, **outline, "first_pts": 0, "last_pts": extracted["pts"][-1]}
        )
    labels = [label.name for label in study.families["station"]]
    intervals = [
        {
            "patient_id": patient_id,
            "family": "station",
            "label": labels[number % len(labels)],
            "occurrence": number // len(labels) + 1,
            "start_s": number * STATION_S,
            "stop_s": (number + 1) * STATION_S - 1,
            "status": "ok",
        }
        for number in range(int(frames / RATE_HZ / STATION_S))
    ]
    for table, rows in (
        (catalog.VIDEOS, videos),
        (catalog.DECODED, decoded),
        (catalog.LAYOUTS, layouts),
        (catalog.LABELS, intervals),
    ):
        write_part(paths, table, patient_id, table.frame(rows))


def make_large_study(study: StudyConfig, rows: int) -> None:
    """Frame tables, preprocessed parts and patients of as many visits as it takes."""
    paths, people = StudyPaths(study.root), catalog.patients(study.patients.columns)
    paths.frames.mkdir(parents=True)
    for number in range(-(-rows // VISIT_FRAMES)):
        patient_id, video_id = patient_of(number), f"v{number:012x}"
        frames = ids(patient_id, video_id, min(VISIT_FRAMES, rows - number * VISIT_FRAMES))
        place = pl.int_range(pl.len())
        labelled = frames.with_columns(
            pl.col("video_s").alias("procedure_s"),
            (place % 7 == 0).alias("disturbed"),
            pl.when(place % 7 == 0).then(pl.lit("disturbed")).otherwise(pl.lit("ok")).alias("status"),
            pl.when(place % 7 == 0).then(pl.lit("frozen|blurred")).alias("reasons"),
            (place % 3 == 0).alias("label_certain"),
            *(
                pl.when(place % 2 == 0).then(pl.lit(labels[number % len(labels)].name)).alias(family)
                for family, labels in study.families.items()
            ),
        )
        table = columns_of(catalog.frame_table(study.families), labelled)
        table.write_parquet(paths.frame_table(patient_id).with_suffix(".parquet"), compression="zstd")
        made = pl.concat(
            frames.select("frame_id", "patient_id", "video_id").with_columns(
                pl.lit(recipe).alias("recipe"),
                pl.lit(f"{video_id}-0").alias("layout_id"),
                pl.format(f"master-dataset/Preprocessed/{recipe}/{{}}.png", pl.col("frame_id")).alias("path"),
                pl.col("frame_id").hash().cast(pl.String).str.pad_start(64, "0").alias("sha256"),
            )
            for recipe in study.preprocess.recipes
        )
        write_part(paths, catalog.PREPROCESSED, patient_id, columns_of(catalog.PREPROCESSED, made))
        write_part(paths, people, patient_id, people.frame([{"patient_id": patient_id}]))


def frame_table_of(study: StudyConfig) -> None:
    make_frame_table(study, patient_of(0), catalog.SYNC.empty(), None)


def join_again(study: StudyConfig) -> None:
    """What ``frame_table`` does once the cells are summed into scores."""
    paths, patient_id = StudyPaths(study.root), patient_of(0)
    file = paths.frame_table(patient_id)
    scores = pl.read_parquet(file.with_suffix(".parquet"), columns=["frame_id", *SCORES, "reasons"])
    table = build_frame_table(
        load_rows(paths, patient_id),
        scores,
        load_part(paths, catalog.VIDEOS, patient_id),
        load_part(paths, catalog.LABELS, patient_id),
        catalog.SYNC.empty(),
        None,
        list(study.families),
        study.timeline,
    )
    write_parquet(table, file.with_suffix(".joined"))
    write_csv(table, file.with_suffix(".joined_csv"))


JOBS: dict[str, Callable[[StudyConfig], object]] = {
    "frame_table": frame_table_of,
    "frame_table, joining alone": join_again,
    "dataset": make_dataset,
    "preprocess_metadata": assemble_preprocess_metadata,
}


def run_job(name: str, root: Path) -> None:
    """Run one job in this process and print seconds, CPU seconds and resident megabytes at most."""
    study = study_at(root)
    for module in ("matplotlib.figure", "matplotlib.backends.backend_agg"):  # a second, once a process
        importlib.import_module(module)
    begun, cpu = time.perf_counter(), time.process_time()
    JOBS[name](study)
    taken = time.perf_counter() - begun, time.process_time() - cpu
    print(*taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measure(name: str, root: Path) -> tuple[float, float, float]:
    done = subprocess.run(
        [sys.executable, __file__, "--job", name, "--root", root],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    seconds, cpu, megabytes = map(float, done.stdout.split())
    return seconds, cpu, megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--visit-frames", type=int, default=200_000)
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        run_job(options.job, options.root)
        return
    print(f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, ", end="")
    print(f"polars {pl.__version__}, {pl.thread_pool_size()} threads\n")
    print(
        "| made | rows | s | CPU s | CPU s a million rows | MB resident at most |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for number, rows in enumerate([options.visit_frames, *options.rows]):
            study = study_at(Path(folder) / str(number))
            make, names = (make_large_study, list(JOBS)[2:]) if number else (make_long_visit, list(JOBS)[:2])
            make(study, rows)
            for name in names:
                seconds, cpu, megabytes = measure(name, study.root)
                print(f"| {name} | {rows:,} | {seconds:.1f} | {cpu:.1f} | ", end="")
                print(f"{cpu / rows * 1e6:.1f} | {megabytes:.0f} |", flush=True)


if __name__ == "__main__":
    main()
