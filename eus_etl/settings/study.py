"""A study: the model of one YAML file."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from eus_etl.settings.model import Model
from eus_etl.settings.pixels import (
    ExtractionConfig,
    PreprocessConfig,
    QualityConfig,
    ReadingConfig,
    RegionConfig,
)
from eus_etl.settings.release import NAME, PATIENT_COLUMNS, ReleaseConfig
from eus_etl.settings.sources import SourcesConfig

OWNER = r"^(team:[A-Za-z0-9_-]+|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7})$"
"""What Dagster takes for an owner."""


class LabelConfig(Model):
    """One label of a family and the spellings it has had in items."""

    name: str = Field(min_length=1, description="The label's name in tables.")
    spellings: tuple[str, ...] = Field(
        default=(), description="Other spellings in old items; case and spaces do not matter."
    )


class PatientColumnConfig(Model):
    """One column taken from the patient rows."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="The column's name in patients.csv.")
    header: str = Field(min_length=1, description="The column's header in the sheet.")
    type: Literal["text", "number", "integer", "boolean", "date"]
    unit: str = ""
    meaning: str = Field(min_length=1)
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] | None = Field(
        default=None,
        description="Words that a cell may hold. Set it for every `text` column: without it any text, even a"
        " name, is kept.",
    )

    @model_validator(mode="after")
    def _has_a_range(self) -> Self:
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum is above maximum: no value would be taken")
        return self


class PatientsConfig(Model):
    """How patient rows are read."""

    key_header: str = Field(description="Header of the column that holds the visit's id or alias.")
    orgs: tuple[str, ...] = Field(
        default=(),
        description="Hospitals that a label item's `org` may name; others are not kept.",
    )
    columns: tuple[PatientColumnConfig, ...] = ()


class TimelineConfig(Model):
    """How the videos of a visit follow one another in time, and how far labels are trusted."""

    recorder_splits_without_loss: bool = Field(
        default=True,
        description="Files without recording times are laid end to end; false leaves later ones untimed.",
    )
    label_margin_s: float = Field(
        default=2.0, ge=0, description="Margin of every label border: rounding and reaction time."
    )
    sync_flag_share: float = Field(
        default=0.02,
        ge=0,
        description="A visit whose recording and procedure differ by more than this share needs sync.csv.",
    )


class StudyConfig(Model):
    """Everything that makes one study."""

    study: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name: first part of every asset key.")
    title: str
    owners: tuple[Annotated[str, Field(pattern=OWNER)], ...] = Field(
        default=(),
        description="Who answers for the study, in Dagster's page: mail addresses, or `team:` and a name.",
    )
    root: Path = Field(description="Folder that holds all of the study's data.")
    readers: Literal["owner", "group"] = Field(
        default="group",
        description="Who may read what is written to the root and the Dagster home: its owner, or also the "
        "owner's group. A stricter umask of the service holds as well.",
    )
    sources: SourcesConfig
    families: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], tuple[LabelConfig, ...]] = Field(
        min_length=1, description="Families of labels that exclude one another."
    )
    patients: PatientsConfig
    extraction: ExtractionConfig
    reading: ReadingConfig = ReadingConfig()
    timeline: TimelineConfig = TimelineConfig()
    regions: RegionConfig = RegionConfig()
    quality: QualityConfig = QualityConfig()
    preprocess: PreprocessConfig
    releases: dict[Annotated[str, Field(pattern=NAME)], ReleaseConfig] = Field(
        default={},
        description="Selections of frames by name, for `eus-etl release`; or the path of their file.",
    )

    @model_validator(mode="after")
    def _releases_fit(self) -> Self:
        of_sheet = {column.name: column for column in self.patients.columns}
        for name, release in self.releases.items():
            known = {
                "recipe": ([release.recipe] if release.recipe else [], list(self.preprocess.recipes)),
                "families": (release.families or (), list(self.families)),
                "labelled_by": (release.labelled_by, list(release.families or self.families)),
                "patient_columns": (release.patient_columns, [*PATIENT_COLUMNS, *of_sheet]),
                "splits.stratify_by": (release.splits.stratify_by, [*PATIENT_COLUMNS, *of_sheet]),
                "persons": ([chosen.column for chosen in release.persons], [*PATIENT_COLUMNS, *of_sheet]),
            }
            for key, (given, possible) in known.items():
                if strange := [value for value in given if value not in possible]:
                    raise ValueError(f"{name}.{key} names {strange[0]!r}, and has only {', '.join(possible)}")
            for column in (of_sheet[given] for given in release.patient_columns if given in of_sheet):
                if column.type == "text" and column.allowed is None:
                    raise ValueError(
                        f"{name}.patient_columns names {column.name!r}, which may hold any text: "
                        "give the column a list `allowed`"
                    )
        return self

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Self:
        seen: dict[str, str] = {}
        for family, labels in self.families.items():
            for label in labels:
                for spelling in {label_key(s) for s in (label.name, *label.spellings)}:
                    if spelling in seen:
                        raise ValueError(
                            f"label spelling {spelling!r} is in {family!r} and in {seen[spelling]!r}"
                        )
                    seen[spelling] = family
        return self


@lru_cache(maxsize=1 << 12)
def label_key(spelling: str) -> str:
    """Fold a label's spelling so that ``Station 1``, ``station1`` and ``Station-1`` are equal."""
    return "".join(c for c in spelling.casefold() if c.isalnum())
