"""How fast frames and clips of a release are read, against a bare OpenCV loop with the same workers.

On a busy machine compare the CPU seconds: they vary less.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from eus_etl.dataset import Clips, Frames, clips, frames
from eus_etl.domain.images.codec import encode_png

_SIDE_PX = 512
_RATE_HZ = 5
_work: list[Callable[[int], object]] = []


def make_release(folder: Path, count: int) -> list[Path]:
    """A folder with what the loader reads of a release: one split, one video."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, object]] = []
    (folder / "train").mkdir(parents=True)
    for n in range(count):
        speckle = cv2.GaussianBlur(rng.normal(110, 60, (_SIDE_PX, _SIDE_PX)), (0, 0), 1.2)
        path = folder / "train" / f"{n:08}.png"
        path.write_bytes(encode_png(speckle.clip(0, 255).astype(np.uint8)))
        row = {"frame_id": f"p/v/{n:08}", "path": f"train/{path.name}", "split": "train", "subject": "s"}
        rows.append({**row, "visit": "p", "video": "v", "video_s": n / _RATE_HZ, "status": "ok"})
    pl.DataFrame(rows).with_columns(label_certain=pl.lit(True)).write_parquet(folder / "frames.parquet")
    statistics: dict[str, object] = {"families": {}, "splits": {"train": {}}, "mean": None, "std": None}
    (folder / "statistics.json").write_text(
        json.dumps({**statistics, "frame_rate_hz": _RATE_HZ, "min_gap_s": None})
    )
    return sorted((folder / "train").iterdir())


def _begin(threads: int | None) -> None:
    if threads is not None:
        cv2.setNumThreads(threads)


def _do(at: int) -> float:
    before = time.process_time()
    _work[0](at)
    return time.process_time() - before


def per_second(work: Callable[[int], object], count: int, workers: int) -> tuple[float, float]:
    """Calls of ``work`` for 0 to ``count``, spread over forked workers: a second, and a CPU second."""
    _work[:] = [work]
    with multiprocessing.get_context("fork").Pool(workers, _begin, (0,)) as pool:
        pool.map(_do, range(min(count, 2 * workers)))
        started = time.perf_counter()
        cpu_s = sum(pool.map(_do, range(count), chunksize=max(1, count // workers // 8)))
        return count / (time.perf_counter() - started), count / cpu_s


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--frames", type=int, default=600)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--runs", type=int, default=5)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = make_release(Path(folder), given.frames)
        taken: Frames = frames(folder, "train")
        windows: Clips = clips(folder, "train", seconds=2, hz=_RATE_HZ, stride_s=2)
        files = [[str(paths[row]) for row in window] for window in windows.windows.tolist()]
        tasks: dict[str, tuple[Callable[[int], object], int]] = {
            "bare loop, frames": (lambda at: cv2.imread(str(paths[at]), cv2.IMREAD_UNCHANGED), len(paths)),
            "frames": (lambda at: taken[at], len(taken)),
            "bare loop, clips": (
                lambda at: [cv2.imread(file, cv2.IMREAD_UNCHANGED) for file in files[at]],
                len(files),
            ),
            "clips": (lambda at: windows[at], len(windows)),
        }
        rates: dict[str, list[tuple[float, float]]] = {name: [] for name in tasks}
        for _ in range(given.runs):  # one after the other, so that all meet the same noise
            for name, (work, count) in tasks.items():
                rates[name].append(per_second(work, count, given.workers))
    # the run that noise disturbed least
    best = {name: np.max(of_task, axis=0) for name, of_task in rates.items()}
    for name, (rate, of_cpu) in best.items():
        print(f"{name:20} {rate:8.1f} /s {of_cpu:8.1f} /CPU s")
    for kind in ("frames", "clips"):
        share, of_cpu = best[kind] / best[f"bare loop, {kind}"]
        print(f"{kind}: {share:.2f} of the bare loop, by CPU time {of_cpu:.2f}")


if __name__ == "__main__":
    main()
