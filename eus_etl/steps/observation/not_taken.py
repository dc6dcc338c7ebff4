"""What is recorded of files that are not taken, or belong to no visit."""

from collections.abc import Mapping

from eus_etl.sources.videos.base import WaitingFile


def unmatched(source_id: str, parts: tuple[str, ...], patients: int) -> dict[str, object]:
    """What is recorded of a file whose path fits no visit, or several."""
    return {
        "item": source_id,
        "file_name": "/".join(parts),
        "reason": "matches_nobody" if patients == 0 else "matches_several",
        "detail": f"its path fits {patients} visits",
        "remedy": "begin the folder's or file's name with the visit's id or alias",
    }


_WAITING_REMEDY: Mapping[str, str] = {
    "temporary_name": "nothing: it is taken once the program that writes it gives it its final name; "
    "if nothing writes it any more, remove it and upload the file again",
    "hidden_name": "nothing; if it is a video, rename it, or its folder: no name may begin with a dot",
    "link_outside": "move the file or folder itself to where the link lies",
    "special_file": "nothing: a pipe, socket or device is no upload",
    "cannot_be_read": "mend the link or the permissions, or upload the file again",
    "empty_file": "upload the file again",
    "still_being_written": "nothing: it is taken once it stops changing",
    "not_hashed_yet": "nothing: it is taken at the next observation",
    "still_uploading": "nothing: it is taken once its upload is complete",
    "trashed": "nothing, or take it out of the trash",
    "google_native_file": "upload a video file; this is a document of Google's",
    "broken_shortcut": "share the shortcut's target with the service account, or remove the shortcut",
    "listed_elsewhere": "nothing: the file is taken at its other place",
}


def not_taken(file: WaitingFile, found: frozenset[str]) -> dict[str, object]:
    """What is recorded of a file that waits or is left out.

    Args:
        file: the file.
        found: the visits that its path fits.
    """
    whose = f"of visit {next(iter(found))}" if len(found) == 1 else f"its path fits {len(found)} visits"
    return {
        "item": file.source_id,
        "file_name": "/".join(file.parts),
        "reason": file.reason,
        "detail": f"not taken; {whose}",
        "remedy": _WAITING_REMEDY[file.reason],
    }
