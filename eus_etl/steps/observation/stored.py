"""What an observation of a source found, and how it is stored: never what a forgotten visit had."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from eus_etl.domain.paths import StudyPaths, is_safe_id
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.errors import EusEtlError
from eus_etl.steps.result import version_of
from eus_etl.storage.leases.work import work_lease
from eus_etl.storage.source_snapshots import Inventory
from eus_etl.storage.tables.parts import NOBODY, write_rejected
from eus_etl.storage.tombstones import SOURCES_LOCK, forgotten_names


@dataclass(frozen=True, slots=True)
class Observation:
    """What one source held.

    Attributes:
        source: the source's asset name.
        versions: patient ids to versions of what the source holds of them.
        rejected: how many files, items or rows are unassigned or cannot be used.
        waits: reasons to how many files wait, to be taken later.
        ready_in_s: when those are taken that were copied a moment ago; None where there are none.
    """

    source: str
    versions: Mapping[str, str]
    rejected: int
    waits: Mapping[str, int] = field(default_factory=dict)
    ready_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A source that could not be observed.

    Attributes:
        source: the source's asset name.
        error: why.
        attempt: what was tried with it.
    """

    source: str
    error: EusEtlError
    attempt: str = "observed"


def store_observation(
    paths: StudyPaths,
    source: str,
    observed: Mapping[str, Mapping[str, object]],
    rejected: Iterable[Rejection],
    notes: Mapping[str, str] | None = None,
) -> Observation:
    """Replace what the last observation of a source stored.

    Args:
        paths: the study's paths.
        source: the source's asset name.
        observed: patient ids to what the source holds of them.
        rejected: what cannot be used, or is unassigned.
        notes: patient ids to a short text that is asked for of all visits at once.
    """
    # a visit may have been forgotten while its source was being read
    with work_lease(paths, SOURCES_LOCK):
        forgotten = forgotten_names(paths)
        versions = {
            patient_id: version_of(found)
            for patient_id, found in observed.items()
            if is_safe_id(patient_id) and not forgotten.has_key(patient_id)
        }
        told_of = [
            rejection
            for rejection in rejected
            if not (rejection.patient_id and forgotten.has_key(rejection.patient_id))
        ]
        recorded = write_rejected(paths, source, NOBODY, told_of)
        Inventory(paths, source).store(observed, versions, notes)
    return Observation(source, versions, recorded.height)
