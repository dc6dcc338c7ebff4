"""A hospital of any videos: one visit for each, with a station label over all of it."""

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

import yaml

from benchmarks.support.hospitals.tiny_hospital import LONG_AGO
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig, load_study, shipped


def visit_named(name: str) -> str:
    """The id of the visit of this name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def hospital_of(
    folder: Path, videos: Mapping[str, Path], size_px: int = 512, **changes: object
) -> StudyConfig:
    """Lay out a study below ``folder`` whose visits have one video each.

    Args:
        folder: gets the sources, the configuration and the study's root.
        videos: name of the visit (see ``visit_named``) to its video.
        size_px: side of the preprocessed frames.
        changes: keys of the study's file to be replaced.
    """
    items = []
    for name, video in videos.items():
        visit = visit_named(name)
        upload = folder / "incoming" / visit / f"recording{video.suffix}"
        upload.parent.mkdir(parents=True)
        shutil.copy(video, upload)
        os.utime(upload, (LONG_AGO, LONG_AGO))
        times = {
            "Start Station 1 1": "00:00:00",
            "Stop Station 1 1": "00:01:00",
            "Stop Procedure": "00:01:00",
        }
        items.append({"pk": visit, "pseudo_name": name, "org": "AIMS", "Date": "2026-10-05", **times})
    (folder / "items.json").write_text(json.dumps(items))
    (folder / "patients.csv").write_text("Patient,Cancer type\n")
    raw = yaml.safe_load((shipped("configs") / "eus_config.yaml").read_text())
    raw["root"] = "data"
    raw["sources"] = {
        "videos": {"kind": "local_folder", "path": "incoming", "settle_s": 0},
        "label_items": {"kind": "json_file", "path": "items.json"},
        "patient_rows": {"kind": "csv_file", "path": "patients.csv"},
    }
    raw["preprocess"] = {
        "recipes": {"masked": {"version": 1, "size_px": size_px}},
        "text_check": {"enabled": "never"},
    }
    config = folder / "study.yaml"
    config.write_text(yaml.safe_dump(raw | changes))
    return load_study(config)


def run(study: StudyConfig, folder: Path) -> StudyPaths:
    """Make all that the study has; ``folder`` gets the Dagster home."""
    with open_instance(folder / "dagster_home") as instance:
        report = StudySession(study, instance).run()
    if not report.complete:
        raise RuntimeError(f"not all could be made: {report.failed}")
    return StudyPaths(study.root)
