"""What the last observation of each source found, a file a patient, with a version each.

An observation is written here before its versions are reported, so that a step reads exactly the item,
rows and files whose version made it run, and no step reads a whole source again. A snapshot bears its version
in its name: none is ever written over, so the index never speaks of another content than the snapshot has.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from eus_etl.domain.paths import StudyPaths
from eus_etl.storage.atomic import write_atomically


class Inventory:
    """The stored observation of one source.

    Args:
        paths: the study's paths.
        source: the source's asset name, ``label_items`` for one.
    """

    def __init__(self, paths: StudyPaths, source: str) -> None:
        self._folder = paths.inventory / source
        self._versions = _index_at(self._folder / "versions.json", self.mark())

    @property
    def versions(self) -> Mapping[str, str]:
        """Patient ids to the version of what the source holds of them."""
        return self._versions

    def mark(self) -> str:
        """Changes whenever the observation is replaced by another; costs no reading."""
        index = self._folder / "versions.json"
        if not index.is_file():
            return ""
        stat = index.stat()
        return f"{stat.st_ino}-{stat.st_mtime_ns}-{stat.st_size}"

    def load(self, patient_id: str) -> dict[str, object] | None:
        """What the source holds of one patient, None for nothing."""
        if patient_id not in self._versions:
            return None
        loaded = json.loads(self._snapshot(patient_id, self._versions[patient_id]).read_bytes())
        assert isinstance(loaded, dict)  # noqa: S101 - written by store() only
        return loaded

    def store(self, observed: Mapping[str, Mapping[str, object]], versions: Mapping[str, str]) -> None:
        """Replace the observation: snapshots first, then the index that makes them count."""
        before = self._versions.items()
        for patient_id, version in versions.items() - before:
            write_atomically(self._snapshot(patient_id, version), _encode(observed[patient_id]))
        write_atomically(self._folder / "versions.json", _encode(dict(sorted(versions.items()))))
        for patient_id, version in before - versions.items():
            self._snapshot(patient_id, version).unlink(missing_ok=True)
        self._versions = dict(versions)

    def _snapshot(self, patient_id: str, version: str) -> Path:
        return self._folder / f"{patient_id}-{version}.json"


@lru_cache(maxsize=32)
def _index_at(path: Path, mark: str) -> Mapping[str, str]:
    """The index, read once as long as its mark stands: every visit's step asks for it."""
    if not mark:
        return {}
    found: dict[str, str] = json.loads(path.read_bytes())
    return found


def _encode(value: Mapping[str, object]) -> bytes:
    # ASCII escapes also carry names that are no valid UTF-8
    return json.dumps(value, sort_keys=True).encode()
