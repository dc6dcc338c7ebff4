"""What a link is, and how a file is compared with what was recorded of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eus_etl.storage.files.checksums import file_sha256


@dataclass(frozen=True, slots=True)
class Link:
    """One link.

    Attributes:
        name: what it leads to.
        facts: what is known of that.
        holds: whether what can be compared agrees; None where nothing can be.
        said: what was compared, or why not.
    """

    name: str
    facts: Mapping[str, object]
    holds: bool | None
    said: str


def compared(file: Path, sha256: str) -> tuple[bool, str]:
    """Whether a file is there and unchanged, in words too."""
    if not file.is_file():
        return False, "the file is missing"
    same = file_sha256(file) == sha256
    return same, "SHA-256 agrees" if same else "its SHA-256 is another: the file was changed"
