"""A drive in memory: folders, files, shortcuts, trash, sharing, and the log of what happened to them.

How it is asked over HTTP belongs to ``drive_server``.
"""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

FOLDER = "application/vnd.google-apps.folder"
SHORTCUT = "application/vnd.google-apps.shortcut"
DOCUMENT = "application/vnd.google-apps.document"
VIDEO = "video/mp4"


@dataclass(slots=True)
class Item:
    item_id: str
    name: str
    mime_type: str
    parent: str | None
    drive_id: str | None
    content: bytes = b""
    revision: int = 0
    trashed: bool = False
    shared: bool = True
    key: str | None = None
    can_download: bool = True
    uploading: bool = False
    refusal: str | None = None
    target: str | None = None
    with_sha256: bool = True
    md5: str = ""
    sha256: str = ""

    def take(self, content: bytes) -> None:
        self.content = content
        self.md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.revision += 1


@dataclass(slots=True)
class Drive:
    """What an account may see of a drive. Ids start with a letter that says what they are of.

    Of a closed drive the account is no member: it sees what is shared with it, and the drive as such is not.
    """

    items: dict[str, Item] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    oldest_change: int = 0
    closed_drives: set[str] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def folder(self, name: str, parent: str | None = None, drive_id: str | None = None) -> str:
        return self._add(Item(self._new_id("folder"), name, FOLDER, parent, self._drive_of(parent, drive_id)))

    def upload(self, name: str, parent: str, content: bytes, mime_type: str = VIDEO) -> str:
        item = Item(self._new_id("file"), name, mime_type, parent, self._drive_of(parent, None))
        item.take(content)
        return self._add(item)

    def shortcut(self, name: str, parent: str, target: str) -> str:
        item = Item(self._new_id("shortcut"), name, SHORTCUT, parent, self._drive_of(parent, None))
        item.target = target
        return self._add(item)

    def replace(self, item_id: str, content: bytes) -> None:
        with self.lock:
            self.items[item_id].take(content)
            self._happened(item_id)

    def change(self, item_id: str, **changes: object) -> None:
        """Rename, move, trash, restore, share or unshare: attributes of ``Item``."""
        with self.lock:
            for name, value in changes.items():
                setattr(self.items[item_id], name, value)
            self._happened(item_id)

    def delete(self, item_id: str) -> None:
        with self.lock:
            del self.items[item_id]
            self._happened(item_id)

    def forget_old_changes(self) -> None:
        """Page tokens given out so far are no longer accepted."""
        self._happened("nothing")
        self.oldest_change = len(self.log)

    def visible(self, item_id: str) -> Item | None:
        item = self.items.get(item_id)
        return item if item and all(above.shared for above in self._upwards(item)) else None

    def is_trashed(self, item: Item) -> bool:
        return any(above.trashed for above in self._upwards(item))

    def children(self, folders: Sequence[str]) -> list[Item]:
        with self.lock:
            held = [item for item in self.items.values() if item.parent in folders]
            return sorted(
                (item for item in held if self.visible(item.item_id)), key=lambda item: item.item_id
            )

    def resource(self, item: Item) -> dict[str, object]:
        """The item as Drive v3 describes it, with all fields that this drive knows."""
        facts: dict[str, object] = {
            "kind": "drive#file",
            "id": item.item_id,
            "name": item.name,
            "mimeType": item.mime_type,
            "trashed": self.is_trashed(item),
            "explicitlyTrashed": item.trashed,
            "capabilities": {"canDownload": item.can_download},
        }
        if item.parent and self.visible(item.parent):
            facts["parents"] = [item.parent]
        if item.drive_id:
            facts["driveId"] = item.drive_id
        if item.target:
            key = self.items[item.target].key if item.target in self.items else None
            facts["shortcutDetails"] = {"targetId": item.target} | ({"targetResourceKey": key} if key else {})
        if not item.mime_type.startswith("application/vnd.google-apps."):
            facts["size"] = str(len(item.content))
            facts["headRevisionId"] = f"revision{item.revision}"
            if not item.uploading:
                facts["md5Checksum"] = item.md5
                if item.with_sha256:
                    facts["sha256Checksum"] = item.sha256
        return facts

    def _upwards(self, item: Item) -> Iterator[Item]:
        yield item
        while item.parent in self.items:
            item = self.items[item.parent]
            yield item

    def _drive_of(self, parent: str | None, drive_id: str | None) -> str | None:
        return drive_id or (self.items[parent].drive_id if parent else None)

    def _new_id(self, kind: str) -> str:
        return f"{kind}{next(self._numbers):06d}"

    def _add(self, item: Item) -> str:
        with self.lock:
            self.items[item.item_id] = item
            self._happened(item.item_id)
        return item.item_id

    def _happened(self, item_id: str) -> None:
        with self.lock:
            self.log.append(item_id)
