"""Observes all sources: a file or folder that shows the same as when it was last read is not read again."""

import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import GoogleDriveSource, Service, StudyConfig
from eus_etl.steps.observation.connect import Sources
from eus_etl.steps.observation.marks import LOOK_AGAIN_S, looked_within, read_from, source_mark
from eus_etl.steps.observation.observe import observe
from eus_etl.steps.observation.snapshot import SOURCES
from eus_etl.steps.observation.stored import Failure, Observation
from eus_etl.steps.observation.unseen import note_seen, note_unseen
from eus_etl.storage.files.checked_json import DamagedStateError, read_checked, write_checked
from eus_etl.storage.source_snapshots import Inventory
from eus_etl.storage.trouble import told


class _LastRead(BaseModel):
    """One source when it was last read.

    Attributes:
        mark: what it showed from outside before it was read.
        stored: the mark of what was stored of it: changes if a sensor has read it since, and stored another.
        rejected: how many files, items or rows were unassigned or could not be used.
        at: when, in seconds since 1970.
    """

    model_config = ConfigDict(frozen=True)

    mark: str
    stored: str
    rejected: int
    at: float


_STORED = TypeAdapter(dict[str, _LastRead])


def observe_all(
    study: StudyConfig, sources: Sources, *, in_full: bool = False
) -> tuple[list[Observation], list[Failure]]:
    """Observe every source; one that fails does not keep the others from being observed.

    Args:
        study: the configuration.
        sources: what it names.
        in_full: read also those that seem not to have changed.
    """
    seen: list[Observation] = []
    failed: list[Failure] = []
    paths = StudyPaths(study.root)
    last_read = {} if in_full else _last_read(paths)
    for source in SOURCES:
        try:
            seen.append(_observe(study, sources, source, last_read))
            note_seen(paths, source)
        except Exception as error:
            failed.append(Failure(source, told(error, source, paths)))
            note_unseen(paths, source)
    write_checked(_file(paths), _STORED.dump_python(last_read))
    return seen, failed


def _observe(
    study: StudyConfig, sources: Sources, source: str, last_read: dict[str, _LastRead]
) -> Observation:
    """What a source holds; ``last_read`` is kept up to date."""
    now, inventory = time.time(), Inventory(StudyPaths(study.root), source)
    # first: what changes while it is read is read again. A service would be asked once more for its mark
    mark = None if _is_service(study, source) else source_mark(study, sources, source)
    known = last_read.pop(source, None)
    if (
        known is not None
        and (known.mark, known.stored) == (mark, inventory.mark())
        and looked_within(LOOK_AGAIN_S, known.at, now)
    ):
        last_read[source] = known
        return Observation(source, inventory.versions, known.rejected)
    seen = observe(study, sources, source)
    if mark is not None and not seen.waits:  # what waits is told of each time
        last_read[source] = _LastRead(mark=mark, stored=inventory.mark(), rejected=seen.rejected, at=now)
    return seen


def _is_service(study: StudyConfig, source: str) -> bool:
    """Whether a source is asked over the network."""
    return any(isinstance(config, Service | GoogleDriveSource) for config in read_from(study, source))


def _last_read(paths: StudyPaths) -> dict[str, _LastRead]:
    try:
        return _STORED.validate_python(read_checked(_file(paths)))
    except (FileNotFoundError, DamagedStateError, ValidationError):
        return {}


def _file(paths: StudyPaths) -> Path:
    return paths.inventory / "last_read.json"
