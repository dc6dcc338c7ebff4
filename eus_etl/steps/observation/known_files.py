"""Which files each visit had at the last observation, even where its snapshot is lost."""

from collections.abc import Sequence

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import SnapshotLostError
from eus_etl.steps.observation.snapshot import DRIVE_VIDEOS, ObservedFile, observed_files
from eus_etl.steps.raw_videos.copies import remembered_uploads
from eus_etl.storage.files.listing import listed
from eus_etl.storage.source_snapshots import Inventory


def known_files(paths: StudyPaths) -> dict[str, Sequence[ObservedFile]]:
    """The files of each visit that ever had one.

    Where a snapshot is lost, the copies tell which uploads they were made from, including those that the
    source no longer holds.
    """
    known: dict[str, Sequence[ObservedFile]] = {}
    for patient_id in Inventory(paths, DRIVE_VIDEOS).versions:
        try:
            known[patient_id] = observed_files(paths, patient_id)
        except SnapshotLostError:
            known[patient_id] = remembered_uploads(paths, patient_id)
    for memory in listed(paths.copies, "*.json"):
        if memory.stem not in known and (files := remembered_uploads(paths, memory.stem)):
            known[memory.stem] = files
    return known
