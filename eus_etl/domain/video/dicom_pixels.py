"""The pixels of a DICOM file: where its frames are, how many there are, and their decoding.

A file's claims are checked against its bytes before memory is allocated for them. pydicom's decoders read
most transfer syntaxes, FFmpeg's the rest: JPEG lossless, JPEG-LS, HTJ2K.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import cast

import av
import numpy as np
import pydicom
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.processing import convert_color_space
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian

from eus_etl.domain.video.dicom_tags import numbers, size_of
from eus_etl.domain.video.types import DecodeCounts

Pixels = NDArray[np.generic]

_FFMPEG_CODECS = {
    "1.2.840.10008.1.2.4.57": "mjpeg",
    "1.2.840.10008.1.2.4.70": "mjpeg",
    "1.2.840.10008.1.2.4.80": "jpegls",
    "1.2.840.10008.1.2.4.81": "jpegls",
    "1.2.840.10008.1.2.4.201": "jpeg2000",
    "1.2.840.10008.1.2.4.202": "jpeg2000",
    "1.2.840.10008.1.2.4.203": "jpeg2000",
}
_VIDEO_ENDINGS = (
    {"100": ".m2v", "101": ".m2v"}
    | dict.fromkeys(("102", "103", "104", "105", "106"), ".h264")
    | {
        "107": ".hevc",
        "108": ".hevc",
    }
)
_ITEM_BYTES = 8
_LONG_HEADER_BYTES = 12
_ITEM = b"\xfe\xff\x00\xe0"
_MEANINGS = frozenset(
    (
        "MONOCHROME1",
        "MONOCHROME2",
        "PALETTE COLOR",
        "RGB",
        "YBR_FULL",
        "YBR_FULL_422",
        "YBR_ICT",
        "YBR_PARTIAL_420",
        "YBR_PARTIAL_422",
        "YBR_RCT",
    )
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the pixels are.

    Attributes:
        frames: how many frames the file holds.
        missing: how many more it claims.
        fragments: offset and length of each fragment of encapsulated pixels, without the table of offsets.
    """

    frames: int
    missing: int
    fragments: tuple[tuple[int, int], ...]


def video_ending(syntax: UID) -> str | None:
    """The ending of the video stream that a transfer syntax wraps; None where frames are coded one by one."""
    parts = syntax.split(".")  # fragmentable syntaxes have one more part
    return _VIDEO_ENDINGS.get(parts[7]) if syntax.startswith("1.2.840.10008.1.2.4.") else None


def layout_of(path: Path, tags: Dataset, syntax: UID, start: int) -> Layout | None:
    """How many frames the file has, by its bytes; None if it has none, or claims what is impossible.

    Args:
        path: the file.
        tags: its tags.
        syntax: its transfer syntax.
        start: where the element of its pixels begins.
    """
    stated = _stated_frames(tags)
    if stated is not None and stated > path.stat().st_size:
        return None
    fragments: tuple[tuple[int, int], ...] = ()
    if syntax == DeflatedExplicitVRLittleEndian:
        held = len(pydicom.dcmread(path).get("PixelData", b"")) // max(1, _frame_bytes(tags))
    elif syntax.is_encapsulated:
        fragments = tuple(_fragments(path, start + _LONG_HEADER_BYTES))
        held = len(fragments)
    else:
        held = _native_bytes(path, tags, start) // max(1, _frame_bytes(tags))
    frames = held if stated is None else min(stated, held)
    return Layout(frames, 0 if stated is None else stated - frames, fragments) if frames else None


def _stated_frames(tags: Dataset) -> int | None:
    match numbers(tags, "NumberOfFrames"):
        case [count] if count >= 1 and count.denominator == 1:
            return int(count)
    return None


def _frame_bytes(tags: Dataset) -> int:
    samples = size_of(tags, "Rows") * size_of(tags, "Columns") * size_of(tags, "SamplesPerPixel", 1)
    length = -(-samples * size_of(tags, "BitsAllocated", 8) // 8)
    return length * 2 // 3 if meaning_of(tags) == "YBR_FULL_422" else length


def meaning_of(tags: Dataset) -> str:
    """What the samples of a pixel mean: one of DICOM's terms, grey if none is given."""
    try:
        meaning = str(tags.get("PhotometricInterpretation") or "")
    except Exception:  # pydicom raises anything on invalid values
        meaning = ""
    return meaning if meaning in _MEANINGS else "MONOCHROME2"


def _native_bytes(path: Path, tags: Dataset, start: int) -> int:
    implicit, little = tags.original_encoding
    with path.open("rb") as file:
        file.seek(start)
        head = file.read(_LONG_HEADER_BYTES)
    short = implicit or head[4:6] not in (b"OB", b"OW", b"UN")
    length = int.from_bytes(head[4:8] if short else head[8:12], "little" if little else "big")
    return min(length, path.stat().st_size - start - (8 if short else _LONG_HEADER_BYTES))


def _fragments(path: Path, place: int) -> Iterator[tuple[int, int]]:
    """Offset and length of each fragment; the first item is the offset table, not a fragment."""
    end, first = path.stat().st_size, True
    with path.open("rb") as file:
        while place + _ITEM_BYTES < end:
            file.seek(place)
            head = file.read(_ITEM_BYTES)
            length = int.from_bytes(head[4:], "little")
            if head[:4] != _ITEM:
                return
            if not first:
                yield place + _ITEM_BYTES, min(length, end - place - _ITEM_BYTES)
            place, first = place + _ITEM_BYTES + length, False


def decoded_frames(
    path: Path, tags: Dataset, syntax: UID, layout: Layout, counts: DecodeCounts
) -> Iterator[tuple[int, Pixels]]:
    """Number and pixels of each frame that can be decoded; the others are counted."""
    if syntax in _FFMPEG_CODECS:
        yield from _by_ffmpeg(path, tags, syntax, layout, counts)
        return
    source: Path | Dataset = path
    odd_count = "NumberOfFrames" in tags and _stated_frames(tags) is None
    if syntax == DeflatedExplicitVRLittleEndian or odd_count:
        source = pydicom.dcmread(path)
        source.NumberOfFrames = layout.frames
    number = 0
    while number < layout.frames:
        # the bytes decide the number of frames, not the tag
        frames = iter_pixels(source, indices=range(number, layout.frames), number_of_frames=layout.frames)
        while number < layout.frames:
            try:
                pixels = next(frames)
            except MemoryError:
                raise
            except Exception:  # the decoders raise anything; whatever it is, this frame cannot be used
                counts.errors += 1
                number += 1
                break
            yield number, pixels
            number += 1


def _by_ffmpeg(
    path: Path, tags: Dataset, syntax: UID, layout: Layout, counts: DecodeCounts
) -> Iterator[tuple[int, Pixels]]:
    meaning = meaning_of(tags)
    for number, content in enumerate(_coded_frames(path, layout)):
        context = cast(VideoCodecContext, av.CodecContext.create(_FFMPEG_CODECS[syntax], "r"))
        try:
            frames = [*context.decode(av.Packet(content)), *context.decode(None)]
        except av.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            frames = []
        if not frames:
            counts.errors += 1
            continue
        yield number, _components(frames[0], meaning)


def _coded_frames(path: Path, layout: Layout) -> Iterator[bytes]:
    if len(layout.fragments) == layout.frames:
        with path.open("rb") as file:
            for offset, length in layout.fragments:
                file.seek(offset)
                yield file.read(length)
        return
    coded = pydicom.dcmread(path, specific_tags=["PixelData"]).PixelData
    yield from generate_frames(BytesIO(coded), number_of_frames=layout.frames)


def _components(frame: av.VideoFrame, meaning: str) -> Pixels:
    """Grey, or red, green and blue: the components as coded, whatever FFmpeg interprets them as."""
    if frame.format.name.startswith("gray"):
        return np.asarray(frame.to_ndarray())
    if frame.format.name in ("yuv444p", "yuvj444p"):
        coded = np.ascontiguousarray(np.moveaxis(frame.to_ndarray(), 0, -1))
        return convert_color_space(coded, meaning, "RGB") if meaning.startswith("YBR_FULL") else coded
    return np.asarray(frame.to_ndarray(format="rgb24"))
