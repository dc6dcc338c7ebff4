"""What the last observation of each source found: one file per visit, each with a version.

An observation is written here before its versions are reported, so that a step reads exactly the item,
rows and files whose version made it run, and no step reads a whole source again. A snapshot's name contains
its version and no snapshot is ever overwritten, so index and snapshot always agree.

A lost or damaged snapshot never counts as an empty source. The next observation writes it again.
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import SnapshotLostError
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.checked_json import DamagedStateError, encode_checked, read_checked
from eus_etl.storage.files.listing import listed
from eus_etl.storage.files.removal import remove_file

_INDEX = "versions.json"


class _Kept(NamedTuple):
    """A visit's entry in the index.

    Attributes:
        version: of its snapshot.
        size: of that, in bytes.
        note: see ``Inventory.notes``.
    """

    version: str
    size: int
    note: str | None = None


_Index = Mapping[str, _Kept]
"""Patient ids to what is kept of them."""


def inventory_mark(paths: StudyPaths, source: str) -> str:
    """``Inventory.mark``, for what is asked of each of thousands of visits."""
    return _mark_in(paths.observed(source))


class Inventory:
    """The stored observation of one source.

    Args:
        paths: the study's paths.
        source: the source's asset name, such as ``label_items``.
    """

    def __init__(self, paths: StudyPaths, source: str) -> None:
        self._folder = paths.observed(source)
        self._read(_stored_index(self._folder, self.mark()))

    @property
    def versions(self) -> Mapping[str, str]:
        """Patient ids to the version of what the source has about them."""
        return {patient_id: kept.version for patient_id, kept in self._index.items()}

    @property
    def notes(self) -> Mapping[str, str | None]:
        """Patient ids to what was noted of them, for all at once; None where only the snapshot says it."""
        return {patient_id: kept.note for patient_id, kept in self._index.items()}

    @property
    def is_whole(self) -> bool:
        """Whether index and snapshots are all there; compares sizes, and reads none of the snapshots."""
        present = _sizes(self._folder)
        return self._has_index and all(
            present.get(_name(patient_id, kept.version)) == kept.size
            for patient_id, kept in self._index.items()
        )

    def mark(self) -> str:
        """Changes whenever the observation is replaced; reads no file."""
        return _mark_in(self._folder)

    def load(self, patient_id: str) -> dict[str, object] | None:
        """What the source has about one visit; None if it has nothing.

        Raises:
            SnapshotLostError: its snapshot is missing or damaged; a damaged one is removed.
        """
        if patient_id not in self._index:
            return None
        snapshot = self._snapshot(patient_id, self._index[patient_id].version)
        try:
            loaded = read_checked(snapshot)
        except (FileNotFoundError, DamagedStateError):
            remove_file(snapshot)
            raise self._lost(patient_id) from None
        assert isinstance(loaded, dict)  # noqa: S101 - written by store() only
        return loaded

    def require(self, patient_id: str) -> None:
        """Check that the snapshot of a visit exists about which the source is known to have had something.

        Raises:
            SnapshotLostError: it is missing or damaged, so that what the source has is unknown.
        """
        if self.load(patient_id) is None and not self._has_index:
            raise self._lost(patient_id)

    def store(
        self,
        observed: Mapping[str, Mapping[str, object]],
        versions: Mapping[str, str],
        notes: Mapping[str, str] | None = None,
    ) -> None:
        """Replace the observation: snapshots first, then the index that makes them count."""
        before, present = self._index, _sizes(self._folder)
        index: dict[str, _Kept] = {}
        for patient_id, version in versions.items():
            was = before.get(patient_id)
            size = was.size if was and was.version == version else None
            if size is None or present.get(_name(patient_id, version)) != size:
                data = encode_checked(observed[patient_id])
                write_atomically(self._snapshot(patient_id, version), data)
                size = len(data)
            index[patient_id] = _Kept(version, size, notes.get(patient_id) if notes else None)
        if index != before or not self._has_index:
            write_atomically(self._folder / _INDEX, encode_checked(index))
        for patient_id, was in before.items():
            if versions.get(patient_id) != was.version:
                remove_file(self._snapshot(patient_id, was.version))
        self._read(index)

    def drop(self, patient_id: str) -> None:
        """Remove what is stored of one visit."""
        if patient_id in self._index:
            index = {visit: entry for visit, entry in self._index.items() if visit != patient_id}
            write_atomically(self._folder / _INDEX, encode_checked(index))
            self._read(index)
        for snapshot in self._folder.glob(f"{patient_id}-*.json"):
            remove_file(snapshot)

    def _read(self, index: _Index | None) -> None:
        """Use this index as the stored one; None if that is missing or damaged."""
        self._has_index = index is not None
        self._index = _index_of_snapshots(self._folder) if index is None else index

    def _snapshot(self, patient_id: str, version: str) -> Path:
        return self._folder / _name(patient_id, version)

    def _lost(self, patient_id: str) -> SnapshotLostError:
        return SnapshotLostError(
            patient_id,
            f"what {self._folder.name} had about it when last observed is missing or damaged",
            "run again: the next observation writes it again",
        )


def _name(patient_id: str, version: str) -> str:
    """The name of a snapshot's file."""
    return f"{patient_id}-{version}.json"


@lru_cache(maxsize=32)
def _stored_index(folder: Path, mark: str) -> _Index | None:
    """The index, read again only when its mark changes: every visit's steps ask for it."""
    if not mark:
        return None
    try:
        found = read_checked(folder / _INDEX)
    except (FileNotFoundError, DamagedStateError):
        return None
    assert isinstance(found, dict)  # noqa: S101 - written by store() only
    return {patient_id: _Kept(*kept) for patient_id, kept in found.items()}


def _index_of_snapshots(folder: Path) -> _Index:
    """An index made from the snapshots themselves: the latest of each visit."""
    found: dict[str, _Kept] = {}
    for file in sorted(listed(folder, "*-*.json"), key=lambda file: file.stat().st_mtime_ns):
        patient_id, _, version = file.stem.rpartition("-")
        found[patient_id] = _Kept(version, file.stat().st_size)
    return found


def _sizes(folder: Path) -> dict[str, int]:
    """Names of the files in ``folder`` to their bytes; empty if the folder is missing."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries}
    except FileNotFoundError:
        return {}


def _mark_in(folder: Path) -> str:
    try:
        stat = os.stat(f"{folder}/{_INDEX}")  # noqa: PTH116 - a Path takes longer than the call
    except FileNotFoundError:
        return ""
    return f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}"
