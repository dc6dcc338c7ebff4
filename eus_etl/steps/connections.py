"""From a study's configuration to its sources: the only place that chooses an implementation."""

from dataclasses import dataclass

from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.sources.csv_rows import CsvRows
from eus_etl.sources.json_items import JsonItems
from eus_etl.sources.label_items import LabelItemSource
from eus_etl.sources.local_folder import LocalFolder
from eus_etl.sources.patient_rows import PatientRowSource
from eus_etl.sources.videos import VideoSource


@dataclass(frozen=True, slots=True)
class Sources:
    """The three sources of a study."""

    videos: VideoSource
    label_items: LabelItemSource
    patient_rows: PatientRowSource


def connect(study: StudyConfig, *, hashing_limit_s: float | None = None) -> Sources:
    """The sources that a study's configuration names.

    Args:
        study: the configuration.
        hashing_limit_s: a listing of a local folder hashes new files for this long at most.
    """
    paths, config = StudyPaths(study.root), study.sources
    return Sources(
        videos=LocalFolder(
            config.videos.path,
            settle_s=config.videos.settle_s,
            memory=paths.inventory / "md5_sums.json",
            hashing_limit_s=hashing_limit_s,
        ),
        label_items=JsonItems(config.label_items.path, config.label_items.items_at),
        patient_rows=CsvRows(
            config.patient_rows.path,
            study.patients.key_header,
            [column.header for column in study.patients.columns],
        ),
    )
