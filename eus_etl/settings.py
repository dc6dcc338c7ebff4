"""Configuration of a study: pydantic models of the YAML files, validated once at the border.

Unknown keys are refused. Paths in a file are relative to that file. What a study needs beyond these
models does not exist: a third study is one more YAML file.
"""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from eus_etl.errors import ConfigError

ROOT_VARIABLE = "EUS_ETL_DATA_ROOT"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def fingerprint(self) -> str:
        """Twelve hex digits that change when any value of this model changes."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


class LocalFolderSource(_Model):
    """A local folder that serves as the drive, searched recursively."""

    kind: Literal["local_folder"]
    path: Path = Field(description="Folder below which the study's videos lie, nested in any way.")
    settle_s: float = Field(
        default=5.0,
        ge=0,
        description="A file changed less than this many seconds ago is still being written.",
    )


class GoogleDriveSource(_Model):
    """A folder of My Drive or of a shared drive."""

    kind: Literal["google_drive"]
    folder_id: str = Field(
        pattern=r"^[A-Za-z0-9_-]+$", description="The last part of the folder's address in the browser."
    )
    credentials_file: Path | None = Field(
        default=None,
        description="JSON key of a service account; null for the application default credentials.",
    )
    workers: int = Field(default=4, ge=1, le=32, description="Files of a visit that are fetched at once.")
    api_root: str | None = Field(default=None, description="Another address of the API, for tests.")


class JsonFileSource(_Model):
    """An export of the label items, DynamoDB JSON or plain JSON."""

    kind: Literal["json_file"]
    path: Path
    items_at: str | None = Field(
        default=None,
        min_length=1,
        description=(
            "Keys joined by dots that lead to the items in a file that holds several tables, "
            "`eus.patient` for one; without use for a file that is one table's export."
        ),
    )


class _DynamoTable(_Model):
    table: str | None = Field(default=None, min_length=1, description="The table's name.")
    ssm_parameter: str | None = Field(
        default=None,
        min_length=1,
        description="The SSM parameter that holds the table's name, instead of it.",
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
    segments: int = Field(default=1, ge=1, le=16, description="Parts of the table that are read at once.")


class SubjectsSource(_DynamoTable):
    """The table that tells which visits are of one person; only its key and hash are read."""

    key_variable: str = Field(
        pattern=r"^[A-Z_][A-Z0-9_]*$",
        description="Environment variable that holds the secret key of the subjects' ids.",
    )


class CsvFileSource(_Model):
    """Patient rows in a CSV file."""

    kind: Literal["csv_file"]
    path: Path


class GoogleSheetSource(_Model):
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
    api_root: str | None = Field(default=None, description="Another address of the API, for tests.")


class SourcesConfig(_Model):
    """Where videos, label items and patient rows come from."""

    videos: LocalFolderSource | GoogleDriveSource = Field(discriminator="kind")
    label_items: JsonFileSource | DynamoSource = Field(discriminator="kind")
    patient_rows: CsvFileSource | GoogleSheetSource = Field(discriminator="kind")
    subjects: SubjectsSource | None = Field(
        default=None, description="Where subject ids come from; null leaves them empty."
    )
    poll_s: int = Field(default=30, ge=1, description="Seconds between two looks at the sources.")
    path_pattern: str = Field(
        default=r"^{key}",
        description=(
            "Regular expression tried on each folder and file name of a path; {key} stands for the "
            "patient's id or alias. A name that matches gives the file to that patient."
        ),
    )

    @field_validator("path_pattern")
    @classmethod
    def _has_key(cls, value: str) -> str:
        if "{key}" not in value:
            raise ValueError("must contain {key}, which stands for the patient's id or alias")
        try:
            re.compile(value.replace("{key}", "key"))
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        return value


class LabelConfig(_Model):
    """One label of a family and the spellings it has had in items."""

    name: str = Field(min_length=1, description="The label's name in tables.")
    spellings: tuple[str, ...] = Field(
        default=(), description="Other spellings in old items; case and spaces do not matter."
    )


class PatientColumnConfig(_Model):
    """One column taken from the patient rows."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="The column's name in patients.csv.")
    header: str = Field(min_length=1, description="The column's header in the sheet.")
    type: Literal["text", "number", "integer", "boolean", "date"]
    unit: str = ""
    meaning: str = Field(min_length=1)
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] | None = None


class PatientsConfig(_Model):
    """How patient rows are read."""

    key_header: str = Field(description="Header of the column that holds the patient's id or alias.")
    columns: tuple[PatientColumnConfig, ...] = ()


class ImageConfig(_Model):
    """How an extracted frame is stored."""

    format: Literal["jpg", "png"] = "jpg"
    quality: int = Field(default=95, ge=1, le=100, description="JPEG quality.")
    chroma: Literal["420", "422", "444"] = Field(default="420", description="JPEG chroma subsampling.")


class GridConfig(_Model):
    """The grid of cells whose statistics stand in for the pixels afterwards."""

    width_px: int = Field(default=512, ge=64, description="Width of the copy on which statistics are taken.")
    block_px: int = Field(default=16, ge=4, description="Side of one square cell on that copy.")
    color_chroma: int = Field(
        default=40, ge=1, description="A pixel whose channels differ by more than this counts as coloured."
    )


class ExtractionConfig(_Model):
    """What is kept of a video. Any change here decodes the videos again."""

    frame_rate_hz: float | None = Field(gt=0, description="Frames kept per second; null keeps all.")
    image: ImageConfig = ImageConfig()
    grid: GridConfig = GridConfig()
    max_error_share: float = Field(
        default=0.2, ge=0, le=1, description="A video with a larger share of undecodable frames is rejected."
    )


class TimelineConfig(_Model):
    """How the videos of a visit lie in time, and how far labels are trusted."""

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


class QualityConfig(_Model):
    """Thresholds from scores to reasons. Changing one reads no image."""

    no_signal_brightness: float = Field(default=5.0, ge=0, description="Mean grey level below: no signal.")
    no_signal_contrast: float = Field(default=3.0, ge=0, description="Deviation of grey below: no signal.")
    blurred_sharpness_z: float = Field(
        default=-3.0, le=0, description="Robust z of sharpness below: blurred."
    )
    frozen_motion: float = Field(
        default=0.1, ge=0, description="Mean absolute change of grey level below: standing still."
    )
    frozen_min_s: float = Field(
        default=1.0, gt=0, description="Standing still for at least this long: frozen."
    )
    duplicate_motion: float = Field(
        default=0.02, ge=0, description="Change to the frame before at most this: duplicate."
    )
    color_fraction: float = Field(
        default=0.01, ge=0, le=1, description="Share of coloured pixels in the region above: colour mode."
    )
    optical_outside_fraction: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of coloured pixels outside the region above: optical view.",
    )


class RegionConfig(_Model):
    """How the ultrasound region of a layout is found."""

    sample_frames: int = Field(default=48, ge=2, description="Images read per layout, spread over it.")
    min_area_fraction: float = Field(
        default=0.02,
        gt=0,
        lt=1,
        description="A smaller region is not believed; lit structure is tried instead.",
    )


class RecipeConfig(_Model):
    """One way to turn extracted frames into model input."""

    version: int = Field(ge=1, description="Raise it to make all frames of this recipe anew.")
    size_px: int = Field(ge=16, description="Side of the square output.")
    grey: bool = True
    clahe_clip: float | None = Field(
        default=None, gt=0, description="Clip limit of CLAHE; null leaves contrast as it is."
    )


class PreprocessConfig(_Model):
    """Named recipes; two recipes live side by side."""

    recipes: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")], RecipeConfig] = Field(min_length=1)


class StudyConfig(_Model):
    """Everything that makes one study."""

    study: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name: first part of every asset key.")
    title: str
    root: Path = Field(description="Folder that holds all of the study's data.")
    sources: SourcesConfig
    families: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], tuple[LabelConfig, ...]] = Field(
        min_length=1, description="Families of labels that exclude one another."
    )
    patients: PatientsConfig
    extraction: ExtractionConfig
    timeline: TimelineConfig = TimelineConfig()
    regions: RegionConfig = RegionConfig()
    quality: QualityConfig = QualityConfig()
    preprocess: PreprocessConfig

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Self:
        seen: dict[str, str] = {}
        for family, labels in self.families.items():
            for label in labels:
                for spelling in {label_key(s) for s in (label.name, *label.spellings)}:
                    if spelling in seen:
                        raise ValueError(
                            f"label spelling {spelling!r} stands in {family!r} and in {seen[spelling]!r}"
                        )
                    seen[spelling] = family
        return self


def label_key(spelling: str) -> str:
    """Fold a label's spelling so that ``Station 1``, ``station1`` and ``Station-1`` are equal."""
    return "".join(c for c in spelling.casefold() if c.isalnum())


def load_study(path: Path) -> StudyConfig:
    """Read and check one study's YAML file.

    ``preprocess`` may be a path to a YAML file of recipes. ``EUS_ETL_DATA_ROOT`` in the environment
    replaces ``root`` by ``$EUS_ETL_DATA_ROOT/<study>``.

    Raises:
        ConfigError: the file is missing, is no YAML, or says what cannot be meant; lists every problem.
    """
    raw = _read_yaml(path)
    base = path.resolve().parent
    preprocess = raw.get("preprocess")
    if isinstance(preprocess, str):
        raw["preprocess"] = _read_yaml(base / preprocess)
    try:
        config = StudyConfig.model_validate(raw)
    except ValidationError as error:
        raise ConfigError(
            path.name, _explain(error), "correct these keys; docs/configuration.md lists all"
        ) from None
    environment_root = os.environ.get(ROOT_VARIABLE)
    root = Path(environment_root) / config.study if environment_root else config.root
    sources = config.sources
    return config.model_copy(
        update={
            "root": _resolve(base, root),
            "sources": sources.model_copy(
                update={
                    "videos": _with_paths(base, sources.videos),
                    "label_items": _with_paths(base, sources.label_items),
                    "patient_rows": _with_paths(base, sources.patient_rows),
                }
            ),
        }
    )


def shipped(name: str) -> Path:
    """A file or folder that comes with the package: ``configs``, ``dagster.yaml``."""
    package = Path(__file__).parent
    return package / name if (package / name).exists() else package.parent / name


def study_files(folder: Path) -> list[Path]:
    """The YAML files of ``folder`` that describe a study (those with a ``study`` key), sorted.

    Raises:
        ConfigError: the folder is missing or a file in it is no YAML.
    """
    if not folder.is_dir():
        raise ConfigError(
            str(folder), "no such folder", "set EUS_ETL_CONFIGS to the folder of the study files"
        )
    return [path for path in sorted(folder.glob("*.yaml")) if "study" in _read_yaml(path)]


def _read_yaml(path: Path) -> dict[str, object]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            str(path), f"cannot be read ({error.strerror})", "name an existing YAML file"
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            str(path), f"is not valid YAML ({error})", "correct the syntax at that place"
        ) from error
    if not isinstance(raw, dict):
        raise ConfigError(str(path), "holds no keys", "start from one of the files in configs/")
    return raw


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"]) or "(whole file)"
        lines.append(f"{where}: {problem['msg']}")
    return "; ".join(lines)


def _resolve(base: Path, path: Path) -> Path:
    return (base / path.expanduser()).resolve()


_M = TypeVar("_M", bound=BaseModel)


def _with_paths(base: Path, source: _M) -> _M:
    """``source`` with its relative paths starting at ``base``."""
    paths = {name: _resolve(base, value) for name, value in source if isinstance(value, Path)}
    return source.model_copy(update=paths)
