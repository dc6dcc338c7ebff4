"""What an extraction left behind."""

import polars as pl

from benchmarks.support.hospitals.visits_of_videos import PATIENT
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.steps.frames import STAGE
from eus_etl.storage.tables.parts import rejected_part


def rejections(study: StudyConfig) -> list[tuple[str, str]]:
    part = rejected_part(StudyPaths(study.root), STAGE, PATIENT)
    return pl.read_parquet(part).select("item", "reason").rows() if part.is_file() else []
