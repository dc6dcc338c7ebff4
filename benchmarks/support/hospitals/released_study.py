"""A study whose tables and pictures are there as the graph leaves them, for the tests of releases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.support.hospitals.visits import make_study
from eus_etl.domain.images.codec import encode_png
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables import catalog
from eus_etl.settings import ReleaseConfig, StudyConfig
from eus_etl.storage.files.checksums import sha256_of
from eus_etl.storage.tables.table_files import write_csv, write_parquet

KEY_VARIABLE = "EUS_ETL_RELEASE_KEY"
KEY = "of the tests, which is no secret at all"
SIZE_PX = 64
RECIPE = "square_512"


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One visit: videos of so many frames at 5 Hz, one layout each."""

    patient_id: str
    subject_id: str | None = None
    frames: Sequence[int] = (12,)
    signed_off: bool = True
    blocked: bool = False
    cancer_type: str | None = "none"
    pseudo_name: str = "Calm-Crane-1"
    visit_date: date = date(2025, 3, 4)
    label: str | None = "Station 1"
    disturbed: Sequence[int] = ()
    uncertain: Sequence[int] = ()
    seed: int = 0


def patient_of(number: int) -> str:
    """A visit's id."""
    return f"{number:08x}-aaaa-4aaa-8aaa-{number:012d}"


def visits_of(count: int, **of_all: object) -> list[Visit]:
    """So many visits, each of another person."""
    return [
        Visit(patient_id=patient_of(n), subject_id=f"{n:064x}", seed=n, **of_all)  # type: ignore[arg-type]
        for n in range(1, count + 1)
    ]


def study_with(root: Path, **release: object) -> StudyConfig:
    """The study of the pancreas with one selection, ``default``."""
    rule = ReleaseConfig.model_validate({"title": "Test pictures", **release})
    return make_study(root).model_copy(update={"releases": {"default": rule}})


def put_study(study: StudyConfig, visits: Sequence[Visit], *, pictures: bool = True) -> None:
    """Write the study's tables, and the pictures that they list, as runs of the graph do."""
    paths = StudyPaths(study.root)
    rows = [row for visit in visits for row in _frames(study, visit, pictures=pictures)]
    table = catalog.dataset(study.families, list(study.preprocess.recipes))
    write_parquet(
        table.frame({k: v for k, v in row.items() if k in table.names} for row in rows),
        _twin(paths, "dataset"),
    )
    made = catalog.preprocess_metadata(study.families)
    write_parquet(
        made.frame(
            {**{k: v for k, v in row.items() if k in made.names}, "path": row[f"path_{RECIPE}"]}
            for row in rows
        ),
        _twin(paths, "preprocess_metadata"),
    )
    patients = catalog.patients(study.patients.columns)
    write_csv(
        patients.frame(
            {
                "patient_id": visit.patient_id,
                "subject_id": visit.subject_id,
                "pseudo_name": visit.pseudo_name,
                "org": "AIMS",
                "visit_date": visit.visit_date,
                "morphology": "Mass|Cysts",
                "cancer": False,
                "procedure_s": 60.0,
                "cancer_type": visit.cancer_type,
            }
            for visit in visits
        ),
        paths.table("patients"),
    )
    write_csv(
        catalog.LABELS.frame(
            {
                "patient_id": visit.patient_id,
                "family": "station",
                "label": visit.label,
                "occurrence": 1,
                "start_s": 0.0,
                "stop_s": 60.0,
                "status": "ok",
            }
            for visit in visits
            if visit.label
        ),
        paths.table("labels"),
    )
    write_csv(
        catalog.LAYOUTS.frame(
            {
                "patient_id": visit.patient_id,
                "video_id": video_of(visit, number),
                "layout_id": f"{video_of(visit, number)}-0",
                "found_by": "auto_motion",
                "uncertain": False,
                "signed_off": visit.signed_off,
            }
            for visit in visits
            for number in range(len(visit.frames))
        ),
        paths.table("layouts"),
    )
    write_csv(catalog.TEXT_CHECKS.empty(), paths.table("text_checks"))
    write_csv(catalog.REJECTED.empty(), paths.table("rejected"))


def video_of(visit: Visit, number: int) -> str:
    """Id of a visit's video."""
    return f"v{visit.seed:06x}{number:06x}"


def _twin(paths: StudyPaths, name: str) -> Path:
    return paths.table(name).with_suffix(".parquet")


def _frames(study: StudyConfig, visit: Visit, *, pictures: bool) -> list[dict[str, object]]:
    paths, rng = StudyPaths(study.root), np.random.default_rng(visit.seed)
    rows: list[dict[str, object]] = []
    for video, count in enumerate(visit.frames):
        video_id = video_of(visit, video)
        folder = paths.preprocessed_folder(RECIPE, visit.patient_id, video_id)
        folder.mkdir(parents=True, exist_ok=True)
        for n in range(count):
            stem = f"{n * 18000:012d}"
            small = rng.integers(0, 255, (8, 8)).astype(np.uint8)
            data = encode_png(np.kron(small, np.ones((SIZE_PX // 8, SIZE_PX // 8), np.uint8)))
            path = folder / f"{stem}.png"
            if pictures:
                path.write_bytes(data)
            at = len(rows)
            disturbed = at in visit.disturbed
            rows.append(
                {
                    "frame_id": f"{visit.patient_id}/{video_id}/{stem}",
                    "patient_id": visit.patient_id,
                    "subject_id": visit.subject_id,
                    "video_id": video_id,
                    "path": f"master-dataset/Frames/{visit.patient_id}/{video_id}/{stem}.jpg",
                    f"path_{RECIPE}": paths.relative(path),
                    "frame_index": n * 5,
                    "video_s": n / 5,
                    "procedure_s": n / 5,
                    "station": visit.label,
                    "label_certain": at not in visit.uncertain,
                    "status": "disturbed" if disturbed else "ok",
                    "reasons": "frozen" if disturbed else None,
                    "release_blocked": visit.blocked,
                    "recipe": RECIPE,
                    "layout_id": f"{video_id}-0",
                    "crop_x": 0,
                    "crop_y": 0,
                    "crop_w": SIZE_PX,
                    "crop_h": SIZE_PX,
                    "scale": 1.0,
                    "pad_x": 0,
                    "pad_y": 0,
                    "width": SIZE_PX,
                    "height": SIZE_PX,
                    "mean": float(small.mean()),
                    "std": float(small.std()),
                    "sha256": sha256_of(data),
                }
            )
    return rows


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def frames_of(folder: Path) -> pl.DataFrame:
    """``frames.parquet`` of a release."""
    return pl.read_parquet(folder / "frames.parquet")
