"""What is known of a drive, and where each of its files lies below the study's folder.

Pure: ``api`` asks Drive, and ``cache`` keeps what is known.

A folder is *listed* once its children are known; from then on the change feed keeps them up to date. A walk
from the study's folder finds the folders that are still to be listed, so a folder that comes into view (moved
in, restored, shared again) is listed then, and what drops out of view is forgotten.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from eus_etl.sources.videos.base import LeavesOut, SourceFile, WaitingFile, leaves_nothing_out
from eus_etl.sources.videos.upload_names import is_clutter, why_not_taken

FOLDER = "application/vnd.google-apps.folder"
_NATIVE = "application/vnd.google-apps."
_UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder or shortcut.

    Attributes:
        entry_id: Drive's id.
        name: as uploaded; never in a log.
        mime_type: Drive's type.
        parent: id of the folder that holds it; None where the account does not see it.
        drive_id: the shared drive that it lies in; None in My Drive.
        trashed: in the trash, by itself or with its folder.
        size: bytes.
        md5: hex; None for folders, native files and unfinished uploads.
        sha256: hex; None where Drive gives none.
        head_revision: id of the current content.
        target: id of what a shortcut points to.
        listed: a folder whose children are known.
        can_download: the owner lets this account have the content.
        resource_key: what Drive asks for beside the id of some files that are shared by a link.
        target_key: the same of what a shortcut points to.
    """

    entry_id: str
    name: str
    mime_type: str
    parent: str | None = None
    drive_id: str | None = None
    trashed: bool = False
    size: int = 0
    md5: str | None = None
    sha256: str | None = None
    head_revision: str | None = None
    target: str | None = None
    listed: bool = False
    can_download: bool = True
    resource_key: str | None = None
    target_key: str | None = None

    @property
    def is_folder(self) -> bool:
        """Whether it may hold other entries."""
        return self.mime_type == FOLDER

    @property
    def is_reachable(self) -> bool:
        """False for a shortcut's target that the account cannot see."""
        return self.mime_type != _UNREACHABLE

    @property
    def is_native(self) -> bool:
        """A Google document, sheet and the like: it has no bytes to download."""
        return self.mime_type.startswith(_NATIVE)


def unreachable(entry_id: str) -> Entry:
    """An entry for a shortcut's target that the account cannot see."""
    return Entry(entry_id, "", _UNREACHABLE)


@dataclass(slots=True)
class Walk:
    """Everything below the study's folder, each entry at one place.

    Attributes:
        places: ids to folder names and name below the study's folder.
        left_out: shortcuts that lead nowhere, or to something that has a place of its own.
        unlisted: folders whose children are not known yet.
        unknown: targets of shortcuts that are not known yet, to the keys that come with the shortcuts.
        in_view: ids of everything that the walk reached.
        passed_over: ids of uploads of forgotten visits, and of their folders.
    """

    places: dict[str, tuple[str, ...]] = field(default_factory=dict)
    left_out: list[WaitingFile] = field(default_factory=list)
    unlisted: list[Entry] = field(default_factory=list)
    unknown: dict[str, str | None] = field(default_factory=dict)
    in_view: set[str] = field(default_factory=set)
    passed_over: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a walk found, sorted by path."""

    files: tuple[SourceFile, ...]
    waiting: tuple[WaitingFile, ...]
    left_out: tuple[WaitingFile, ...]


class Tree:
    """The known part of a drive.

    Args:
        root_id: the study's folder.
        entries: what is known, including the study's folder.
        leaves_out: which of it is passed over, with everything below.
    """

    def __init__(
        self, root_id: str, entries: Iterable[Entry], leaves_out: LeavesOut = leaves_nothing_out
    ) -> None:
        self._root_id = root_id
        self._leaves_out = leaves_out
        self.entries = {entry.entry_id: entry for entry in entries}

    def put(self, entry: Entry) -> None:
        """Note an entry's current state; a folder in the trash counts as not listed."""
        before = self.entries.get(entry.entry_id)
        listed = before is not None and before.listed and entry.is_folder and not entry.trashed
        self.entries[entry.entry_id] = replace(entry, listed=listed)

    def drop(self, entry_id: str) -> None:
        """Forget an entry, if it is known."""
        self.entries.pop(entry_id, None)

    def mark_listed(self, folder_id: str) -> None:
        """Note that all children of a folder have been put."""
        self.entries[folder_id] = replace(self.entries[folder_id], listed=True)

    def keep_only(self, walk: Walk) -> None:
        """Forget what the walk did not reach."""
        self.entries = {key: entry for key, entry in self.entries.items() if key in walk.in_view}

    def drop_left_out(self) -> None:
        """Forget what is passed over."""
        for entry_id in self.walk().passed_over:
            self.drop(entry_id)

    def walk(self) -> Walk:
        """Give everything below the study's folder its place.

        An entry's own place wins over a shortcut's, and a shortcut on a shorter path over one on a longer.
        Each folder is entered once, so shortcuts may run in circles.
        """
        children: dict[str, list[Entry]] = defaultdict(list)
        for entry in sorted(self.entries.values(), key=lambda entry: (entry.name, entry.entry_id)):
            if entry.parent is not None:
                children[entry.parent].append(entry)
        walk = Walk(places={self._root_id: ()}, in_view={self._root_id})
        shortcuts = self._enter(self._root_id, children, walk)
        for shortcut in shortcuts:  # grows during the loop
            place, target_id = walk.places[shortcut.entry_id], shortcut.target or ""
            target = self.entries.get(target_id)
            walk.in_view.add(target_id)
            if target_id in walk.places:
                walk.left_out.append(WaitingFile(shortcut.entry_id, place, "listed_elsewhere"))
            elif target is None:
                walk.unknown[target_id] = shortcut.target_key
            elif not target.is_reachable or target.trashed:
                walk.left_out.append(WaitingFile(shortcut.entry_id, place, "broken_shortcut"))
            else:
                walk.places[target_id] = place
                if target.is_folder:
                    shortcuts += self._enter(target_id, children, walk)
        return walk

    def _enter(self, folder_id: str, children: dict[str, list[Entry]], walk: Walk) -> list[Entry]:
        """Place everything below a folder except the targets of shortcuts; returns these shortcuts."""
        shortcuts: list[Entry] = []
        folders = [folder_id]
        for folder in folders:  # grows during the loop
            if not self.entries[folder].listed:
                walk.unlisted.append(self.entries[folder])
            for entry in children[folder]:
                if entry.entry_id in walk.places:
                    continue
                if self._leaves_out(entry.entry_id, (*walk.places[folder], entry.name)):
                    walk.passed_over |= _below(entry.entry_id, children)
                    continue
                walk.places[entry.entry_id] = (*walk.places[folder], entry.name)
                walk.in_view.add(entry.entry_id)
                if entry.trashed:
                    continue
                if entry.is_folder:
                    folders.append(entry.entry_id)
                elif entry.target is not None:
                    shortcuts.append(entry)
        return shortcuts

    def contents(self, walk: Walk) -> Contents:
        """Sort what the walk placed into files, files that wait, and what is left out with its reason."""
        files: list[SourceFile] = []
        waiting: list[WaitingFile] = []
        left_out = list(walk.left_out)
        names: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for parts in walk.places.values():
            names[parts[:-1]].update(parts[-1:])
        for entry_id, parts in walk.places.items():
            entry = self.entries[entry_id]
            if entry.trashed:
                left_out.append(WaitingFile(entry_id, parts, "trashed"))
            elif entry.is_folder or entry.target is not None or is_clutter(entry.name):
                continue
            elif reason := why_not_taken(parts, names[parts[:-1]]):
                kept_out = WaitingFile(entry_id, parts, reason)
                (waiting if reason == "temporary_name" else left_out).append(kept_out)
            elif entry.is_native:
                left_out.append(WaitingFile(entry_id, parts, "google_native_file"))
            elif not entry.can_download:
                waiting.append(WaitingFile(entry_id, parts, "download_switched_off"))
            elif entry.md5 is None:
                waiting.append(WaitingFile(entry_id, parts, "still_uploading"))
            elif entry.size == 0:
                waiting.append(WaitingFile(entry_id, parts, "empty_file"))
            else:
                files.append(SourceFile(entry_id, parts, entry.size, entry.md5))
        return Contents(
            tuple(sorted(files, key=lambda file: (file.parts, file.source_id))),
            tuple(sorted(waiting, key=lambda file: (file.parts, file.source_id))),
            tuple(sorted(left_out, key=lambda file: (file.parts, file.source_id))),
        )


def _below(entry_id: str, children: dict[str, list[Entry]]) -> set[str]:
    """An entry and everything below it."""
    found, left = {entry_id}, [entry_id]
    while left:
        new = {child.entry_id for child in children.get(left.pop(), ())} - found
        found |= new
        left += new
    return found
