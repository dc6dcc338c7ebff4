"""Requests for Drive v3's metadata: which parameters, which fields, how answers are read.

``connection`` authorizes requests; ``retry`` paces and repeats them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from googleapiclient.http import HttpRequest

from eus_etl.sources.videos.google_drive.connection import DriveConnection
from eus_etl.sources.videos.google_drive.retry import Pacer, PassingFailure, Refused
from eus_etl.sources.videos.google_drive.tree import Entry

PAGE = 1000
"""Drive's largest page."""

FOLDERS_A_QUERY = 50
"""Folders listed by one query; rclone asks for as many."""

_FILE = (
    "id,name,mimeType,parents,driveId,trashed,size,md5Checksum,sha256Checksum,headRevisionId,"
    "resourceKey,shortcutDetails(targetId,targetResourceKey),capabilities(canDownload)"
)
_FILES = f"nextPageToken,incompleteSearch,files({_FILE})"
_CHANGES = f"nextPageToken,newStartPageToken,changes(changeType,fileId,removed,file({_FILE}))"


class TokenRejectedError(Exception):
    """Drive rejects the change feed's page token."""


class FolderGoneError(Exception):
    """A folder is no longer there, or no longer shared.

    Args:
        folder_id: Drive's id.
    """

    def __init__(self, folder_id: str) -> None:
        super().__init__(folder_id)
        self.folder_id = folder_id


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A page of the change feed.

    Attributes:
        changed: current states of files, folders and shortcuts.
        removed: ids of what is deleted or no longer shared.
        drive_removed: the account is no longer a member of the shared drive.
        token: where the feed continues.
        is_last: nothing more has happened.
    """

    changed: tuple[Entry, ...]
    removed: tuple[str, ...]
    drive_removed: bool
    token: str
    is_last: bool


class DriveMetadata:
    """Requests for metadata, each tried until it is answered, refused or out of time.

    Args:
        connection: makes them.
        pacer: the pace that all requests share.
        until: ``time.monotonic()`` after which no failure is waited for; None for no limit.
    """

    def __init__(self, connection: DriveConnection, pacer: Pacer, until: float | None = None) -> None:
        self._connection = connection
        self._pacer = pacer
        self._until = until
        self._not_member_of: set[str] = set()

    def file(self, file_id: str, key: str | None = None) -> Entry | None:
        """The current state of a file, folder or shortcut; None where the account cannot see it.

        Args:
            file_id: Drive's id.
            key: its resource key, if it has one.
        """
        request = self._connection.api.files().get(fileId=file_id, fields=_FILE, supportsAllDrives=True)
        request.headers.update(key_header({file_id: key}))
        try:
            found = _entry(self._ask(request, file_id))
            return replace(found, resource_key=found.resource_key or key)
        except Refused as refused:
            if refused.status == 404 or (refused.status == 403 and refused.reason in _NO_ACCESS):
                return None
            raise refused.error(file_id) from None

    def start_token(self, drive_id: str | None, subject: str) -> tuple[str, str | None]:
        """The change feed's current end, and whose feed it is: the shared drive's, or (None) the account's.

        A shared drive shows its own feed to members alone.
        """
        request = self._connection.api.changes().getStartPageToken(driveId=drive_id, supportsAllDrives=True)
        try:
            token: str = self._ask(request, subject)["startPageToken"]
            return token, drive_id
        except Refused as refused:
            if drive_id and _is_for_members(refused):
                return self.start_token(None, subject)
            raise refused.error(subject) from None

    def changes(self, token: str, drive_id: str | None, subject: str) -> ChangePage:
        """A page of what happened since ``token``.

        Raises:
            TokenRejectedError: the feed cannot be read from there; list everything again.
        """
        request = self._connection.api.changes().list(
            pageToken=token,
            driveId=drive_id,
            pageSize=PAGE,
            includeRemoved=True,
            includeItemsFromAllDrives=True,
            supportsAllDrives=True,
            fields=_CHANGES,
        )
        try:
            answer = self._ask(request, subject)
        except Refused as refused:
            if refused.status in (400, 404, 410) or (drive_id and _is_for_members(refused)):
                raise TokenRejectedError from None
            raise refused.error(subject) from None
        changes = answer.get("changes", [])
        files = [change for change in changes if change.get("changeType", "file") == "file"]
        return ChangePage(
            changed=tuple(_entry(change["file"]) for change in files if "file" in change),
            removed=tuple(change["fileId"] for change in files if "file" not in change),
            drive_removed=any(
                change.get("changeType") == "drive" and change.get("removed") for change in changes
            ),
            token=answer.get("nextPageToken") or answer["newStartPageToken"],
            is_last="nextPageToken" not in answer,
        )

    def children(self, folders: Iterable[Entry]) -> Iterator[tuple[Sequence[Entry], Sequence[Entry]]]:
        """List folders, many by one query.

        Drive may silently leave out all children of some of a query's folders (rclone issues 3114 and 9810),
        so a folder without children is asked for again by itself.

        Yields:
            Folders that are now listed, and all of their children.

        Raises:
            FolderGoneError: a folder has disappeared.
            SourceUnavailableError: Drive does not answer, or did not search everything.
        """
        by_drive = sorted(folders, key=lambda folder: (folder.drive_id or "", folder.entry_id))
        for drive_id, of_drive in groupby(by_drive, key=lambda folder: folder.drive_id):
            together = list(of_drive)
            for first in range(0, len(together), FOLDERS_A_QUERY):
                group = together[first : first + FOLDERS_A_QUERY]
                found = self._children(group, drive_id) if len(group) > 1 else []
                parents = {entry.parent for entry in found}
                if found:
                    yield [folder for folder in group if folder.entry_id in parents], found
                for folder in group:
                    if folder.entry_id not in parents:
                        yield [folder], self._children([folder], drive_id)

    def _children(self, folders: Sequence[Entry], drive_id: str | None) -> list[Entry]:
        if drive_id in self._not_member_of:
            drive_id = None
        try:
            return self._children_in(folders, drive_id)
        except FolderGoneError:
            if drive_id is None:
                raise
            # a folder of a shared drive may be shared with somebody who is no member of the drive, to whom
            # the drive as such does not exist
            found = self._children_in(folders, None)
            self._not_member_of.add(drive_id)
            return found

    def _children_in(self, folders: Sequence[Entry], drive_id: str | None) -> list[Entry]:
        """The children of folders, looked for in a shared drive, or (None) in all that the account sees."""
        subject = folders[0].entry_id
        scope = {"corpora": "drive", "driveId": drive_id} if drive_id else {}
        keys = {folder.entry_id: folder.resource_key for folder in folders}
        query = " or ".join(f"'{folder.entry_id}' in parents" for folder in folders)
        found: dict[str, Entry] = {}  # an entry that is on two pages counts once
        page: str | None = None
        while True:
            request = self._connection.api.files().list(
                q=query,
                pageSize=PAGE,
                pageToken=page,
                includeItemsFromAllDrives=True,
                supportsAllDrives=True,
                fields=_FILES,
                **scope,
            )
            request.headers.update(key_header(keys))
            try:
                answer = self._ask(request, subject)
            except Refused as refused:
                if refused.status != 404 and not (drive_id and _is_for_members(refused)):
                    raise refused.error(subject) from None
                if len(folders) > 1:
                    return []  # one of them is gone: the caller asks for each by itself
                raise FolderGoneError(subject) from None
            found |= {entry.entry_id: entry for entry in map(_entry, answer.get("files", []))}
            page = answer.get("nextPageToken")
            if page is None:
                return list(found.values())

    def _ask(self, request: HttpRequest, subject: str) -> dict[str, Any]:
        tries = self._pacer.tries(subject, self._until)
        while True:
            tries.wait_for_turn()
            try:
                answer = self._connection.metadata(request)
                if answer.get("incompleteSearch"):
                    raise PassingFailure("Drive did not search everything")
                return answer
            except PassingFailure as failure:
                tries.failed(failure)


def key_header(keys: Mapping[str, str | None]) -> dict[str, str]:
    """The header that shows Drive the resource keys of files; empty where there are none.

    Args:
        keys: ids to their keys, None for those that have none.
    """
    shown = ",".join(f"{file_id}/{key}" for file_id, key in keys.items() if key)
    return {"X-Goog-Drive-Resource-Keys": shown} if shown else {}


def _is_for_members(refused: Refused) -> bool:
    """Whether a shared drive may be closed to the account: to others than members it does not exist."""
    return refused.status == 404 or refused.reason == "teamDriveMembershipRequired"


_NO_ACCESS = {"insufficientFilePermissions", "forbidden", "appNotAuthorizedToFile", ""}


def _entry(file: Mapping[str, Any]) -> Entry:
    """An entry from a file resource; characters that cannot be stored are replaced."""
    parents = file.get("parents") or [None]
    return Entry(
        entry_id=file["id"],
        name=file.get("name", "").encode("utf-8", "replace").decode("utf-8"),
        mime_type=file.get("mimeType", ""),
        parent=parents[0],
        drive_id=file.get("driveId"),
        trashed=file.get("trashed", False),
        size=int(file.get("size", 0)),
        md5=file.get("md5Checksum"),
        sha256=file.get("sha256Checksum"),
        head_revision=file.get("headRevisionId"),
        target=file.get("shortcutDetails", {}).get("targetId"),
        can_download=file.get("capabilities", {}).get("canDownload", True),
        resource_key=file.get("resourceKey"),
        target_key=file.get("shortcutDetails", {}).get("targetResourceKey"),
    )
