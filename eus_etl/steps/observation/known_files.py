"""Which files each visit had at the last observation, even if its snapshot is lost, and which it keeps."""

from collections.abc import Mapping, Sequence

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import SnapshotLostError
from eus_etl.sources.videos.base import Listing
from eus_etl.sources.videos.upload_names import why_not_taken
from eus_etl.steps.observation.losses import is_below
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


def kept_files(
    before: Mapping[str, Sequence[ObservedFile]], listing: Listing
) -> dict[str, list[ObservedFile]]:
    """Of each visit's known files, those that are no longer listed but are kept all the same.

    A file that waits stays as it was, and so does everything below a folder that waits. One whose content is
    listed elsewhere has moved, and one whose place holds other content was replaced: these are dropped. So is
    one that the source still holds under a name that no finished upload has. One that is nowhere is marked as
    gone; its copy stays.
    """
    places = {file.source_id for file in listing.files}
    contents = {file.md5 for file in listing.files}
    waiting = {file.source_id for file in listing.waiting}
    folders = {file.parts for file in listing.waiting}
    left = waiting | {file.source_id for file in listing.left_out}
    kept: dict[str, list[ObservedFile]] = {patient: [] for patient in before}
    for patient, known in before.items():
        for file in known:
            if file.source_id in places or file.md5 in contents:
                continue
            if file.source_id in left and why_not_taken(file.parts):
                continue
            waits = file.source_id in waiting or is_below(file, folders)
            kept[patient].append(file if waits else file.model_copy(update={"gone": True}))
    return kept
