"""From a study's configuration to its sources: the only place that makes them.

Three others look at a source's kind: the sensors (how often), ``all_sources`` (whether to ask for a mark
first) and the doctor (what to check).
Google's and Amazon's clients are imported only where a study needs them: each takes half a second or more,
and every run is a new process.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from eus_etl.domain.labels.item_values import ItemRules
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import (
    CsvFileSource,
    GoogleDriveSource,
    JsonFileSource,
    LocalFolderSource,
    StudyConfig,
    label_key,
)
from eus_etl.sources.label_items.base import LabelItemSource
from eus_etl.sources.label_items.json_file import JsonItems
from eus_etl.sources.patient_rows.base import PatientRowSource
from eus_etl.sources.patient_rows.csv_file import CsvRows
from eus_etl.sources.videos.base import LeavesOut, VideoSource
from eus_etl.sources.videos.local_folder import LocalFolder
from eus_etl.storage.tombstones import forgotten_names


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources of a study, each connected when it is first used.

    A source whose credentials are missing fails when it is used; the others still work.

    Attributes:
        videos: makes the source of videos.
        label_items: makes the source of label items.
        patient_rows: makes the source of patient rows.
        subjects: reads visit ids and their subject ids; empty where the configuration names no table.
    """

    videos: Callable[[], VideoSource]
    label_items: Callable[[], LabelItemSource]
    patient_rows: Callable[[], PatientRowSource]
    subjects: Callable[[], Mapping[str, str]]


def connect(study: StudyConfig, *, listing_limit_s: float | None = None) -> Sources:
    """The sources that a study's configuration names.

    Args:
        study: the configuration.
        listing_limit_s: a listing of videos takes this long at most; the rest waits for the next one.
    """
    return Sources(
        videos=partial(connect_videos, study, listing_limit_s),
        label_items=partial(connect_label_items, study),
        patient_rows=partial(connect_patient_rows, study),
        subjects=partial(_read_subjects, study),
    )


def connect_videos(study: StudyConfig, listing_limit_s: float | None = None) -> VideoSource:
    """The source of videos that the configuration names."""
    paths, config = StudyPaths(study.root), study.sources.videos
    leaves_out = leaves_out_of(paths, study.sources.path_pattern)
    if isinstance(config, LocalFolderSource):
        return LocalFolder(
            config.path,
            settle_s=config.settle_s,
            memory=paths.md5_sums,
            hashing_limit_s=listing_limit_s,
            leaves_out=leaves_out,
        )
    return _drive(config, paths.drive_mirror, listing_limit_s, leaves_out)


@lru_cache(maxsize=16)
def leaves_out_of(paths: StudyPaths, pattern: str) -> LeavesOut:
    """Tells uploads of forgotten visits, by what is known of these when it is asked.

    Args:
        paths: the study's paths.
        pattern: ``sources.path_pattern``.
    """
    from eus_etl.steps.observation.snapshot import matcher_of  # it imports what draws, and few list videos

    def leaves_out(source_id: str, parts: tuple[str, ...]) -> bool:
        names = forgotten_names(paths)
        if not names:
            return False
        # an upload that was the visit's may have been given to another one since
        return names.has_path(parts, pattern) or (
            names.has_upload(source_id) and not matcher_of(paths, pattern).of_path(parts)
        )

    return leaves_out


def item_rules(study: StudyConfig) -> ItemRules:
    """What a label item of the study may hold."""
    labels = [label for family in study.families.values() for label in family]
    spellings = {label_key(spelling) for label in labels for spelling in (label.name, *label.spellings)}
    return ItemRules(frozenset(spellings), study.patients.orgs)


def connect_label_items(study: StudyConfig) -> LabelItemSource:
    """The source of label items that the configuration names."""
    config = study.sources.label_items
    if isinstance(config, JsonFileSource):
        return JsonItems(config.path, config.items_at, item_rules(study))
    from eus_etl.sources.label_items.dynamodb import DynamoItems

    return DynamoItems(
        config.table,
        config.ssm_parameter,
        config.region,
        endpoint_url=config.endpoint_url,
        segments=config.segments,
        rules=item_rules(study),
    )


def connect_patient_rows(study: StudyConfig) -> PatientRowSource:
    """The source of patient rows that the configuration names."""
    config, columns = study.sources.patient_rows, study.patients.columns
    headers = [column.header for column in columns]
    if isinstance(config, CsvFileSource):
        return CsvRows(config.path, study.patients.key_header, headers)
    from eus_etl.sources.patient_rows.google_sheet import GoogleSheet
    from eus_etl.sources.videos.google_drive.connection import read_credentials

    return GoogleSheet(
        config.spreadsheet_id,
        config.range,
        study.patients.key_header,
        headers,
        read_credentials(config.credentials_file, "sources.patient_rows", config.impersonate),
        date_headers=[column.header for column in columns if column.type == "date"],
        api_root=config.api_root,
    )


@lru_cache(maxsize=16)
def _drive(
    config: GoogleDriveSource, mirror: Path, listing_limit_s: float | None, leaves_out: LeavesOut
) -> VideoSource:
    """One connection per process: a sensor's tick should cost one request, not a new token as well."""
    from eus_etl.sources.videos.google_drive.connection import read_credentials
    from eus_etl.sources.videos.google_drive.source import GoogleDrive

    return GoogleDrive(
        config.folder_id,
        mirror,
        read_credentials(config.credentials_file, "sources.videos", config.impersonate),
        listing_limit_s=listing_limit_s,
        workers=config.workers,
        api_root=config.api_root,
        folder_key=config.resource_key,
        leaves_out=leaves_out,
    )


def _read_subjects(study: StudyConfig) -> Mapping[str, str]:
    config = study.sources.subjects
    if config is None:
        return {}
    from eus_etl.sources.dynamodb.table import DynamoTable
    from eus_etl.sources.subject_ids import ROLE, subject_ids

    table = DynamoTable(
        ROLE,
        table=config.table,
        ssm_parameter=config.ssm_parameter,
        region=config.region,
        endpoint_url=config.endpoint_url,
    )
    return subject_ids(table, config.key_variable)
