"""What one machine sees of a study: its root, its file, its code, its clock: all must see the same."""

import hashlib
import os
import platform
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict

import eus_etl
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import EusEtlError
from eus_etl.settings import StudyConfig, load_study, study_files

_NOTES = ".seen_by_all_"
_NAME = re.compile(r"[A-Za-z0-9._-]+")


class Code(BaseModel):
    """The code that a process runs.

    Attributes:
        sources: a hash of the package's source files.
        versions: of Python and the packages that it depends on.
    """

    model_config = ConfigDict(frozen=True)

    sources: str
    versions: Mapping[str, str]


class Sight(BaseModel):
    """What a machine sees.

    Attributes:
        time_s: its clock, in seconds since 1970.
        code: what it runs.
        database: id of the database that its Dagster instance records in.
        places: how many runs it works on at once.
        study: a hash of the study's configuration but for its root; None where it has no such study.
        note: what it reads in the note that another machine left in the root; None where it sees none.
        writable: whether it may write where the note lies.
    """

    model_config = ConfigDict(frozen=True)

    time_s: float
    code: Code
    database: str
    places: int
    study: str | None
    note: str | None
    writable: bool


def code_now() -> Code:
    """The code as it is installed here now."""
    package = Path(eus_etl.__file__).parent
    total = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        total.update(file.relative_to(package).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return Code(sources=total.hexdigest()[:12], versions={"Python": platform.python_version(), **_packages()})


def study_digest(study: StudyConfig) -> str:
    """A hash of a study's configuration; its root may be mounted elsewhere on another machine."""
    return hashlib.sha256(study.model_dump_json(exclude={"root"}).encode()).hexdigest()[:12]


def look_around(name: str, note: str, *, configs: Path, code: Code, database: str, places: int) -> Sight:
    """What this machine sees.

    Args:
        name: of the study.
        note: name of the note that another machine left, without the part that all share.
        configs: folder of the studies' files on this machine.
        code: what this process was started with.
        database: id of the database that it records in.
        places: how many runs it works on at once.
    """
    study = _study(name, configs)
    text, writable = None, False
    if study is not None and _NAME.fullmatch(note):  # it comes over the network
        file = note_file(StudyPaths(study.root), note)
        writable = os.access(file.parent, os.W_OK)
        with suppress(OSError, UnicodeDecodeError):
            text = file.read_text(encoding="utf-8")[:100]
    return Sight(
        time_s=time.time(),
        code=code,
        database=database,
        places=places,
        study=None if study is None else study_digest(study),
        note=text,
        writable=writable,
    )


def note_file(paths: StudyPaths, note: str) -> Path:
    """Where a machine leaves a note for the others."""
    return paths.state / f"{_NOTES}{note}"


def _study(name: str, configs: Path) -> StudyConfig | None:
    with suppress(EusEtlError, OSError):
        for file in study_files(configs):
            with suppress(EusEtlError):
                study = load_study(file)
                if study.study == name:
                    return study
    return None


def _packages() -> Mapping[str, str]:
    """Versions of the packages that this one needs, as it declares them."""
    found = {}
    with suppress(metadata.PackageNotFoundError):
        for line in metadata.requires("eus-etl") or ():
            if (match := _NAME.match(line)) and "extra ==" not in line:
                with suppress(metadata.PackageNotFoundError):
                    found[match[0]] = metadata.version(match[0])
    return found
