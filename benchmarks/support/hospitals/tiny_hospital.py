"""A hospital of a few small videos that a test changes at will: files, items, rows, configuration."""

import json
import os
import tempfile
from functools import cache
from pathlib import Path

import yaml

from benchmarks.support.videos.small_videos import paint_field, write_video
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig, load_study, shipped

ONE = "11111111-aaaa-4aaa-8aaa-000000000001"
TWO = "22222222-aaaa-4aaa-8aaa-000000000002"
ALIAS_TWO = "Quiet-Otter-2"
LONG_AGO = 1_700_000_000
FRAMES = 50
"""Frames of each video, at 25 Hz: two seconds."""


class TinyHospital:
    """Two visits of the pancreas study with one video each, below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "dagster_home"
        self.configs = folder / "configs"
        self.videos = folder / "incoming" / "videos"
        self._items = folder / "incoming" / "items.json"
        self._rows = folder / "incoming" / "patients.csv"
        self.items: dict[str, dict[str, str]] = {
            ONE: {
                "pseudo_name": "Brisk-Heron-1",
                "Start Station 1 1": "00:00:00",
                "Stop Station 1 1": "00:00:01",
            },
            TWO: {"pseudo_name": ALIAS_TWO, "Start Station 2 1": "00:00:00", "Stop Station 2 1": "00:00:02"},
        }
        self.configure()
        self.write_items()
        self.write_rows(f"Patient,Cancer type\n{ONE},none\n{ALIAS_TWO},other\n")
        self.add_video(f"{ONE}/first.mp4", first=0)
        self.add_video(f"{ALIAS_TWO} scans/first.mp4", first=100)

    @property
    def config(self) -> Path:
        """The study's file."""
        return self.configs / "eus_config.yaml"

    @property
    def study(self) -> StudyConfig:
        """The study as its file says now."""
        return load_study(self.config)

    @property
    def paths(self) -> StudyPaths:
        """The study's paths."""
        return StudyPaths(self.study.root)

    def configure(self, **changes: dict[str, object]) -> None:
        """Write the study's file; ``changes`` replace keys within its sections."""
        raw = yaml.safe_load((shipped("configs") / "eus_config.yaml").read_text())
        raw["root"] = "../data/eusml"
        raw["sources"] = {
            "videos": {"kind": "local_folder", "path": "../incoming/videos", "settle_s": 0},
            "label_items": {"kind": "json_file", "path": "../incoming/items.json"},
            "patient_rows": {"kind": "csv_file", "path": "../incoming/patients.csv"},
            "poll_s": 1,
        }
        raw["preprocess"] = {
            "recipes": {"small": {"version": 1, "size_px": 64}},
            "text_check": {"enabled": "never"},
        }
        for section, values in changes.items():
            raw[section] = {**raw.get(section, {}), **values}
        self.configs.mkdir(parents=True, exist_ok=True)
        self.config.write_text(yaml.safe_dump(raw))

    def write_items(self) -> None:
        """Export the items as they are now."""
        self._items.parent.mkdir(parents=True, exist_ok=True)
        stop = {"Stop Procedure": "00:00:02", "org": "AIMS", "Date": "2026-10-05"}
        aside = self._items.with_suffix(".new")
        aside.write_text(json.dumps([{"pk": pk, **stop, **item} for pk, item in self.items.items()]))
        aside.replace(self._items)

    def write_rows(self, text: str) -> None:
        """Write the sheet."""
        aside = self._rows.with_suffix(".new")
        aside.write_text(text)
        aside.replace(self._rows)

    def add_video(self, name: str, first: int, frames: int = FRAMES) -> Path:
        """Upload a video whose n-th frame shows the number ``first + n``, all at once, as if long ago."""
        target = self.videos / name
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = self.folder / "upload.mp4"
        aside.write_bytes(_encoded(first, frames))
        os.utime(aside, (LONG_AGO, LONG_AGO))
        aside.replace(target)
        return target


@cache
def _encoded(first: int, frames: int) -> bytes:
    """The same videos are uploaded in hundreds of tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload.mp4"
        pts = [40 * n for n in range(frames)]
        return write_video(path, pts, size=(320, 192), first=first, painter=paint_field).read_bytes()
