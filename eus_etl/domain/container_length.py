"""How long a file is by its own container's word: a shorter one was cut off, by an upload that never ended.

Reads headers alone, of MP4 and QuickTime, AVI, Matroska and WebM; other containers do not state it.
"""

from pathlib import Path
from typing import BinaryIO

_BOXES_AT_START = frozenset({b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"})
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_RIFF_UNKNOWN = (0, 0xFFFFFFFF)


def missing_bytes(path: Path) -> int:
    """How many bytes a file lacks of what its container states; 0 where it lacks none or states nothing.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        begins = file.read(12)
        if begins[4:8] in _BOXES_AT_START:
            stated = _boxes_end(file, size)
        elif begins[:4] == b"RIFF" and begins[8:12] == b"AVI ":
            stated = _riff_end(file, size)
        elif begins[:4] == _EBML:
            stated = _segment_end(file)
        else:
            stated = 0
    return max(0, stated - size)


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Where the last box of the file ends; 0 where the last one is open-ended."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0 or not _is_box(kind):
            return 0
        at += max(8, length)
    return at


def _is_box(kind: bytes) -> bool:
    return all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in kind)


def _riff_end(file: BinaryIO, size: int) -> int:
    at = 0
    while at + 8 <= size:
        file.seek(at)
        header = file.read(8)
        length = int.from_bytes(header[4:8], "little")
        if header[:4] != b"RIFF" or length in _RIFF_UNKNOWN:
            return 0
        at += 8 + length + length % 2
    # the byte that makes a length even is left out by some writers
    return at - 1 if at == size + 1 else at


def _segment_end(file: BinaryIO) -> int:
    file.seek(4)
    header = _number(file)
    if header is None:
        return 0
    file.seek(header, 1)
    if file.read(4) != _SEGMENT:
        return 0
    length = _number(file)
    return 0 if length is None else file.tell() + length


def _number(file: BinaryIO) -> int | None:
    """EBML's number of one to eight bytes; None for the one that stands for unknown."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    width = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(width - 1), "big")
    bits = value & ((1 << 7 * width) - 1)
    return None if bits == (1 << 7 * width) - 1 else bits
