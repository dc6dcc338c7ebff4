"""A release's index, and its pictures one at a time."""

import json
import multiprocessing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.errors import PermanentError

Picture = NDArray[np.uint8]
"""Grey (height, width) or BGR (height, width, 3)."""

NO_LABEL = -1


class ReleaseError(PermanentError):
    """A folder is not a release, or not whole; or it has no such split or family."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release on the disk.

    Attributes:
        path: its folder.
        statistics: ``statistics.json``.
        frames: ``frames.parquet``, a row for each picture of every split, not read yet.
    """

    path: Path
    statistics: Mapping[str, Any]
    frames: pl.LazyFrame

    @property
    def families(self) -> Mapping[str, Sequence[str]]:
        """Label family to its labels; a label's number is its place in the list."""
        families: Mapping[str, Sequence[str]] = self.statistics["families"]
        return families

    @property
    def mean_and_std(self) -> tuple[float, float] | None:
        """Grey levels 0 to 255 inside the mask, over the training frames; None where there are none."""
        mean, std = self.statistics["mean"], self.statistics["std"]
        return None if mean is None or std is None else (float(mean), float(std))

    def of_split(self, split: str) -> pl.DataFrame:
        """The rows of one split, in the order of the release: by visit, video and time.

        Raises:
            ReleaseError: there is no such split.
        """
        splits = list(self.statistics["splits"])
        if split not in splits:
            raise ReleaseError(f"split {split}", "is not in the release", f"use one of {', '.join(splits)}")
        return self.frames.filter(pl.col("split").cast(pl.String) == split).collect()

    def numbers(self, rows: pl.DataFrame, family: str) -> NDArray[np.int64]:
        """(rows,): the number of each frame's label in ``family``, ``NO_LABEL`` where it has none.

        Raises:
            ReleaseError: there is no such family.
        """
        if family not in self.families:
            names = ", ".join(self.families)
            raise ReleaseError(f"family {family}", "is not in the release", f"use one of {names}")
        number = {label: at for at, label in enumerate(self.families[family])}
        named = rows[family].cast(pl.String).replace_strict(number, default=NO_LABEL, return_dtype=pl.Int64)
        return named.fill_null(NO_LABEL).to_numpy()


def load(path: str | Path) -> Release:
    """Open a release: reads ``statistics.json`` and where ``frames.parquet`` is.

    Raises:
        ReleaseError: it is not the folder of a release.
    """
    folder = Path(path)
    try:
        statistics = json.loads((folder / "statistics.json").read_bytes())
        frames = pl.scan_parquet(folder / "frames.parquet")
        frames.collect_schema()
        needed = ("families", "splits", "mean", "std", "frame_rate_hz", "min_gap_s")
        if missing := [key for key in needed if key not in statistics]:
            raise KeyError(missing[0])
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError):
        raise ReleaseError(
            f"{folder}", "is not the folder of a release", "name a folder that `eus-etl release` made"
        ) from None
    return Release(folder, statistics, frames)


def read_picture(path: Path) -> Picture:
    """One picture, grey (height, width) or BGR (height, width, 3).

    In a worker process OpenCV is told to use no threads of its own: the workers are the threads. No file
    stays open, so processes may fork at any time.

    Raises:
        ReleaseError: it is missing or damaged.
    """
    _settle_worker(multiprocessing.parent_process() is not None)
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise ReleaseError(
            "/".join(path.parts[-4:]), "is missing or damaged", "verify the copy: `sha256sum -c SHA256SUMS`"
        )
    return np.asarray(picture, np.uint8)


@lru_cache(maxsize=2)
def _settle_worker(is_worker: bool) -> None:
    if is_worker:
        cv2.setNumThreads(0)
