"""One file from Drive to the disk: resumed, verified, and there whole or not at all.

The bytes go to a hidden file beside the target, named after the content's MD5: a later process goes on with
it, even if the file was renamed in between. The caller makes sure that one process at a time fetches into a
folder.
"""

import hashlib
import os
import re
import shutil
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Self

from eus_etl.errors import DiskFullError, DownloadRefusedError, SourceFileChangedError, SourceFileGoneError
from eus_etl.sources.videos.base import PART
from eus_etl.sources.videos.google_drive.api import key_header
from eus_etl.sources.videos.google_drive.connection import DriveConnection, Media
from eus_etl.sources.videos.google_drive.retry import Pacer, PassingFailure, Refused
from eus_etl.sources.videos.google_drive.tree import Entry
from eus_etl.storage.files.atomic import raise_if_full, sync_folder
from eus_etl.storage.files.fence import publishing
from eus_etl.storage.files.folders import make_folder

BLOCK = 120_000
"""Bytes read at once; for blocks of 128 KiB and more malloc would ask the kernel for new pages each time."""

_BLOCKS_WAITING = 32
_PROGRESS = 1 << 20  # failures are counted on unless a request brought this much, or we could try for ever
_WORTH_ASKING = 1 << 20  # bytes; of a smaller rest, the checksum at its end tells as soon of a replaced file
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The content that is wanted of a file.

    Attributes:
        file_id: Drive's id.
        size: bytes.
        md5: hex.
        sha256: hex; None where Drive gave none. Where it is given it decides: it proves more than MD5 and
            takes less than half the time.
        head_revision: id of the content; None where Drive gave none.
        resource_key: the file's key, if it has one.
    """

    file_id: str
    size: int
    md5: str
    sha256: str | None = None
    head_revision: str | None = None
    resource_key: str | None = None

    @property
    def sum_name(self) -> str:
        """The checksum that decides whether what arrived is right: ``sha256`` or ``md5``."""
        return "sha256" if self.sha256 else "md5"


def part_path(target: Path, md5: str) -> Path:
    """Where an incomplete download to ``target`` lies."""
    return target.with_name(f".{md5}{PART}")


class Downloader:
    """Downloads files; several threads may use one.

    Args:
        connection: access to Drive.
        pacer: the pace that all requests share.
        present: asks Drive for a file's current state by its id and resource key; None where it is gone.
    """

    def __init__(
        self, connection: DriveConnection, pacer: Pacer, present: Callable[[str, str | None], Entry | None]
    ) -> None:
        self._connection = connection
        self._pacer = pacer
        self._present = present

    def download(self, wanted: Wanted, target: Path) -> None:
        """Bring ``wanted`` to ``target``, verified by size and SHA-256 (MD5 where Drive has none).

        Raises:
            SourceUnavailableError: Drive does not answer; what has arrived is kept for the next try.
            SourceFileGoneError, SourceFileChangedError: the file is no longer what was listed.
            DownloadQuotaError, DownloadRefusedError, SourceAccessError: Drive does not hand it out.
            DiskFullError: no room; also checked before the download.
        """
        make_folder(target.parent)
        part = part_path(target, wanted.md5)
        try:
            with part.open("ab", buffering=0) as out, ContentSum(wanted.sum_name) as content_sum:
                _check_room(wanted, out.tell(), target.parent)
                self._complete(wanted, _Part(wanted, part, out, content_sum))
                os.fsync(out.fileno())
            with publishing():
                part.replace(target)
            sync_folder(target.parent)
        except (SourceFileChangedError, SourceFileGoneError, DownloadRefusedError):
            part.unlink(missing_ok=True)
            raise
        except OSError as error:
            raise_if_full(error, target.parent)
            raise

    def _complete(self, wanted: Wanted, part: "_Part") -> None:
        """Append what is missing, try after try, until the part is the wanted content."""
        tries = self._pacer.tries(wanted.file_id)
        while True:
            held = part.held
            try:
                if held and wanted.size - held > _WORTH_ASKING:
                    self._confirm(wanted)
                if held < wanted.size:
                    tries.wait_for_turn()
                    self._append(wanted, part)
                if part.is_right():
                    return
                part.restart()
                self._confirm(wanted)
                raise PassingFailure("what arrived does not match Drive's checksum")
            except PassingFailure as failure:
                if part.held - held >= _PROGRESS:
                    tries.progressed()
                tries.failed(failure)
            except Refused as refused:
                raise refused.error_of_file(wanted.file_id) from None

    def _append(self, wanted: Wanted, part: "_Part") -> None:
        """Make one request and append what it brings."""
        keys = key_header({wanted.file_id: wanted.resource_key})
        with self._connection.media(wanted.file_id, part.held, keys) as media:
            if not _continues(media, part.held, wanted.size):
                part.restart()
                if not _continues(media, 0, wanted.size):
                    self._confirm(wanted)
                    raise PassingFailure("Drive sent another range than the one asked for")
            for block in media.blocks(BLOCK):
                part.append(block)

    def _confirm(self, wanted: Wanted) -> None:
        """Make sure that the file still has the wanted content."""
        present = self._present(wanted.file_id, wanted.resource_key)
        if present is None or present.trashed:
            raise SourceFileGoneError(
                wanted.file_id,
                "the file is no longer in the folder",
                "put it back if that was a mistake",
            )
        if present.md5 is None:  # Drive is still computing it
            same = present.head_revision == wanted.head_revision
        else:
            same = (present.md5, present.size) == (wanted.md5, wanted.size)
        if not same:
            raise changed(wanted.file_id)


def changed(file_id: str) -> SourceFileChangedError:
    """The error for a file whose content is no longer the listed one."""
    return SourceFileChangedError(
        file_id, "the file was replaced since it was listed; the next observation takes the new one"
    )


def _continues(media: Media, offset: int, size: int) -> bool:
    """Whether an answer holds the content from ``offset`` to its end at ``size``."""
    if media.status == 206:
        found = _CONTENT_RANGE.fullmatch(media.content_range)
        return found is not None and tuple(map(int, found.groups())) == (offset, size - 1, size)
    return media.status == 200 and offset == 0 and media.length in (None, size)


class _Part:
    """An incomplete file and the checksum of what it holds."""

    def __init__(self, wanted: Wanted, path: Path, out: FileIO, content_sum: "ContentSum") -> None:
        self._wanted = wanted
        self._out = out
        self._sum = content_sum
        self.held = out.tell()
        with path.open("rb") as before:
            while block := before.read(BLOCK):
                content_sum.add(block)

    def append(self, block: bytes) -> None:
        """Write a block; content that exceeds the wanted size is wrong and is not written."""
        if self.held + len(block) > self._wanted.size:
            self.restart()
            raise PassingFailure("more arrived than the file holds")
        rest = memoryview(block)
        while rest:  # a disk that fills up takes a part first and refuses the rest
            rest = rest[self._out.write(rest) :]
        self._sum.add(block)
        self.held += len(block)

    def restart(self) -> None:
        """Throw away what is held."""
        self._out.truncate(0)
        self._sum.restart()
        self.held = 0

    def is_right(self) -> bool:
        """Whether it is the wanted content.

        Raises:
            PassingFailure: something is still missing.
        """
        if self.held < self._wanted.size:
            raise PassingFailure("the connection ended before the file did")
        return self._sum.hex() == (self._wanted.sha256 or self._wanted.md5)


class ContentSum:
    """The MD5 or SHA-256 of some content, computed in a thread beside the one that fetches it."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._pending: deque[Future[None]] = deque()
        self._name = name
        self._hash = self._new()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def add(self, block: bytes) -> None:
        """Add the next block; waits while too many are pending."""
        self._pending.append(self._thread.submit(self._hash.update, block))
        if len(self._pending) > _BLOCKS_WAITING:
            self._pending.popleft().result()

    def restart(self) -> None:
        """Forget everything."""
        self._drain()
        self._hash = self._new()

    def hex(self) -> str:
        """The checksum of everything added."""
        self._drain()
        return self._hash.hexdigest()

    def _new(self) -> "hashlib._Hash":
        return hashlib.new(self._name, usedforsecurity=False)

    def _drain(self) -> None:
        while self._pending:
            self._pending.popleft().result()


def _check_room(wanted: Wanted, held: int, folder: Path) -> None:
    needed, free = wanted.size - held, shutil.disk_usage(folder).free
    if needed > free:
        raise DiskFullError(
            wanted.file_id,
            f"the disk has {free / 1e9:.2f} GB left and the file needs {needed / 1e9:.2f} GB",
            "free space and run again; finished files are kept",
        )
