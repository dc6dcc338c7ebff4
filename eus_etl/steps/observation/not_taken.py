"""What is recorded of files that are not taken, or are unassigned."""

from collections.abc import Mapping

from eus_etl.domain.tables.rejection import Rejection
from eus_etl.sources.videos.base import WaitingFile

BEGIN_WITH_THE_VISIT = "begin the folder's or file's name with the visit's id or alias"


def unmatched(source_id: str, parts: tuple[str, ...], patients: int) -> Rejection:
    """What is recorded of a file whose path matches no visit, or several."""
    return Rejection(
        item=source_id,
        file_name="/".join(parts),
        reason="matches_nobody" if patients == 0 else "matches_several",
        detail=_matches(patients),
        remedy=BEGIN_WITH_THE_VISIT,
    )


WHY: Mapping[str, str] = {
    "temporary_name": "a program writes it under a temporary name, and it is taken once it has its final one",
    "hidden_name": "its name or its folder's is a hidden or system name",
    "link_outside": "it is a link that leads out of the study's folder",
    "special_file": "it is a pipe, socket or device",
    "cannot_be_read": "it cannot be read, or is a link that leads nowhere",
    "empty_file": "it is empty",
    "still_being_written": "it is still changing, and is taken once it no longer does",
    "not_hashed_yet": "its checksum is not computed yet; the next observation goes on",
    "still_uploading": "its upload is not complete, and it is taken once it is",
    "download_switched_off": "its owner does not let this account download it",
    "trashed": "it is in the trash",
    "google_native_file": "it is a Google document, sheet or the like, not a file",
    "broken_shortcut": "it is a shortcut to something that is gone or not shared",
    "listed_elsewhere": "it is a link or shortcut to a file that is taken at its own place",
}
"""Reasons to what is the matter with the file."""

REMEDIES: Mapping[str, str] = {
    "temporary_name": "if no program is writing it any more, remove it and upload the file again",
    "hidden_name": "if it is a video, rename it or its folder: no name may begin with a dot",
    "link_outside": "move the file or folder itself to where the link lies",
    "cannot_be_read": "repair the link or the permissions, or upload the file again",
    "empty_file": "upload the file again",
    "download_switched_off": "allow viewers to download in the sharing settings of the folder",
    "trashed": "if it was trashed by mistake, take it out of the trash",
    "google_native_file": "upload a video file",
    "broken_shortcut": "share the shortcut's target with the service account, or remove the shortcut",
}
"""Reasons to what a person can do; none where nothing needs to be done."""


TAKEN_LATER = frozenset({"still_being_written", "not_hashed_yet", "still_uploading", "temporary_name"})
"""Reasons that end by themselves once an upload is complete: it is worth waiting for."""


def waiting_said(waits: Mapping[str, int], ready_in_s: float | None) -> list[str]:
    """In words, how many files wait and why: ``3 files wait: copied a moment ago, taken in 5 s``."""
    said = []
    for reason, count in waits.items():
        why = WHY[reason]
        if reason == "still_being_written" and ready_in_s is not None:
            why = f"copied a moment ago, taken in {max(1, round(ready_in_s))} s"
        said.append(f"{count} {'file waits' if count == 1 else 'files wait'}: {why}")
    return said


def not_taken(file: WaitingFile, found: frozenset[str]) -> Rejection:
    """What is recorded of a file that waits or is left out.

    Args:
        file: the file.
        found: the visits that its path matches.
    """
    visit = next(iter(found)) if len(found) == 1 else None
    of_visit = f"it belongs to visit {visit}" if visit else _matches(len(found))
    return Rejection(
        item=file.source_id,
        file_name="/".join(file.parts),
        reason=file.reason,
        detail=f"not taken: {WHY[file.reason]}; {of_visit}",
        remedy=REMEDIES.get(file.reason),
        patient_id=visit,
    )


def alias_of_forgotten(patient_id: str) -> Rejection:
    """What is recorded of a visit that has the alias of a forgotten one."""
    return Rejection(
        item=patient_id,
        reason="alias_of_forgotten",
        detail="a forgotten visit had its alias, so that nothing is given to it by this alias",
        remedy="name its uploads and rows by its id, or give it another alias in the labelling app",
        patient_id=patient_id,
    )


def _matches(visits: int) -> str:
    """In words, how many visits a path matches, where it is not one."""
    return f"its path matches {visits} visits" if visits else "no visit matches its path"
