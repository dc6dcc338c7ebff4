"""The Protocol of a source of video files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from eus_etl.errors import EusEtlError

PART = ".part"
"""Suffix of files that are being fetched; a later process may go on with them."""


LeavesOut = Callable[[str, tuple[str, ...]], bool]
"""Whether an upload, by its id and path, is of a forgotten visit: it is not read, listed or remembered."""


def leaves_nothing_out(_source_id: str, _parts: tuple[str, ...]) -> bool:
    """For a source of which no visit was forgotten."""
    return False


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One uploaded file.

    Attributes:
        source_id: id in the source; may appear in logs.
        parts: folder names and file name below the study's folder, as uploaded; never in a log.
        size: bytes.
        md5: hex.
    """

    source_id: str
    parts: tuple[str, ...]
    size: int
    md5: str

    @property
    def name(self) -> str:
        """The file's name as uploaded."""
        return self.parts[-1]


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """A file that is not taken, yet or at all, and why.

    Attributes:
        ready_in_s: when it is taken if nothing else happens to it; None where that is not known.
    """

    source_id: str
    parts: tuple[str, ...]
    reason: str
    ready_in_s: float | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything below a study's folder at one moment.

    Attributes:
        files: what can be fetched.
        waiting: what cannot be fetched yet; a folder that cannot be read covers everything below it.
        left_out: what is not taken as it is, with the reason: trashed, hidden_name, link_outside,
            special_file, google_native_file, broken_shortcut or listed_elsewhere.
    """

    files: tuple[SourceFile, ...]
    waiting: tuple[WaitingFile, ...]
    left_out: tuple[WaitingFile, ...] = ()

    def without(self, leaves_out: LeavesOut) -> "Listing":
        """The listing without these uploads."""
        return Listing(
            tuple(file for file in self.files if not leaves_out(file.source_id, file.parts)),
            tuple(file for file in self.waiting if not leaves_out(file.source_id, file.parts)),
            tuple(file for file in self.left_out if not leaves_out(file.source_id, file.parts)),
        )


@dataclass(frozen=True, slots=True)
class Missed:
    """Ids of files for which a full listing differs from what was remembered.

    Attributes:
        appeared: only in the full listing.
        vanished: only in what was remembered.
        changed: with another path, size or MD5.
    """

    appeared: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.appeared or self.vanished or self.changed)


class VideoSource(Protocol):
    """Where uploaded videos are listed and fetched from."""

    def list_files(self) -> Listing:
        """List all files.

        Raises:
            SourceUnavailableError: the source did not answer; this is not an empty listing.
        """
        ...

    def revision(self) -> str | None:
        """A value that changes whenever the listing would; None where only a listing can tell.

        Raises:
            SourceUnavailableError, SourceError: as ``list_files``.
        """
        ...

    def relist(self) -> Missed:
        """List everything again, whatever was remembered; returns what had been missed.

        Raises:
            SourceUnavailableError, SourceError: as ``list_files``.
        """
        ...

    def fetch_many(
        self, wanted: Sequence[tuple[SourceFile, Path]], progress: Callable[[SourceFile], None] | None = None
    ) -> Mapping[str, EusEtlError]:
        """Copy files to targets, verified by size and checksum; each appears whole or not at all.

        Args:
            wanted: files and their targets.
            progress: called for each file once it is there.

        Returns:
            Source ids of the files that could not be fetched, and why.
        """
        ...
