"""Configuration of a study: pydantic models of the YAML files, validated once at the border.

Unknown keys are refused. Paths in a file are relative to that file. A study needs nothing beyond these
models: a third study is one more YAML file.
"""

from eus_etl.settings.alerts import AlertsConfig, SmtpConfig, WebhookConfig
from eus_etl.settings.files import (
    ROOT_VARIABLE,
    load_alerts,
    load_shipped_study,
    load_study,
    shipped,
    study_files,
)
from eus_etl.settings.pixels import (
    ExtractionConfig,
    GridConfig,
    ImageConfig,
    PreprocessConfig,
    QualityConfig,
    ReadingConfig,
    RecipeConfig,
    RegionConfig,
    TextCheckConfig,
)
from eus_etl.settings.release import PersonFilter, ReleaseConfig, SplitConfig
from eus_etl.settings.sources import (
    CsvFileSource,
    DynamoSource,
    GoogleDriveSource,
    GoogleSheetSource,
    JsonFileSource,
    LocalFolderSource,
    Service,
    SourcesConfig,
    SubjectsSource,
)
from eus_etl.settings.study import (
    LabelConfig,
    PatientColumnConfig,
    PatientsConfig,
    StudyConfig,
    TimelineConfig,
    label_key,
)

__all__ = [
    "ROOT_VARIABLE",
    "AlertsConfig",
    "CsvFileSource",
    "DynamoSource",
    "ExtractionConfig",
    "GoogleDriveSource",
    "GoogleSheetSource",
    "GridConfig",
    "ImageConfig",
    "JsonFileSource",
    "LabelConfig",
    "LocalFolderSource",
    "PatientColumnConfig",
    "PatientsConfig",
    "PersonFilter",
    "PreprocessConfig",
    "QualityConfig",
    "ReadingConfig",
    "RecipeConfig",
    "RegionConfig",
    "ReleaseConfig",
    "Service",
    "SmtpConfig",
    "SourcesConfig",
    "SplitConfig",
    "StudyConfig",
    "SubjectsSource",
    "TextCheckConfig",
    "TimelineConfig",
    "WebhookConfig",
    "label_key",
    "load_alerts",
    "load_shipped_study",
    "load_study",
    "shipped",
    "study_files",
]
