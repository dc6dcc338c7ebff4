"""What the last observation of each source found, a file a patient, with a version each.

An observation is written here before its versions are reported, so that a step reads exactly the item,
rows and files whose version made it run, and no step reads a whole source again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from eus_etl.domain.paths import StudyPaths
from eus_etl.storage.atomic import write_atomically


@dataclass(frozen=True, slots=True)
class Inventory:
    """The stored observation of one source.

    Args:
        paths: the study's paths.
        source: the source's asset name, ``label_items`` for one.
    """

    paths: StudyPaths
    source: str
    _index: dict[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        index = self.paths.inventory / self.source / "index.json"
        found = json.loads(index.read_bytes()) if index.is_file() else {}
        object.__setattr__(self, "_index", found)

    @property
    def versions(self) -> Mapping[str, str]:
        """Patient ids to the version of what the source holds of them."""
        return self._index

    def mark(self) -> str:
        """Changes whenever the observation is replaced by another; costs no reading."""
        index = self.paths.inventory / self.source / "index.json"
        if not index.is_file():
            return ""
        stat = index.stat()
        return f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}"

    def load(self, patient_id: str) -> dict[str, object] | None:
        """What the source holds of one patient, None for nothing."""
        if patient_id not in self._index:
            return None
        loaded = json.loads(self._snapshot(patient_id).read_bytes())
        assert isinstance(loaded, dict)  # noqa: S101 - written by store() only
        return loaded

    def store(self, observed: Mapping[str, Mapping[str, object]], versions: Mapping[str, str]) -> None:
        """Replace the observation: snapshots first, then the index that makes them count."""
        for patient_id, version in versions.items():
            if self._index.get(patient_id) != version:
                write_atomically(self._snapshot(patient_id), _encode(observed[patient_id]))
        index = self.paths.inventory / self.source / "index.json"
        write_atomically(index, _encode(dict(sorted(versions.items()))))
        for gone in self._index.keys() - versions.keys():
            self._snapshot(gone).unlink(missing_ok=True)
        self._index.clear()
        self._index.update(versions)

    def _snapshot(self, patient_id: str) -> Path:
        return self.paths.inventory / self.source / f"{patient_id}.json"


def _encode(value: Mapping[str, object]) -> bytes:
    # ASCII escapes also carry names that are no valid UTF-8
    return json.dumps(value, sort_keys=True).encode()
