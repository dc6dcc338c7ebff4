"""A hospital of both studies with any number of visits, each with one small video of its own."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from benchmarks.support.hospitals.tiny_hospital import LONG_AGO
from benchmarks.support.videos.small_videos import paint_field, write_video
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig, load_study, shipped

_FRAME_MS = 40
_STUDIES = {"eusml": ("eus_config.yaml", "Station 1"), "fatty_liver": ("liver_config.yaml", "Liver")}
"""Each study's file, and a label of it."""

Write = Callable[[Path, int], None]
"""Writes the video of the n-th visit to a file."""


def small_video(path: Path, number: int) -> None:
    """A video of one second that no other visit has."""
    pts = [_FRAME_MS * n for n in range(25)]
    write_video(path, pts, size=(320, 192), first=25 * number, painter=paint_field)


class TwoStudies:
    """Visits of both studies in turn, below ``folder``; all of them are there from the beginning.

    Attributes:
        folder: holds everything.
        home: the Dagster home of the server.
        configs: folder of the studies' files.
        visits: ids of the visits of each study.
    """

    def __init__(self, folder: Path, visits: int, write: Write = small_video) -> None:
        self.folder = folder
        self.home = folder / "homes" / "server"
        self.configs = folder / "configs"
        self.visits: Mapping[str, list[str]] = {study: [] for study in _STUDIES}
        for number in range(visits):
            study = list(_STUDIES)[number % len(_STUDIES)]
            visit = f"44444444-aaaa-4aaa-8aaa-{number:012}"
            self.visits[study].append(visit)
            upload = self._incoming(study) / "videos" / visit / "recording.mp4"
            upload.parent.mkdir(parents=True)
            write(upload, number)
            os.utime(upload, (LONG_AGO, LONG_AGO))
        for study in _STUDIES:
            self._write_records(study)

    def copy(self, folder: Path) -> "TwoStudies":
        """The same hospital, of which nothing is made yet, below another folder."""
        for name in ("incoming", "configs"):
            shutil.copytree(self.folder / name, folder / name)
        other = TwoStudies(folder, 0)
        other.visits = self.visits
        return other

    @property
    def data(self) -> Path:
        """The folder of the studies' roots."""
        return self.folder / "data"

    def config(self, study: str) -> Path:
        """A study's file."""
        return self.configs / _STUDIES[study][0]

    def study(self, study: str) -> StudyConfig:
        """A study as its file says."""
        return load_study(self.config(study))

    def paths(self, study: str) -> StudyPaths:
        """A study's paths."""
        return StudyPaths(self.study(study).root)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Until the block ends it has no uploads and items; no sensor looks more than once, ever."""
        for study in self.visits:
            file = self.config(study)
            raw = yaml.safe_load(file.read_text(encoding="utf-8"))
            raw["sources"]["poll_s"] = 24 * 3600
            file.write_text(yaml.safe_dump(raw))
        folders = [self._incoming(study) for study in self.visits]
        for folder in folders:
            (folder / "videos").rename(folder / "later")
            (folder / "videos").mkdir()
            (folder / "items.json").rename(folder / "items_later.json")
            (folder / "items.json").write_text("[]")
        yield
        for folder in folders:
            (folder / "videos").rmdir()
            (folder / "later").rename(folder / "videos")
            (folder / "items_later.json").replace(folder / "items.json")

    def _incoming(self, study: str) -> Path:
        return self.folder / "incoming" / study

    def _write_records(self, study: str) -> None:
        name, label = _STUDIES[study]
        if self.config(study).exists():
            return
        incoming = self._incoming(study)
        incoming.mkdir(parents=True, exist_ok=True)
        items = [
            {
                "pk": visit,
                "pseudo_name": f"Calm-Robin-{visit[-3:]}",
                "org": "AIMS",
                "Date": "2026-10-05",
                f"Start {label} 1": "00:00:00",
                f"Stop {label} 1": "00:00:01",
                "Stop Procedure": "00:00:01",
            }
            for visit in self.visits[study]
        ]
        (incoming / "items.json").write_text(json.dumps(items))
        raw = yaml.safe_load((shipped("configs") / name).read_text(encoding="utf-8"))
        headers = [raw["patients"]["key_header"], *(one["header"] for one in raw["patients"]["columns"])]
        (incoming / "patients.csv").write_text(",".join(headers) + "\n")
        raw["root"] = f"../data/{study}"
        raw["sources"] = {
            "videos": {"kind": "local_folder", "path": f"../incoming/{study}/videos", "settle_s": 0},
            "label_items": {"kind": "json_file", "path": f"../incoming/{study}/items.json"},
            "patient_rows": {"kind": "csv_file", "path": f"../incoming/{study}/patients.csv"},
            "poll_s": 1,
        }
        raw["preprocess"] = {
            "recipes": {"small": {"version": 1, "size_px": 64}},
            "text_check": {"enabled": "never"},
        }
        self.configs.mkdir(exist_ok=True)
        self.config(study).write_text(yaml.safe_dump(raw))
