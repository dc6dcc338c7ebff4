"""What a release takes of a study, and how its people are spread over splits."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from eus_etl.settings.model import Model

PATIENT_COLUMNS = ("org", "visit_date", "morphology", "morphology_presumed", "cancer")
"""Columns of ``patients.csv`` that a release may hold, besides those of the sheet."""

NAME = r"^[a-z][a-z0-9_-]{0,63}$"


class PersonFilter(Model):
    """What a patient column must hold for the visit to be taken; an empty cell never fits."""

    column: str = Field(description="Column of `patients.csv`.")
    any_of: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="The value, or one of a joined list, is one of these."
    )
    minimum: float | None = Field(default=None, description="The number is at least this.")
    maximum: float | None = Field(default=None, description="The number is at most this.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.any_of is None and self.minimum is None and self.maximum is None:
            raise ValueError("give any_of, minimum or maximum")
        return self


class SplitConfig(Model):
    """How persons are spread over training, validation and test."""

    train: float = Field(default=0.7, ge=0, le=1, description="Share of the persons.")
    validation: float = Field(default=0.15, ge=0, le=1, description="Share of the persons.")
    test: float = Field(default=0.15, ge=0, le=1, description="Share of the persons.")
    folds: int = Field(default=5, ge=1, description="Parts of each split for cross-validation.")
    seed: int = Field(default=0, description="Another one spreads new persons differently.")
    stratify_by: tuple[str, ...] = Field(
        default=(), description="Patient columns whose values are spread evenly, as the labels are."
    )

    @model_validator(mode="after")
    def _shares_are_all(self) -> Self:
        if abs(self.train + self.validation + self.test - 1) > 1e-6:
            raise ValueError("train, validation and test must be 1 in sum")
        return self


class ReleaseConfig(Model):
    """One selection of frames, made into releases that follow one another."""

    title: str = Field(min_length=1, description="The card's title.")
    recipe: str | None = Field(
        default=None, description="Recipe of the pictures; null for the first of the study."
    )
    status: tuple[Literal["ok", "disturbed"], ...] = Field(
        default=("ok",), min_length=1, description="Frames of these statuses are taken."
    )
    families: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Label families that the release has; null for all."
    )
    labelled_by: tuple[str, ...] = Field(
        default=(),
        description="Only frames with a label of one of these families; empty: unlabelled ones too.",
    )
    label_certain: bool = Field(
        default=False, description="Only frames that are certainly on their side of every label border."
    )
    patient_columns: tuple[str, ...] = Field(
        default=(),
        description="Patient columns that the release has: of the sheet, and org, visit_date (released as a"
        " year), morphology, morphology_presumed, cancer. Each says more about the person.",
    )
    persons: tuple[PersonFilter, ...] = Field(
        default=(), description="Visits are taken if all of these fit; the columns need not be released."
    )
    exclude_visits: tuple[str, ...] = Field(
        default=(), description="Ids of visits that are not taken, whatever else holds."
    )
    min_gap_s: float | None = Field(
        default=None, gt=0, description="Frames of a video are at least so many seconds apart."
    )
    frames_per_visit: int | None = Field(
        default=None, ge=1, description="At most so many frames of a visit, evenly spread."
    )
    frames_per_person: int | None = Field(
        default=None, ge=1, description="At most so many frames of a person, evenly spread."
    )
    splits: SplitConfig = SplitConfig()
    key_variable: str = Field(
        default="EUS_ETL_RELEASE_KEY",
        pattern=r"^[A-Z_][A-Z0-9_]*$",
        description="Environment variable that holds the secret key of the pseudonyms, at least 32 bytes.",
    )
    parent: Annotated[str, Field(pattern=r"^(last|none|r[0-9a-f]{16})$")] = Field(
        default="last",
        description="The release that `CHANGES.md` compares with: `last` of this name, `none`, or an id.",
    )
    licence: str = Field(
        default="other",
        min_length=1,
        description="Licence of the release, for the card: an SPDX id, or other.",
    )
    intended_use: str = Field(
        default="Research on machine learning for ultrasound. Not for clinical use.",
        min_length=1,
        description="A paragraph of the card.",
    )
