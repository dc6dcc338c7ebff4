"""The Protocol of a source of video files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One uploaded file.

    Attributes:
        source_id: id in the source; may stand in logs.
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
    """A file that cannot be taken yet: empty, or still being written."""

    source_id: str
    parts: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything below a study's folder at one moment."""

    files: tuple[SourceFile, ...]
    waiting: tuple[WaitingFile, ...]


class VideoSource(Protocol):
    """Where uploaded videos are listed and fetched from."""

    def list_files(self) -> Listing:
        """List all files.

        Raises:
            SourceUnavailableError: the source did not answer; this is not an empty listing.
        """
        ...

    def fetch(self, file: SourceFile, target: Path) -> None:
        """Copy ``file`` to ``target``, verified by size and MD5; ``target`` appears whole or not at all.

        Raises:
            SourceUnavailableError: the file is gone or changed since it was listed.
        """
        ...
