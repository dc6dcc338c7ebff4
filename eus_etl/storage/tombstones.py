"""Tombstones: what is left of a forgotten visit, so that no source brings it back.

A tombstone holds keyed hashes of what sources call the visit: its id, its alias, the ids of its uploads.
Their key is in the same file: were it in the environment, a lost key would let sources bring all of it back.
"""

import secrets
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from eus_etl.domain.forgotten import ForgottenNames
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import PermanentError
from eus_etl.storage.files.checked_json import DamagedStateError, read_checked, write_checked
from eus_etl.storage.files.marks import FileMark, mark_of
from eus_etl.storage.leases.work import work_lease

_KEY_BYTES = 32
SOURCES_LOCK = "_sources"
"""Held while an observation is stored or a tombstone is set: none is stored that does not know of it."""


class Tombstone(BaseModel):
    """What is left of one visit.

    Attributes:
        day: when it was forgotten.
        marks: hashes of its names.
        releases: releases that hold it.
        finished: whether everything was removed; else the next call goes on.
    """

    model_config = ConfigDict(frozen=True)

    day: date
    marks: frozenset[str]
    releases: tuple[str, ...] = ()
    finished: bool = False


class _Stored(BaseModel):
    key: str
    tombstones: tuple[Tombstone, ...] = ()


def tombstones(paths: StudyPaths) -> tuple[Tombstone, ...]:
    """All tombstones of a study.

    Raises:
        PermanentError: they cannot be read, so that nobody knows what was forgotten.
    """
    return _read(paths).tombstones


def forgotten_names(paths: StudyPaths) -> ForgottenNames:
    """Recognizes the names of all forgotten visits of a study.

    Raises:
        PermanentError: as ``tombstones``.
    """
    return _names(_read(paths))


def is_forgotten(paths: StudyPaths, patient_id: str) -> bool:
    """Whether a visit was forgotten."""
    return forgotten_names(paths).has_key(patient_id)


def find_tombstone(paths: StudyPaths, patient_id: str) -> Tombstone | None:
    """The tombstone of a visit; None where it was not forgotten."""
    stored = _read(paths)
    mark = _names(stored).mark_of_key(patient_id)
    return next((stone for stone in stored.tombstones if mark in stone.marks), None)


def set_tombstone(
    paths: StudyPaths,
    patient_id: str,
    day: date,
    *,
    alias: str | None = None,
    uploads: Iterable[str] = (),
    releases: Iterable[str] = (),
    finished: bool = False,
) -> Tombstone:
    """Note that a visit is forgotten; what an earlier tombstone of it holds is kept.

    Args:
        paths: the study's paths.
        patient_id: the visit.
        day: today.
        alias: its alias, where it is known.
        uploads: ids of its uploads in their source.
        releases: ids of releases that hold it.
        finished: whether everything was removed.
    """
    with work_lease(paths, SOURCES_LOCK):
        stored = _read(paths)
        if not stored.key:
            stored = _Stored(key=secrets.token_hex(_KEY_BYTES))
        names, before = _names(stored), find_tombstone(paths, patient_id)
        marks = {names.mark_of_key(key) for key in (patient_id, alias or patient_id)}
        marks |= {names.mark_of_upload(upload) for upload in uploads}
        stone = Tombstone(
            day=before.day if before else day,
            marks=frozenset(marks | (before.marks if before else frozenset())),
            releases=tuple(sorted({*releases, *(before.releases if before else ())})),
            finished=finished,
        )
        kept = tuple(other for other in stored.tombstones if other != before)
        _write(paths, stored.model_copy(update={"tombstones": (*kept, stone)}))
    return stone


def lift_tombstone(paths: StudyPaths, patient_id: str) -> bool:
    """Let a visit come back; returns whether it had been forgotten."""
    with work_lease(paths, SOURCES_LOCK):
        stored, stone = _read(paths), find_tombstone(paths, patient_id)
        kept = tuple(other for other in stored.tombstones if other != stone)
        if stone is not None:
            _write(paths, stored.model_copy(update={"tombstones": kept}))
    return stone is not None


def _write(paths: StudyPaths, stored: _Stored) -> None:
    # sorted: the order of hashes tells nothing
    value = stored.model_dump(mode="json")
    for stone in value["tombstones"]:
        stone["marks"] = sorted(stone["marks"])
    write_checked(paths.forgotten, value)


def _read(paths: StudyPaths) -> _Stored:
    try:
        return _stored_at(paths.forgotten, mark_of(str(paths.forgotten)))
    except FileNotFoundError:
        return _Stored(key="")
    except (DamagedStateError, ValidationError):
        raise PermanentError(
            paths.relative(paths.forgotten),
            "it cannot be read, so nobody can tell which visits were forgotten",
            "restore it from a backup; until then no source is read",
        ) from None


@lru_cache(maxsize=8)
def _stored_at(path: Path, _mark: FileMark) -> _Stored:
    return _Stored.model_validate(read_checked(path))


@lru_cache(maxsize=8)
def _names_of(key: bytes, marks: frozenset[str]) -> ForgottenNames:
    return ForgottenNames(key, marks)


def _names(stored: _Stored) -> ForgottenNames:
    marks = frozenset(mark for stone in stored.tombstones for mark in stone.marks)
    return _names_of(bytes.fromhex(stored.key), marks)
