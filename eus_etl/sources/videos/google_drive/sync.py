"""Keeps the mirror equal to the drive: through the change feed, or else by listing everything.

A listing that runs out of time keeps what it found and goes on at the next observation. Nothing counts until
all folders are listed, so half a listing is never taken for a whole one.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import astuple, replace

from eus_etl.errors import SourceAccessError, SourceUnavailableError
from eus_etl.sources.videos.base import LeavesOut, Missed, leaves_nothing_out
from eus_etl.sources.videos.google_drive.api import (
    ChangePage,
    DriveMetadata,
    FolderGoneError,
    TokenRejectedError,
)
from eus_etl.sources.videos.google_drive.cache import Head, Mirror
from eus_etl.sources.videos.google_drive.tree import Contents, Entry, Tree, unreachable


class DriveInventory:
    """What lies below one folder of Drive.

    Args:
        folder_id: the study's folder.
        mirror: where it is kept between observations.
        metadata: makes the requests to Drive, given the ``time.monotonic()`` at which to stop.
        limit_s: ``refresh`` takes no longer than this; None for no limit.
        folder_key: the folder's resource key, if it has one.
        leaves_out: which uploads never reach the mirror.
    """

    def __init__(
        self,
        folder_id: str,
        mirror: Mirror,
        metadata: Callable[[float | None], DriveMetadata],
        limit_s: float | None,
        folder_key: str | None = None,
        leaves_out: LeavesOut = leaves_nothing_out,
    ) -> None:
        self._folder_id = folder_id
        self._mirror = mirror
        self._metadata = metadata
        self._limit_s = limit_s
        self._folder_key = folder_key
        self._leaves_out = leaves_out

    def refresh(self) -> str:
        """Bring the mirror up to date; returns its revision.

        Takes one request where nothing has happened, whatever the size of the drive.

        Raises:
            SourceUnavailableError: Drive does not answer, or the time is up; the next call goes on from here.
            SourceAccessError: the study's folder is gone or not shared; the mirror stays as it was.
        """
        until = None if self._limit_s is None else time.monotonic() + self._limit_s
        metadata = self._metadata(until)
        head = self._mirror.head()
        if head is None or head.folder_id != self._folder_id:
            return self._list_everything(metadata, until)
        try:
            page = metadata.changes(head.token, head.drive_id, self._folder_id)
            if head.revision and page.is_last and not (page.changed or page.removed or page.drive_removed):
                if page.token != head.token:
                    self._mirror.move_to(replace(head, token=page.token))
                return head.revision
            tree = self._tree(self._mirror.entries())
            return self._follow(head, page, tree, metadata, until)
        except TokenRejectedError:
            return self._list_everything(metadata, until)

    def contents(self) -> Contents:
        """What the mirror held after the last ``refresh``; makes no request."""
        tree = self._tree(self._mirror.entries())
        return tree.contents(tree.walk())

    def relist(self) -> Missed:
        """List everything again, without a time limit; returns what the change feed had missed.

        Raises:
            SourceUnavailableError, SourceAccessError: as ``refresh``; the mirror is as the feed left it.
        """
        self.refresh()
        metadata = self._metadata(None)
        head, tree = self._begin(metadata)
        self._list_folders(tree, metadata, None)
        # both sides see what happened during the listing, so that it does not count as missed
        self.refresh()
        by_feed = self.contents()
        try:
            page = metadata.changes(head.token, head.drive_id, self._folder_id)
            self._follow(head, page, tree, metadata, None)
        except TokenRejectedError:
            raise SourceUnavailableError(
                self._folder_id, "Drive rejected a page token that it had just issued", "try again later"
            ) from None
        return _difference(by_feed, self.contents())

    def _tree(self, entries: Iterable[Entry]) -> Tree:
        return Tree(self._folder_id, entries, self._leaves_out)

    def _save(self, head: Head, tree: Tree) -> None:
        tree.drop_left_out()
        self._mirror.save(head, tree.entries.values())

    def _list_everything(self, metadata: DriveMetadata, until: float | None) -> str:
        head, tree = self._begin(metadata)
        return self._finish(head, tree, metadata, until)

    def _begin(self, metadata: DriveMetadata) -> tuple[Head, Tree]:
        root = metadata.file(self._folder_id, self._folder_key)
        if root is None or not root.is_folder or root.trashed:
            cause = (
                "the account sees no such folder in Drive"
                if root is None
                else "the study's folder is in the trash"
                if root.trashed
                else "this id is not a folder's"
            )
            raise SourceAccessError(
                self._folder_id, cause, "share the folder with the service account, or correct its id"
            )
        # taken first: whatever happens during the listing is in the feed too
        token, drive_id = metadata.start_token(root.drive_id, self._folder_id)
        return Head(self._folder_id, drive_id, token, None), self._tree([root])

    def _follow(
        self, head: Head, page: ChangePage, tree: Tree, metadata: DriveMetadata, until: float | None
    ) -> str:
        """Apply the feed from ``page`` to its end."""
        while True:
            ids = {*page.removed, *(entry.entry_id for entry in page.changed)}
            if page.drive_removed or self._folder_id in ids:
                # shared again, moved or trashed: what is below it may differ from what the feed says
                return self._list_everything(metadata, until)
            for entry in page.changed:
                tree.put(entry)
            for entry_id in page.removed:
                tree.drop(entry_id)
            head = replace(head, token=page.token, revision=None)
            if page.is_last:
                return self._finish(head, tree, metadata, until)
            try:
                page = metadata.changes(head.token, head.drive_id, self._folder_id)
            except SourceUnavailableError:
                self._save(head, tree)
                raise

    def _finish(self, head: Head, tree: Tree, metadata: DriveMetadata, until: float | None) -> str:
        """List what is not listed yet and save it; returns the new revision."""
        try:
            self._list_folders(tree, metadata, until)
        except SourceUnavailableError:
            self._save(head, tree)
            raise
        walk = tree.walk()
        tree.keep_only(walk)
        revision = _revision(tree.contents(walk))
        self._save(replace(head, revision=revision), tree)
        return revision

    def _list_folders(self, tree: Tree, metadata: DriveMetadata, until: float | None) -> None:
        """Ask for the children of folders and the targets of shortcuts until all are known."""
        while True:
            walk = tree.walk()
            if not walk.unlisted and not walk.unknown:
                return
            for target_id, key in walk.unknown.items():
                tree.put(metadata.file(target_id, key) or unreachable(target_id))
            try:
                for folders, children in metadata.children(walk.unlisted):
                    for entry in children:
                        tree.put(entry)
                    for folder in folders:
                        tree.mark_listed(folder.entry_id)
                    if until is not None and time.monotonic() > until:
                        raise SourceUnavailableError(
                            self._folder_id,
                            f"listing it goes on at the next observation; {len(tree.entries)} entries so far",
                        )
            except FolderGoneError as gone:
                if gone.folder_id == self._folder_id:
                    raise SourceAccessError(
                        self._folder_id,
                        "the study's folder disappeared while it was being listed",
                        "share the folder with the service account again",
                    ) from None
                tree.put(unreachable(gone.folder_id))


def _revision(contents: Contents) -> str:
    text = json.dumps(astuple(contents), separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _difference(by_feed: Contents, by_listing: Contents) -> Missed:
    said = {file.source_id: file for file in by_feed.files}
    found = {file.source_id: file for file in by_listing.files}
    return Missed(
        appeared=tuple(sorted(found.keys() - said.keys())),
        vanished=tuple(sorted(said.keys() - found.keys())),
        changed=tuple(sorted(key for key in said.keys() & found.keys() if said[key] != found[key])),
    )
