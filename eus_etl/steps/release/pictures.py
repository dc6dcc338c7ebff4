"""The pictures of a release: links to the preprocessed images, each checked on the way."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import FramesMissingError, PermanentError
from eus_etl.storage.files.checksums import sha256_of

_PNG = b"\x89PNG\r\n\x1a\n"
_CHUNKS = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
"""Chunks that hold pixels and nothing else: no text, no time, no EXIF."""

_READ_ONLY = 0o444


def put_pictures(
    paths: StudyPaths, kept: pl.DataFrame, folder: Path, progress: Callable[[int], None] | None = None
) -> None:
    """Link (or copy, where the file system has no links) the pictures into a release's folder.

    A preprocessed image is replaced by renaming another one over it, so a link keeps what it was made of.
    Both become read-only: nothing is written into either.

    Args:
        paths: the study's paths.
        kept: ``tables.KEPT_FRAMES``, or some of its rows.
        folder: the release's folder.
        progress: called with the number of pictures so far.

    Raises:
        FramesMissingError: an image is gone, or is not the one that the tables list.
        PermanentError: an image holds more than pixels.
    """
    made: set[str] = set()
    rows = kept.select("path", "source_path", "sha256", "source_frame_id").iter_rows()
    for number, (path, source_path, sha256, frame_id) in enumerate(rows, start=1):
        source, target = paths.root / source_path, folder / path
        if (below := path.rpartition("/")[0]) not in made:
            target.parent.mkdir(parents=True, exist_ok=True)
            made.add(below)
        link(source, target, frame_id)
        data = target.read_bytes()
        if sha256_of(data) != sha256:
            raise FramesMissingError(
                frame_id, "its preprocessed image is not the one that the tables list", "`eus-etl run`"
            )
        if not holds_pixels_alone(data):
            raise PermanentError(
                frame_id,
                "its preprocessed image holds more than pixels",
                "`eus-etl run --remake preprocessed_frames`",
            )
        if progress:
            progress(number)


def link(source: Path, target: Path, frame_id: str) -> None:
    """Link ``target`` to ``source``, or copy it.

    Raises:
        FramesMissingError: there is no source.
    """
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise FramesMissingError(frame_id, "its preprocessed image is gone", "`eus-etl run`") from None
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
    mode = target.stat().st_mode
    target.chmod(mode & _READ_ONLY)


def holds_pixels_alone(data: bytes) -> bool:
    """Whether a PNG file has no chunk but those of its pixels, and nothing behind the last."""
    at = len(_PNG)
    if not data.startswith(_PNG):
        return False
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if kind not in _CHUNKS:
            return False
        at += 12 + length
        if kind == b"IEND":
            return at == len(data)
    return False
