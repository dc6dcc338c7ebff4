"""The observed sources as external assets, and how a change in one is reported."""

from collections.abc import Iterator, Mapping

import dagster as dg

from eus_etl.defs.keys import DATA_VERSION_TAG, asset_key, patients_of
from eus_etl.defs.reconcile.staleness import StudyState
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.observe import Observation
from eus_etl.steps.observation.snapshot import (
    DRIVE_VIDEOS,
    LABEL_ITEMS,
    PATIENT_ROWS,
    REGION_ROWS,
    SYNC_ROWS,
    unassigned_version,
)

UNASSIGNED = "unassigned"

_DESCRIPTIONS: Mapping[str, str] = {
    DRIVE_VIDEOS: "The videos that the source holds of a visit; one listing gives a version a patient.",
    LABEL_ITEMS: "The label item of a visit as the labelling app wrote it, without free text.",
    PATIENT_ROWS: "The rows of the sheet that speak of a patient.",
    SYNC_ROWS: "Hand-written corrections of time: the visit's rows of sync.csv.",
    REGION_ROWS: "Hand-written regions: the rows of regions.csv for the visit, and for its screens.",
}
ABSENT = "absent"
"""Version of a patient whom a source held once and holds no more."""


def observed_specs(study: str) -> list[dg.AssetSpec]:
    """The external assets of a study: five sources a patient, and what belongs to nobody."""
    specs = [
        dg.AssetSpec(
            asset_key(study, source),
            description=description,
            group_name=study,
            kinds={"source"},
            partitions_def=patients_of(study),
        )
        for source, description in _DESCRIPTIONS.items()
    ]
    unassigned = dg.AssetSpec(
        asset_key(study, UNASSIGNED),
        description="Files, items and rows that could be given to no patient; listed in rejected.csv.",
        group_name=study,
        kinds={"source"},
    )
    return [*specs, unassigned]


def changed_versions(state: StudyState, study: str, observation: Observation) -> dict[str, str]:
    """Patients whose version differs from the one last reported, with the new one."""
    key = asset_key(study, observation.source)
    reported = {str(patient): version for patient, version in state.versions(key).items()}
    changed = {
        patient: version
        for patient, version in observation.versions.items()
        if reported.get(patient) != version
    }
    for patient in reported.keys() - observation.versions.keys():
        if reported[patient] != ABSENT:
            changed[patient] = ABSENT
    return changed


def events(study: str, source: str, versions: Mapping[str, str]) -> Iterator[dg.AssetMaterialization]:
    """One event a patient that carries the new version of what ``source`` holds of him or her."""
    for patient, version in versions.items():
        yield dg.AssetMaterialization(
            asset_key(study, source), partition=patient, tags={DATA_VERSION_TAG: version}
        )


def unassigned_event(state: StudyState, study: StudyConfig) -> dg.AssetMaterialization | None:
    """The event that what belongs to nobody has changed; None where it has not."""
    key = asset_key(study.study, UNASSIGNED)
    version = unassigned_version(StudyPaths(study.root))
    if state.version(key, None) == version:
        return None
    return dg.AssetMaterialization(key, tags={DATA_VERSION_TAG: version})
