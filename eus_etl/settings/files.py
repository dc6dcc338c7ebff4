"""Finds, reads and checks study files, and makes their paths absolute."""

import os
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from eus_etl.errors import ConfigError
from eus_etl.settings.alerts import AlertsConfig
from eus_etl.settings.study import StudyConfig

ROOT_VARIABLE = "EUS_ETL_DATA_ROOT"


def load_study(path: Path) -> StudyConfig:
    """Read and check one study's YAML file.

    ``preprocess`` may be a path to a YAML file of recipes, ``releases`` one to a file of selections.
    ``EUS_ETL_DATA_ROOT`` in the environment replaces ``root`` by ``$EUS_ETL_DATA_ROOT/<study>``.

    Raises:
        ConfigError: the file is missing, is not YAML, or breaks a rule; the message lists every problem.
    """
    raw = _read_yaml(path)
    base = path.resolve().parent
    for section in ("preprocess", "releases"):
        if isinstance(file := raw.get(section), str):
            raw[section] = _read_yaml(base / file)
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


def load_alerts(path: Path) -> AlertsConfig:
    """Read and check the file that says who is told of problems; its paths start at its folder.

    Raises:
        ConfigError: the file is missing, is not YAML, or breaks a rule; the message lists every problem.
    """
    try:
        config = AlertsConfig.model_validate(_read_yaml(path))
    except ValidationError as error:
        raise ConfigError(
            path.name, _explain(error), "correct these keys; docs/alerts.md lists all"
        ) from None
    return _with_paths(path.resolve().parent, config)


def shipped(name: str) -> Path:
    """A file or folder that comes with the package: ``configs``, ``dagster.yaml``."""
    package = Path(__file__).parent.parent
    return package / name if (package / name).exists() else package.parent / name


def study_files(folder: Path) -> list[Path]:
    """The YAML files of ``folder`` that describe a study (those with a ``study`` key), sorted.

    Among them are those that are not YAML: ``load_study`` says what is wrong with them.

    Raises:
        ConfigError: the folder is missing.
    """
    if not folder.is_dir():
        raise ConfigError(
            str(folder), "no such folder", "set EUS_ETL_CONFIGS to the folder of the study files"
        )
    return [path for path in _yaml_files(folder) if _study_in(path) is not None]


def load_shipped_study(name: str) -> StudyConfig:
    """Read the study ``name`` that comes with the package.

    Raises:
        ConfigError: there is no such study.
    """
    studies = {study: path for path in _yaml_files(shipped("configs")) if (study := _study_in(path))}
    if name not in studies:
        raise ConfigError(name, "is not a shipped study", f"name one of {', '.join(studies)}")
    return load_study(studies[name])


def _yaml_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[!.]*.yaml"))


def _study_in(path: Path) -> str | None:
    """The study that a file describes; empty where the file cannot be read, None where it describes none."""
    try:
        raw = _read_yaml(path)
    except ConfigError:
        return ""
    return str(raw["study"]) if "study" in raw else None


def _read_yaml(path: Path) -> dict[str, object]:
    import yaml  # here: most models are made without a file

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was compiled
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506 (both are safe loaders)
    except OSError as error:
        raise ConfigError(
            str(path), f"cannot be read ({error.strerror})", "name an existing YAML file"
        ) from error
    except UnicodeDecodeError:
        raise ConfigError(str(path), "is not valid YAML (it is not UTF-8)", "save it in UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        said = str(getattr(error, "problem", None) or type(error).__name__).partition("\n")[0]
        raise ConfigError(
            str(path), f"is not valid YAML{at} ({said})", "correct the syntax at that place"
        ) from None
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
