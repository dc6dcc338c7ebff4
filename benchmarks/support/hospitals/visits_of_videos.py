"""A study whose visit has small videos, ready for the step ``frames``."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.support.places import CONFIGS
from eus_etl.domain.frame_ids import video_id_of
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import VIDEOS
from eus_etl.settings import StudyConfig, load_study
from eus_etl.storage.files.checksums import md5_of
from eus_etl.storage.tables.parts import write_part

PATIENT = "3f0c2b6e-0d3a-4c55-9a3e-1d9b7f2c8a10"
CONFIG = CONFIGS / "eus_config.yaml"


def study_at(root: Path, rate_hz: float | None = None, **extraction: object) -> StudyConfig:
    """The pancreas study with its root at ``root``."""
    study = load_study(CONFIG)
    changed = study.extraction.model_copy(update={"frame_rate_hz": rate_hz, **extraction})
    return study.model_copy(update={"root": root, "extraction": changed})


def lay_out(study: StudyConfig, videos: Sequence[Path]) -> list[str]:
    """Put ``videos`` into the visit's raw folder and its part of ``videos``; returns their ids in order."""
    paths = StudyPaths(study.root)
    folder = paths.raw_folder(PATIENT)
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for video in videos:
        (folder / video.name).write_bytes(video.read_bytes())
        rows.append(
            {
                "patient_id": PATIENT,
                "video_id": video_id_of(md5_of(video)),
                "file_name": video.name,
                "order": len(rows),
            }
        )
    write_part(paths, VIDEOS, PATIENT, VIDEOS.frame(rows))
    return [str(row["video_id"]) for row in rows]


def contents(root: Path, *below: str) -> dict[str, bytes]:
    """Every file below ``root`` (or these folders of it) by its path; empty folders show as ``b""``."""
    found: dict[str, bytes] = {}
    for folder in [root.joinpath(name) for name in below] or [root]:
        for path in sorted(folder.rglob("*")):
            found[path.relative_to(root).as_posix()] = path.read_bytes() if path.is_file() else b""
    return found
