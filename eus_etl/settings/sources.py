"""Where videos, label items and patient rows come from."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from eus_etl.settings.model import Model


class Service(Model):
    """A source that is asked over the network, which costs money or quota."""

    poll_s: int = Field(
        default=300,
        ge=1,
        description="Seconds between two reads; label items and subjects share the longer one.",
    )


class LocalFolderSource(Model):
    """A local folder that serves as the drive, searched recursively."""

    kind: Literal["local_folder"]
    path: Path = Field(description="Folder below which the study's videos lie, nested in any way.")
    settle_s: float = Field(
        default=5.0,
        ge=0,
        description="A file changed less than this many seconds ago is still being written.",
    )


class GoogleDriveSource(Model):
    """A folder of My Drive or of a shared drive."""

    kind: Literal["google_drive"]
    folder_id: str = Field(
        pattern=r"^[A-Za-z0-9_-]+$", description="The last part of the folder's address in the browser."
    )
    credentials_file: Path | None = Field(
        default=None,
        description=(
            "JSON key of a service account, or the authorization of an ordinary account; null for the "
            "application default credentials."
        ),
    )
    impersonate: str | None = Field(
        default=None,
        pattern=r"^[^@\s]+@[^@\s]+$",
        description="Account of the domain as which the service account acts, where outsiders are barred.",
    )
    resource_key: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="What follows `resourcekey=` in the folder's address, if anything does.",
    )
    workers: int = Field(default=4, ge=1, le=32, description="Files of a visit that are fetched in parallel.")
    api_root: str | None = Field(default=None, description="Another address of the API, for tests.")


class JsonFileSource(Model):
    """An export of the label items, DynamoDB JSON or plain JSON."""

    kind: Literal["json_file"]
    path: Path
    items_at: str | None = Field(
        default=None,
        min_length=1,
        description=(
            "Keys joined by dots that lead to the items in a file that holds several tables, "
            "for example `eus.patient`; ignored if the file is the export of one table."
        ),
    )


class _DynamoTable(Service):
    table: str | None = Field(default=None, min_length=1, description="The table's name.")
    ssm_parameter: str | None = Field(
        default=None,
        min_length=1,
        description="The SSM parameter that holds the table's name; instead of `table`.",
    )
    region: str = Field(default="ap-south-1", description="AWS region.")
    endpoint_url: str | None = Field(
        default=None, pattern=r"^https?://", description="Address of a DynamoDB-compatible server."
    )

    @model_validator(mode="after")
    def _names_one_table(self) -> Self:
        if (self.table is None) == (self.ssm_parameter is None):
            raise ValueError("give either table or ssm_parameter")
        return self


class DynamoSource(_DynamoTable):
    """The table of label items."""

    kind: Literal["dynamodb"]
    segments: int = Field(default=1, ge=1, le=16, description="Parts of the table that are read in parallel.")


class SubjectsSource(_DynamoTable):
    """The table that tells which visits belong to one person; only its key and hash are read."""

    key_variable: str = Field(
        pattern=r"^[A-Z_][A-Z0-9_]*$",
        description="Environment variable that holds the secret key of the subjects' ids.",
    )


class CsvFileSource(Model):
    """Patient rows in a CSV file."""

    kind: Literal["csv_file"]
    path: Path


class GoogleSheetSource(Service):
    """Patient rows in a Google Sheet."""

    kind: Literal["google_sheet"]
    spreadsheet_id: str = Field(
        pattern=r"^[A-Za-z0-9_-]+$", description="The long part of the sheet's address in the browser."
    )
    range: str = Field(min_length=1, description="A1 notation, headers first: `Patients!A1:Z`.")
    credentials_file: Path | None = Field(
        default=None,
        description="JSON key of a service account; null for the application default credentials.",
    )
    impersonate: str | None = Field(
        default=None,
        pattern=r"^[^@\s]+@[^@\s]+$",
        description="Account of the domain as which the service account acts, where outsiders are barred.",
    )
    api_root: str | None = Field(default=None, description="Another address of the API, for tests.")


class SourcesConfig(Model):
    """Where videos, label items and patient rows come from."""

    videos: LocalFolderSource | GoogleDriveSource = Field(discriminator="kind")
    label_items: JsonFileSource | DynamoSource = Field(discriminator="kind")
    patient_rows: CsvFileSource | GoogleSheetSource = Field(discriminator="kind")
    subjects: SubjectsSource | None = Field(
        default=None, description="Where subject ids come from; null leaves them empty."
    )
    poll_s: int = Field(
        default=30,
        ge=1,
        description=(
            "Seconds between two observations of videos, corrections, and files of items or rows; services "
            "(DynamoDB, Google Sheets) have a `poll_s` of their own. A change takes effect when the code "
            "location is reloaded."
        ),
    )
    max_loss_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description=(
            "A listing, table or sheet that is suddenly empty, or lacks more than this share of what it held "
            "(where that was more than ten videos, items or visits), counts as unavailable and changes "
            "nothing. 1 believes any loss: set it for one run where so much was removed on purpose."
        ),
    )
    path_pattern: str = Field(
        default=r"^{key}",
        description=(
            "Regular expression tried on each folder and file name of a path; {key} stands for the "
            "patient's id or alias. A match assigns the file to that visit."
        ),
    )

    @field_validator("path_pattern")
    @classmethod
    def _has_key(cls, value: str) -> str:
        if "{key}" not in value:
            raise ValueError("must contain {key}, which stands for the visit's id or alias")
        try:
            re.compile(value.replace("{key}", "key"))
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from error
        return value
