"""A local folder that serves as the drive."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import BaseModel

from eus_etl.errors import EusEtlError, SourceUnavailableError
from eus_etl.sources.videos.base import (
    LeavesOut,
    Listing,
    Missed,
    SourceFile,
    WaitingFile,
    leaves_nothing_out,
)
from eus_etl.sources.videos.folder_walk import Found, fingerprint, open_ordinary, walk
from eus_etl.sources.videos.upload_names import readable_name
from eus_etl.storage.files.atomic import atomic_path
from eus_etl.storage.files.checked_json import read_checked, write_checked
from eus_etl.storage.files.checksums import md5_of, md5_of_open
from eus_etl.storage.files.stable_read import revision_of

_MAY_CHANGE = frozenset({"temporary_name", "cannot_be_read"})
"""Reasons for which a file waits; for others it is left out."""

_CLOCKS_DIFFER_S = 600
"""A file dated further ahead than this has its date from a recorder's clock: it is not being written."""


class _Hashed(BaseModel):
    size: int
    mtime_ns: int
    md5: str


class _HashedFiles(BaseModel):
    files: dict[str, _Hashed] = {}


def forget_sums(memory: Path, source_ids: Collection[str]) -> None:
    """Drop the MD5 sums of these files from a memory."""
    try:
        known = _HashedFiles.model_validate(read_checked(memory)).files
    except (FileNotFoundError, ValueError):
        memory.unlink(missing_ok=True)  # illegible: the next listing makes it again
        return
    kept = {source_id: hashed for source_id, hashed in known.items() if source_id not in source_ids}
    write_checked(memory, _HashedFiles(files=kept).model_dump())


class LocalFolder:
    """Files below a folder, found recursively.

    Args:
        folder: the folder.
        settle_s: a file that changed less than this many seconds ago is still being written, and waits.
        memory: where MD5 sums are kept between listings, so that a file is hashed once.
        hashing_limit_s: after this many seconds of hashing, the rest waits for the next listing.
        leaves_out: which uploads it passes over.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settle_s: float,
        memory: Path,
        hashing_limit_s: float | None = None,
        leaves_out: LeavesOut = leaves_nothing_out,
    ) -> None:
        self._folder = folder
        self._settle_s = settle_s
        self._memory = memory
        self._hashing_limit_s = hashing_limit_s
        self._leaves_out = leaves_out

    def list_files(self) -> Listing:
        """List all files; see ``VideoSource``."""
        known = self._remembered()
        seen: dict[str, _Hashed] = {}
        files: list[SourceFile] = []
        waiting: list[WaitingFile] = []
        left_out: list[WaitingFile] = []
        now, begun = time.time(), time.monotonic()
        for found in self._walk():
            source_id, parts = _source_id(found.parts), tuple(map(readable_name, found.parts))
            if self._leaves_out(source_id, parts):
                continue
            if found.why_not is not None:
                kept_out = WaitingFile(source_id, parts, found.why_not)
                (waiting if found.why_not in _MAY_CHANGE else left_out).append(kept_out)
                continue
            path = self._folder.joinpath(*found.parts)
            try:
                stat = path.lstat()
                memory = known.get(source_id)
                if memory and (memory.size, memory.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                    hashed = memory
                elif stat.st_size == 0:
                    waiting.append(WaitingFile(source_id, parts, "empty_file"))
                    continue
                elif self._may_be_writing(now - stat.st_mtime):
                    left_s = min(self._settle_s, self._settle_s - (now - stat.st_mtime))
                    waiting.append(WaitingFile(source_id, parts, "still_being_written", left_s))
                    continue
                elif self._hashing_limit_s is not None and time.monotonic() - begun > self._hashing_limit_s:
                    waiting.append(WaitingFile(source_id, parts, "not_hashed_yet"))
                    continue
                else:
                    with os.fdopen(open_ordinary(path), "rb") as file:
                        md5 = md5_of_open(file)
                    hashed = _Hashed(size=stat.st_size, mtime_ns=stat.st_mtime_ns, md5=md5)
            except FileNotFoundError:  # removed while listing: as if it had not been there
                continue
            except OSError:  # this file alone: a bad sector, permissions
                waiting.append(WaitingFile(source_id, parts, "cannot_be_read"))
                continue
            seen[source_id] = hashed
            files.append(SourceFile(source_id, parts, hashed.size, hashed.md5))
        # an empty folder may be an unmounted disk: its files need not be hashed again once it is back
        if seen and seen != known:
            write_checked(self._memory, _HashedFiles(files=seen).model_dump())
        return Listing(tuple(files), tuple(waiting), tuple(left_out))

    def revision(self) -> str | None:
        """By the names, sizes and times of all files; see ``VideoSource``."""
        now = time.time()
        with self._readable():
            found = fingerprint(self._folder, lambda written: self._may_be_writing(now - written))
        # a listing that had no time to hash all files is followed by another
        hashed = revision_of(self._memory)
        return None if found is None or hashed is None else f"{found}-{hashed}"

    def relist(self) -> Missed:
        """Only MD5 sums are remembered, and a listing checks them by size and time: nothing is missed."""
        return Missed()

    def fetch_many(
        self, wanted: Sequence[tuple[SourceFile, Path]], progress: Callable[[SourceFile], None] | None = None
    ) -> Mapping[str, EusEtlError]:
        """Copy files one by one, since the disk is the limit; see ``VideoSource``."""
        failures: dict[str, EusEtlError] = {}
        for file, target in wanted:
            try:
                self.fetch(file, target)
            except EusEtlError as error:
                failures[file.source_id] = error
            else:
                if progress:
                    progress(file)
        return failures

    def fetch(self, file: SourceFile, target: Path) -> None:
        """Copy ``file`` to ``target``, verified by size and MD5.

        Raises:
            SourceUnavailableError: the file is gone or has changed since it was listed.
            DiskFullError: no room for the copy.
        """
        try:
            with os.fdopen(self._open(file), "rb") as source, atomic_path(target) as partial:
                with partial.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 1 << 20)
                if partial.stat().st_size != file.size or md5_of(partial) != file.md5:
                    raise SourceUnavailableError(
                        file.source_id,
                        "the file changed while it was copied",
                        "wait until its upload is complete; the next observation takes it then",
                    )
        except FileNotFoundError:  # its message holds the uploaded name
            raise SourceUnavailableError(
                file.source_id,
                "the file is no longer in the folder",
                "put it back if that was a mistake",
            ) from None

    def _open(self, file: SourceFile) -> int:
        """Open a listed file at the place that its id names: names that are not UTF-8 are listed as text.

        Raises:
            OSError: it is no longer there.
        """
        top = self._folder.resolve()
        for parts in _places(top, file.parts):
            path = top.joinpath(*parts)
            if _source_id(parts) == file.source_id and path.resolve() == path:
                return open_ordinary(path)
        raise FileNotFoundError

    def _walk(self) -> Iterator[Found]:
        with self._readable():
            yield from walk(self._folder)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        if not self._folder.is_dir():
            raise self._unavailable(None)
        try:
            yield
        except OSError as error:
            raise self._unavailable(error) from None

    def _may_be_writing(self, age_s: float) -> bool:
        """Whether a file that was written so long ago may not be whole."""
        return -_CLOCKS_DIFFER_S < age_s < self._settle_s

    def _remembered(self) -> dict[str, _Hashed]:
        """What was hashed before; nothing where that is lost or damaged, so that all is hashed again."""
        try:
            return _HashedFiles.model_validate(read_checked(self._memory)).files
        except (FileNotFoundError, ValueError):
            return {}

    def _unavailable(self, error: OSError | None) -> SourceUnavailableError:
        cause = "is not there" if error is None else f"cannot be read ({os.strerror(error.errno or 0)})"
        return SourceUnavailableError(
            "sources.videos",
            f"the folder {cause}",
            "check the path in the configuration and that its disk is mounted",
        )


def _places(folder: Path, shown: tuple[str, ...], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths below ``folder``, as the file system has them, that are listed as ``shown``."""
    if not shown:
        yield above
        return
    yield from _places(folder, shown[1:], (*above, shown[0]))
    if shown[0].isascii():
        return
    with suppress(OSError):
        for path in folder.joinpath(*above).iterdir():
            if path.name != shown[0] and readable_name(path.name) == shown[0]:
                yield from _places(folder, shown[1:], (*above, path.name))


def _source_id(parts: tuple[str, ...]) -> str:
    """An id for the place of a file that does not reveal its name."""
    digest = hashlib.sha256("/".join(parts).encode("utf-8", "surrogateescape"))
    return f"local-{digest.hexdigest()[:12]}"
