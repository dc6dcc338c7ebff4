"""One run of the demo, made by its command, and what the tests read of it: truth, tables, saved images.

Nobody writes into it: all tests of a session share it.
"""

import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import polars as pl
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from benchmarks.support.videos.pictures import read_picture
from eus_etl.cli import main
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables import catalog
from eus_etl.domain.tables.schema import Table
from eus_etl.sample import barcode
from eus_etl.settings import StudyConfig, load_study

STUDIES = {"eusml": "eus_config.yaml", "fatty_liver": "liver_config.yaml"}
"""Study names to the names of their files."""


def run_command(*arguments: str | Path) -> Result:
    """Run ``eus-etl`` in this process; ``output`` is what it says on both of its streams."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def make_demo(folder: Path) -> None:
    """Run ``eus-etl demo`` below ``folder``, in a process of its own; output and exit code stay beside it."""
    with (folder / "output.txt").open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", "eus_etl.cli", "demo", "--root", folder / "demo"],
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    (folder / "exit_code").write_text(str(done.returncode))


@dataclass(frozen=True)
class DemoStudy:
    """One study of the demo."""

    name: str
    demo: Path

    @property
    def config(self) -> Path:
        """The study's file."""
        return self.demo / "configs" / STUDIES[self.name]

    @cached_property
    def study(self) -> StudyConfig:
        """The study as its file says."""
        return load_study(self.config)

    @property
    def paths(self) -> StudyPaths:
        """The study's paths."""
        return StudyPaths(self.study.root)

    @property
    def families(self) -> list[str]:
        """The study's label families."""
        return list(self.study.families)

    def truth(self, name: str) -> pl.DataFrame:
        """A truth table of the synthetic hospital; see its modules ``true_records`` and ``true_videos``."""
        return pl.read_parquet(self.demo / "truth" / self.name / f"{name}.parquet")

    def table(self, table: Table) -> pl.DataFrame:
        """A study table, from the CSV that users read."""
        return pl.read_csv(self.paths.table(table.name), schema=table.schema)

    @cached_property
    def frames(self) -> pl.DataFrame:
        """The frame tables of all visits, from the CSVs that users read."""
        schema = catalog.frame_table(self.families).schema
        found = sorted(self.paths.frames.glob("*.csv"))
        return pl.concat(pl.read_csv(file, schema=schema) for file in found)

    @cached_property
    def images(self) -> pl.DataFrame:
        """What each saved image says of itself: ``path``, ``number``, ``true_s`` (null: no bar code)."""
        rows = []
        for file in sorted(self.paths.frames.rglob("*.jpg")):
            bar = barcode.read(read_picture(file))
            rows.append(
                (self.paths.relative(file), bar and bar.number, bar.procedure_ms / 1000 if bar else None)
            )
        schema = {"path": pl.String(), "number": pl.Int64(), "true_s": pl.Float64()}
        return pl.DataFrame(rows, schema, orient="row")

    @cached_property
    def true_frames(self) -> pl.DataFrame:
        """The true frames of visits, with ``video_id`` and ``frame_index`` as in the frame tables."""
        return (
            self.truth("frames")
            .drop_nulls("patient_id")
            .with_columns(
                ("v" + pl.col("md5").str.head(12)).alias("video_id"), pl.col("number").alias("frame_index")
            )
        )

    @cached_property
    def true_videos(self) -> pl.DataFrame:
        """The readable files of visits, with ``video_id``."""
        files = self.truth("files").filter(pl.col("bad_kind").is_null())
        return files.with_columns(("v" + pl.col("md5").str.head(12)).alias("video_id"))


@dataclass(frozen=True)
class Demo:
    """A finished run of the demo."""

    folder: Path

    @property
    def root(self) -> Path:
        """What was given as ``--root``."""
        return self.folder / "demo"

    @property
    def output(self) -> str:
        """What the command wrote to both of its streams."""
        return (self.folder / "output.txt").read_text(encoding="utf-8")

    @property
    def exit_code(self) -> int:
        """How the command ended."""
        return int((self.folder / "exit_code").read_text())

    @cached_property
    def studies(self) -> dict[str, DemoStudy]:
        """Both studies by name."""
        return {name: DemoStudy(name, self.root) for name in STUDIES}


def parse_outline(text: str) -> NDArray[np.float64]:
    """``x,y x,y ...`` to (n, 2), read by the tests' own means."""
    return np.array([[float(part) for part in corner.split(",")] for corner in text.split()])


def filled(outline: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    """What an outline of whole pixels encloses, (height, width)."""
    drawn = np.zeros((height, width), np.uint8)
    cv2.fillPoly(drawn, [np.rint(outline).astype(np.int32)], 1)
    return drawn.astype(bool)
