"""The observed sources as external assets, and how a change in one is reported."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

import dagster as dg

from eus_etl.defs.keys import DATA_VERSION_TAG, SOURCES_GROUP, STUDY_TAG, asset_key, patients_of
from eus_etl.defs.reconcile.staleness import StudyState
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.known_screens import KNOWN_SCREENS, known_screens_version
from eus_etl.steps.observation.snapshot import (
    DRIVE_VIDEOS,
    LABEL_ITEMS,
    PATIENT_ROWS,
    REGION_ROWS,
    SYNC_ROWS,
    UNASSIGNED,
    alias_of,
    unassigned_version,
)
from eus_etl.steps.observation.stored import Observation
from eus_etl.storage.tombstones import forgotten_names

_DESCRIPTIONS: Mapping[str, str] = {
    DRIVE_VIDEOS: "The visit's videos in the source; one listing gives a version for each visit.",
    LABEL_ITEMS: "The visit's label item as the labelling app wrote it, without free text.",
    PATIENT_ROWS: "The visit's rows of the sheet of patients.",
    SYNC_ROWS: "Corrections of time, written by hand: the visit's rows of sync.csv.",
    REGION_ROWS: "Regions written by hand: the visit's rows of regions.csv.",
}
ABSENT = "absent"
"""Version of a visit that a source once had and no longer has."""


_OF_THE_STUDY: Mapping[str, str] = {
    KNOWN_SCREENS: "Regions written by hand for a screen, in any visit: rows of regions.csv without one.",
    UNASSIGNED: "Files, items and rows that fit no visit, or several; listed in rejected.csv.",
}


_SEEN_EVERY = timedelta(days=1)
"""By the nightly pass, which reports each source that it has seen whole."""


def observed_specs(study: StudyConfig) -> list[dg.AssetSpec]:
    """The external assets of a study: the sources that are observed per visit, and those observed once."""
    grace = timedelta(hours=1, seconds=study.sources.poll_s)
    return [
        dg.AssetSpec(
            asset_key(study.study, source),
            description=description,
            group_name=SOURCES_GROUP,
            owners=study.owners,
            tags={STUDY_TAG: study.study},
            kinds={"source"},
            partitions_def=patients_of(study.study) if source in _DESCRIPTIONS else None,
            freshness_policy=dg.FreshnessPolicy.time_window(
                warn_window=_SEEN_EVERY + grace, fail_window=2 * _SEEN_EVERY + grace
            )
            if source in _DESCRIPTIONS
            else None,
        )
        for source, description in {**_DESCRIPTIONS, **_OF_THE_STUDY}.items()
    ]


def changed_versions(state: StudyState, study: str, observation: Observation) -> dict[str, str]:
    """Visits whose version differs from the one last reported, with the new one."""
    key = asset_key(study, observation.source)
    reported = {str(patient): version for patient, version in state.versions(key).items()}
    changed = {
        patient: version
        for patient, version in observation.versions.items()
        if reported.get(patient) != version
    }
    forgotten = forgotten_names(state.paths)
    for patient in reported.keys() - observation.versions.keys():
        if reported[patient] != ABSENT and not forgotten.has_key(patient):
            changed[patient] = ABSENT
    return changed


def events(study: StudyConfig, source: str, versions: Mapping[str, str]) -> Iterator[dg.AssetMaterialization]:
    """One event per visit with the new version of what ``source`` has about it."""
    paths = StudyPaths(study.root)
    for patient, version in versions.items():
        alias = alias_of(paths, patient)
        yield dg.AssetMaterialization(
            asset_key(study.study, source),
            partition=patient,
            metadata={"alias": alias} if alias else {},
            tags={DATA_VERSION_TAG: version},
        )


def seen_whole(study: StudyConfig, observation: Observation) -> dg.AssetMaterialization:
    """The event that a source was seen whole, changed or not: by it the page tells whether it is fresh."""
    return dg.AssetMaterialization(
        asset_key(study.study, observation.source),
        metadata={"visits": len(observation.versions), "rejected": observation.rejected},
    )


def study_events(state: StudyState, study: StudyConfig) -> list[dg.AssetMaterialization]:
    """The events of sources that are observed once for the study and have changed."""
    paths = StudyPaths(study.root)
    seen = {
        KNOWN_SCREENS: known_screens_version(paths),
        UNASSIGNED: unassigned_version(paths),
    }
    return [
        dg.AssetMaterialization(asset_key(study.study, source), tags={DATA_VERSION_TAG: version})
        for source, version in seen.items()
        if version is not None and state.version(asset_key(study.study, source), None) != version
    ]
