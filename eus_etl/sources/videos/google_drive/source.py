"""Google Drive as a source of videos: a folder, listed through the change feed, with verified downloads.

The parts: ``connection`` (access), ``retry`` (pace, and what an answer means), ``api`` (metadata requests),
``tree`` (what lies where), ``cache`` (the mirror on disk), ``sync`` (keeps the mirror up to date),
``download`` (content).
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from google.auth.credentials import Credentials

from eus_etl.errors import EusEtlError, SourceFileGoneError
from eus_etl.sources.videos.base import LeavesOut, Listing, Missed, SourceFile, leaves_nothing_out
from eus_etl.sources.videos.google_drive.api import DriveMetadata
from eus_etl.sources.videos.google_drive.cache import Mirror
from eus_etl.sources.videos.google_drive.connection import DriveConnection
from eus_etl.sources.videos.google_drive.download import Downloader, Wanted, changed
from eus_etl.sources.videos.google_drive.retry import Pace, Pacer
from eus_etl.sources.videos.google_drive.sync import DriveInventory
from eus_etl.storage.files.fence import carry_fence


@dataclass(frozen=True, slots=True)
class DriveListing(Listing):
    """Everything below a study's folder at one moment.

    Attributes:
        revision: changes when anything else here changes.
    """

    revision: str = ""


class GoogleDrive:
    """A folder of My Drive or of a shared drive, with everything below it.

    Files wait with the reason ``still_uploading``, ``empty_file`` or ``temporary_name``. A file's
    ``source_id`` is Drive's id. One object serves any number of threads; ``close`` it, or use it as a context
    manager, to end its connections.

    Args:
        folder_id: id of the study's folder: the last part of its address in the browser.
        mirror: SQLite file where the inventory and the change feed's token are kept.
        credentials: with read-only scopes, from ``connection.read_credentials``.
        listing_limit_s: a listing that takes longer goes on at the next observation; None for no limit.
        workers: how many files ``fetch_many`` fetches at once.
        pace: speed of requests and patience with failures, shared by all threads.
        timeout_s: an answer, or its next bytes, must arrive within this time.
        api_root: another address of the API.
        folder_key: the folder's resource key, if it has one.
        leaves_out: which uploads it passes over.
    """

    def __init__(
        self,
        folder_id: str,
        mirror: Path,
        credentials: Credentials,
        *,
        listing_limit_s: float | None = None,
        workers: int = 4,
        pace: Pace | None = None,
        timeout_s: float = 60.0,
        api_root: str | None = None,
        folder_key: str | None = None,
        leaves_out: LeavesOut = leaves_nothing_out,
    ) -> None:
        self._connection = DriveConnection(credentials, api_root=api_root, timeout_s=timeout_s)
        self._pacer = Pacer(pace or Pace())
        self._mirror = Mirror(mirror)
        self._inventory = DriveInventory(
            folder_id, self._mirror, self._metadata, listing_limit_s, folder_key, leaves_out
        )
        self._downloader = Downloader(self._connection, self._pacer, self._metadata(None).file)
        self._workers = workers

    def __enter__(self) -> "GoogleDrive":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connections that are kept open between requests."""
        self._connection.close()

    def revision(self) -> str:
        """Read the change feed; returns the revision of the listing that ``list_files`` would give.

        Takes one request where nothing has happened, whatever the size of the drive.

        Raises:
            SourceUnavailableError: Drive does not answer, or the first listing is not complete yet.
            SourceAccessError: the folder is gone or not shared.
        """
        return self._inventory.refresh()

    def list_files(self) -> DriveListing:
        """Read the change feed and list all files; see ``VideoSource``.

        Raises:
            SourceUnavailableError, SourceAccessError: as ``revision``.
        """
        revision = self._inventory.refresh()
        contents = self._inventory.contents()
        return DriveListing(contents.files, contents.waiting, contents.left_out, revision)

    def relist(self) -> Missed:
        """List everything again; returns what the change feed had missed.

        Raises:
            SourceUnavailableError, SourceAccessError: as ``revision``; nothing is changed.
        """
        return self._inventory.relist()

    def fetch(self, file: SourceFile, target: Path) -> None:
        """Bring ``file`` to ``target``; see ``VideoSource`` and ``Downloader.download`` for the errors."""
        self._downloader.download(self._wanted(file), target)

    def fetch_many(
        self,
        wanted: Iterable[tuple[SourceFile, Path]],
        progress: Callable[[SourceFile], None] | None = None,
    ) -> Mapping[str, EusEtlError]:
        """Fetch files, several at once; one that fails keeps no other from being fetched.

        Args:
            wanted: files and targets; no target twice.
            progress: called in the fetching thread for each file once it is there.

        Returns:
            Ids of the files that were not fetched, and why.
        """
        failures: dict[str, EusEtlError] = {}

        def fetch_one(file: SourceFile, target: Path) -> None:
            try:
                self.fetch(file, target)
            except EusEtlError as error:
                failures[file.source_id] = error
                return
            if progress:
                progress(file)

        with ThreadPoolExecutor(self._workers, thread_name_prefix="drive", initializer=carry_fence()) as pool:
            tasks = [pool.submit(fetch_one, file, target) for file, target in wanted]
            try:
                for task in tasks:
                    task.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        return failures

    def _metadata(self, until: float | None) -> DriveMetadata:
        return DriveMetadata(self._connection, self._pacer, until)

    def _wanted(self, file: SourceFile) -> Wanted:
        """What the mirror knows of a listed file; makes no request."""
        known = self._mirror.find(file.source_id)
        if known is None:
            raise SourceFileGoneError(
                file.source_id,
                "the file is no longer in the folder",
                "put it back if that was a mistake",
            )
        if (known.md5, known.size) != (file.md5, file.size):
            raise changed(file.source_id)
        return Wanted(
            file.source_id, file.size, file.md5, known.sha256, known.head_revision, known.resource_key
        )
