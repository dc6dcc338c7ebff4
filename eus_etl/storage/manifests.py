"""The manifest of each extracted video: how it was extracted, what was counted, which files belong to it.

It is written last and removed first: a video without one is not extracted.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter

from eus_etl.domain.tables.rejection import Rejection
from eus_etl.domain.video.types import DecodeCounts
from eus_etl.storage.files.checked_json import read_checked, write_checked
from eus_etl.storage.files.checksums import file_sha256
from eus_etl.storage.files.listing import listed
from eus_etl.storage.files.removal import remove_file, remove_folder
from eus_etl.storage.outputs import count_files

FORMAT = 6  # raise it when the same configuration gives other images, rows or grids: all is decoded again
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The result of one video's extraction.

    Attributes:
        extraction: fingerprint of the configuration.
        reading: fingerprint of the reader's limits, if the video was rejected under them.
        counts: counts of its decoding.
        deinterlaced: interlaced frames were made whole.
        frames_kept: images.
        image_bytes: bytes of all images.
        rejected: why the video cannot be used; then it has no images.
        state_bytes: names and sizes of the files beside the manifest.
        state_sha256: names and SHA-256 of these; empty where an earlier version extracted the video.
        format: ``FORMAT`` of the code that made it.
    """

    extraction: str
    reading: str | None = None
    counts: DecodeCounts = field(default_factory=DecodeCounts)
    deinterlaced: bool = False
    frames_kept: int = 0
    image_bytes: int = 0
    rejected: Rejection | None = None
    state_bytes: Mapping[str, int] = field(default_factory=dict)
    state_sha256: Mapping[str, str] = field(default_factory=dict)
    format: int = FORMAT


_MANIFESTS = TypeAdapter(Manifest)


def write_manifest(state: Path, manifest: Manifest) -> None:
    """Write the manifest, the last file of a video's state folder before that is published."""
    beside = [file for file in state_files(state) if file.name != _MANIFEST]
    whole = replace(
        manifest,
        state_bytes={file.name: file.stat().st_size for file in beside},
        state_sha256={file.name: file_sha256(file) for file in beside},
    )
    write_checked(state / _MANIFEST, asdict(whole))


def load_manifest(state: Path, images: Path, extraction: str, reading: str | None = None) -> Manifest | None:
    """The manifest of a video extracted with this configuration; None if it has to be extracted.

    Args:
        state: the video's state folder; if one of its files is missing or truncated, the video counts as not
            extracted.
        images: its images; if some are gone, the video counts as not extracted.
        extraction: fingerprint of the configuration.
        reading: fingerprint of the reader's limits: videos rejected under other limits are tried again.
    """
    manifest = read_manifest(state)
    if manifest is None or (manifest.format, manifest.extraction) != (FORMAT, extraction):
        return None
    if manifest.rejected and manifest.reading not in (None, reading):
        return None
    return manifest if count_files(images) == manifest.frames_kept else None


def read_manifest(state: Path) -> Manifest | None:
    """The manifest of a video's state folder; None if it or a file beside it is missing or damaged."""
    try:
        manifest = _MANIFESTS.validate_python(read_checked(state / _MANIFEST))
        sizes = {name: (state / name).stat().st_size for name in manifest.state_bytes}
    except (FileNotFoundError, ValueError):
        return None
    return manifest if sizes == manifest.state_bytes else None


def remove_manifest(state: Path) -> None:
    """Make a video count as not extracted, before the files that its manifest describes are changed."""
    remove_file(state / _MANIFEST)


def remove_extraction(state: Path, images: Path) -> None:
    """Remove all that was extracted from one video, the manifest first."""
    remove_manifest(state)
    for folder in (state, images):
        remove_folder(folder)


def state_files(state: Path) -> list[Path]:
    """The files of a video's published state folder: manifest, and rows and grids if it has frames."""
    return listed(state)
