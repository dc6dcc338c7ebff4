"""Finds, reads and checks study files, and makes their paths absolute."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from eus_etl.errors import ConfigError
from eus_etl.settings.study import StudyConfig

ROOT_VARIABLE = "EUS_ETL_DATA_ROOT"


def load_study(path: Path) -> StudyConfig:
    """Read and check one study's YAML file.

    ``preprocess`` may be a path to a YAML file of recipes. ``EUS_ETL_DATA_ROOT`` in the environment
    replaces ``root`` by ``$EUS_ETL_DATA_ROOT/<study>``.

    Raises:
        ConfigError: the file is missing, is not YAML, or breaks a rule; the message lists every problem.
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
    package = Path(__file__).parent.parent
    return package / name if (package / name).exists() else package.parent / name


def study_files(folder: Path) -> list[Path]:
    """The YAML files of ``folder`` that describe a study (those with a ``study`` key), sorted.

    Raises:
        ConfigError: the folder is missing or a file in it is not YAML.
    """
    if not folder.is_dir():
        raise ConfigError(
            str(folder), "no such folder", "set EUS_ETL_CONFIGS to the folder of the study files"
        )
    return [path for path, _ in _studies(folder)]


def load_shipped_study(name: str) -> StudyConfig:
    """Read the study ``name`` that comes with the package.

    Raises:
        ConfigError: there is no such study.
    """
    studies = {study: path for path, study in _studies(shipped("configs"))}
    if name not in studies:
        raise ConfigError(name, "is not a shipped study", f"name one of {', '.join(studies)}")
    return load_study(studies[name])


def _studies(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.glob("[!.]*.yaml")):
        raw = _read_yaml(path)
        if "study" in raw:
            yield path, str(raw["study"])


def _read_yaml(path: Path) -> dict[str, object]:
    import yaml  # here: most models are made without a file

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was compiled
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506 (both are safe loaders)
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
