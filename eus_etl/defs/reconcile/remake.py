"""Remake: an asset that someone wants made again counts as never made, with everything its step would reuse.

Nothing is deleted in advance: the step replaces what it made before.
"""

from collections.abc import Callable, Mapping, Sequence

from eus_etl.defs.assets.names import Asset
from eus_etl.defs.graph import StudyGraph
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import ConfigError
from eus_etl.steps.raw_videos.copies import memory_of
from eus_etl.storage.files.listing import listed
from eus_etl.storage.files.removal import remove_file
from eus_etl.storage.leases.work import work_lease
from eus_etl.storage.manifests import remove_manifest
from eus_etl.storage.provenance import STUDY, forget_entry


def forget(graph: StudyGraph, asset: str, patients: Sequence[str], *, chosen: bool) -> None:
    """Make an asset of these visits, or an asset of the whole study, count as never made.

    Args:
        graph: the study's graph.
        asset: its name within the study.
        patients: ids of the visits.
        chosen: whether they were named on the command line.

    Raises:
        ConfigError: the study has no such asset, or it is one of the whole study and visits were named.
    """
    of_visits = {node.name for node in graph.made(per_patient=True)}
    of_study = {node.name for node in graph.made(per_patient=False)}
    if asset not in of_visits | of_study:
        names = ", ".join([*sorted(of_visits), *sorted(of_study)])
        raise ConfigError("--remake", "the study has no such asset", f"name one of {names}")
    if asset in of_study and chosen:
        raise ConfigError("--remake", f"{asset} holds all visits", "leave out --patient")
    paths = StudyPaths(graph.study.root)
    for patient in patients if asset in of_visits else [STUDY]:
        with work_lease(paths, patient):
            if asset in _KEPT:
                _KEPT[asset](paths, patient)
            forget_entry(paths, patient, asset)


def _forget_copies(paths: StudyPaths, patient: str) -> None:
    """The files in ``raw_data`` stay, and are hashed again."""
    remove_file(memory_of(paths, patient))


def _forget_extractions(paths: StudyPaths, patient: str) -> None:
    for manifest in listed(paths.extracted_of_patient(patient), "*/*.json"):
        remove_manifest(manifest.parent)


def _forget_preprocessed(paths: StudyPaths, patient: str) -> None:
    for manifest in listed(paths.preprocessed_state, f"*/{patient}/*.json"):
        remove_file(manifest)


_KEPT: Mapping[str, Callable[[StudyPaths, str], None]] = {
    Asset.RAW_VIDEOS: _forget_copies,
    Asset.FRAMES: _forget_extractions,
    Asset.PREPROCESSED_FRAMES: _forget_preprocessed,
}
"""What a step would reuse, besides its provenance."""
