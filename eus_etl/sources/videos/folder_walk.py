"""What lies below a local folder: ordinary files, and what is left out with its reason.

No link is followed. The target of a link within the folder is found at its own place, and nothing outside
the folder was uploaded to it, so links can neither run in circles nor bring in other files of the machine.
Opening a pipe or a device could wait for ever, so only ordinary files are opened.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from eus_etl.sources.videos.upload_names import is_clutter, why_not_taken


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of the folder or of one below it.

    Attributes:
        parts: its path as the file system has it.
        why_not: why it is not taken; None for an ordinary file that may be taken.
    """

    parts: tuple[str, ...]
    why_not: str | None = None


def walk(folder: Path) -> Iterator[Found]:
    """Everything below ``folder`` except folders and clutter, sorted folder by folder.

    Reasons: those of ``why_not_taken``, ``link_outside``, ``listed_elsewhere`` (a link within the folder),
    ``special_file``, and ``cannot_be_read`` for a link that leads nowhere or a folder that may not be read.

    Raises:
        OSError: ``folder`` itself cannot be read.
    """
    top = os.path.realpath(folder)
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        parts = waiting.pop()
        try:
            with os.scandir(Path(top, *parts)) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            if parts:  # removed while listing: as if it had not been there
                continue
            raise
        except OSError:
            if not parts:
                raise
            yield Found(parts, "cannot_be_read")
            continue
        beside = {entry.name for entry in listed}
        folders = []
        for entry in listed:
            place = (*parts, entry.name)
            if entry.is_dir(follow_symlinks=False):
                folders.append(place)
            elif not is_clutter(entry.name):
                reason = why_not_taken(place, beside) or _why_no_file(entry, top)
                yield Found(place, reason)
        waiting += reversed(folders)


def fingerprint(folder: Path, is_recent: Callable[[float], bool]) -> str | None:
    """Changes whenever ``walk`` would find something else, or a file has changed; reads no file.

    Args:
        folder: the folder.
        is_recent: whether a file of this time, in seconds since 1970, may still be being written.

    Returns:
        A checksum of all names, sizes and times; None where a file may still be being written.

    Raises:
        OSError: ``folder`` itself cannot be read.
    """
    top = os.path.realpath(folder)
    digest = hashlib.sha256()
    waiting = [top]
    while waiting:
        place = waiting.pop()
        try:
            with os.scandir(place) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if place == top:
                raise
            digest.update(b"%d\n" % (error.errno or 0))
            continue
        for entry in listed:
            try:
                found = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # removed while listing: as if it had not been there
                continue
            if stat.S_ISDIR(found.st_mode):
                waiting.append(entry.path)
            elif stat.S_ISREG(found.st_mode) and is_recent(found.st_mtime):
                return None
            state = found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino
            digest.update(b"%b %d %d %d %d %d\n" % (os.fsencode(entry.path), *state))
    return digest.hexdigest()


def open_ordinary(path: str | Path) -> int:
    """A descriptor for reading an ordinary file; follows no link and waits for no pipe.

    Raises:
        OSError: there is no such file, or it cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise FileNotFoundError


def _why_no_file(entry: os.DirEntry[str], top: str) -> str | None:
    if entry.is_symlink():
        try:
            target = os.path.realpath(entry.path, strict=True)
        except OSError:
            return "cannot_be_read"
        return "listed_elsewhere" if target == top or target.startswith(top + os.sep) else "link_outside"
    return None if entry.is_file(follow_symlinks=False) else "special_file"
