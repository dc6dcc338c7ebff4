"""An uploaded file as libraries may see it: this file, identified by its content, and no other.

Containers are opened from an open file, not by name, so no name is mistaken for a protocol or pattern.
Formats that name other files (playlists, lists, image sequences) are not allowed, and protocols are off.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from io import SEEK_CUR, SEEK_END, SEEK_SET
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import av
from av.container import InputContainer

from eus_etl.errors import VideoUnreadableError

_VIDEOS = """
    apng asf av1 avi cavsvideo dirac dnxhd dv flv gif gxf h261 h263 h264 hevc ipu ivf ivr m4v matroska webm
    mjpeg mov mp4 m4a 3gp 3g2 mj2 mpeg mpegts mpegvideo mpjpeg mxf nsv nut obu ogg rm smjpeg ty vc1 vc1test
    vvc wtv yuv4mpegpipe
"""
_STILLS = """
    bmp dpx exr gif hdr j2k jpeg jpegls jpegxl jpegxs pam pbm pcx pgm png ppm psd qoi sgi tiff webp
"""
_RAW_ENDINGS = """
    264 265 26l avc avs2 avs3 drc dv h261 h263 h264 h265 hevc ivf jsv m1v m2v m4v mjpeg mjpg mpg mpeg mpv obu
    ts vc1 vob vvc
"""

VIDEO_FORMATS = frozenset(_VIDEOS.split())
"""FFmpeg's names of the containers and raw streams that contain their own pictures."""

STILL_FORMATS = frozenset(f"{name}_pipe" for name in _STILLS.split())
"""Photos: one picture each."""

PHOTO_BRANDS = frozenset({"avif", "heic", "heim", "heis", "heix", "mif1"})
"""Brands of ISO files that hold photos (HEIF), possibly cut into tiles."""

_ENDINGS = frozenset(_RAW_ENDINGS.split())  # raw streams can be recognized by their name only
_BUFFER_BYTES = 1 << 17
_READINGS = 64  # how often each byte may be read on average: badly interleaved files are read ten times
_FREE_BYTES = 1 << 30

_on_read: ContextVar[Callable[[], None]] = ContextVar("_on_read", default=lambda: None)


@contextmanager
def tell_reads_to(on_read: Callable[[], None]) -> Iterator[None]:
    """Call ``on_read`` whenever part of a file is read inside the block, as a sign of progress."""
    token = _on_read.set(on_read)
    try:
        yield
    finally:
        _on_read.reset(token)


@dataclass(frozen=True, slots=True)
class Embedded:
    """A stream stored in fragments within a file.

    Attributes:
        path: the file.
        fragments: offset and length of each.
        suffix: the suffix of a file with this stream alone.
    """

    path: Path
    fragments: tuple[tuple[int, int], ...]
    suffix: str

    @property
    def size(self) -> int:
        """Length of the stream in bytes."""
        return sum(length for _, length in self.fragments)

    def open(self) -> "_Bytes":
        """The stream as a file."""
        return _Fragments(self)


class _Bytes(Protocol):
    def read(self, size: int, /) -> bytes | None: ...

    def seek(self, offset: int, whence: int, /) -> int: ...

    def tell(self) -> int: ...

    def close(self) -> None: ...


class _Fragments:
    def __init__(self, stream: Embedded) -> None:
        self._file = stream.path.open("rb", buffering=0)
        self._fragments = stream.fragments
        self._starts = [0, *accumulate(length for _, length in stream.fragments)]
        self._place = 0

    def read(self, size: int, /) -> bytes | None:
        number = bisect_right(self._starts, self._place) - 1
        if number >= len(self._fragments):
            return b""
        offset, length = self._fragments[number]
        skipped = self._place - self._starts[number]
        self._file.seek(offset + skipped)
        content = self._file.read(min(size, length - skipped))
        self._place += len(content or b"")
        return content

    def seek(self, offset: int, whence: int, /) -> int:
        self._place = offset + {SEEK_SET: 0, SEEK_CUR: self._place, SEEK_END: self._starts[-1]}[whence]
        return self._place

    def tell(self) -> int:
        return self._place

    def close(self) -> None:
        self._file.close()


@contextmanager
def open_container(path: Path | Embedded, video_id: str, remedy: str) -> Iterator[InputContainer]:
    """Open a video file, or a photo, by its content.

    Raises:
        VideoUnreadableError: not a container of ``VIDEO_FORMATS`` or ``STILL_FORMATS``.
        OSError: the file cannot be read.
    """
    file = SourceFile(path, video_id, remedy)
    with closing(file), _opened(file, video_id, remedy) as container:
        yield container


def _opened(file: "SourceFile", video_id: str, remedy: str) -> InputContainer:
    try:
        return av.open(
            file,
            mode="r",
            metadata_errors="ignore",
            buffer_size=_BUFFER_BYTES,
            options={
                "format_whitelist": ",".join(sorted(VIDEO_FORMATS | STILL_FORMATS)),
                "protocol_whitelist": "none",
            },
        )
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, MemoryError):
            raise
        # the library's message may contain text from the file
        raise VideoUnreadableError(video_id, "cannot be opened as a video file", remedy) from None


class SourceFile:
    """The file as FFmpeg reads it; reading ends if it loops."""

    def __init__(self, path: Path | Embedded, video_id: str, remedy: str) -> None:
        ending = path.suffix[1:].lower()
        self.name = f"video.{ending}" if ending in _ENDINGS else "video"
        self._file: _Bytes
        if isinstance(path, Embedded):
            self._file, size = path.open(), path.size
        else:
            self._file, size = path.open("rb", buffering=0), path.stat().st_size
        self._left = size * _READINGS + _FREE_BYTES
        self._stuck = VideoUnreadableError(video_id, "reading it makes no progress", remedy, "no_progress")

    def read(self, size: int) -> bytes:
        """The next bytes."""
        _on_read.get()()
        content = self._file.read(size) or b""
        self._left -= size
        if self._left < 0:
            raise self._stuck
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place."""
        return self._file.tell()

    def close(self) -> None:
        """Close it."""
        self._file.close()
