"""Video files as FFmpeg's libraries read them, through PyAV: opening, facts, frames by decoding.

Which pictures are shown, and when, is decided here (stream, edit list, orientation, pts). ``packet_index``
reads packets without decoding, ``selective_decode`` finds frames that need no decoding, ``sampling`` chooses
those that are kept, and ``dicom`` reads DICOM.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice, pairwise
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from numpy.typing import NDArray

from eus_etl.domain.images.luma import Luma
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.sampling import Sampler
from eus_etl.domain.video.deinterlace import deinterlaced
from eus_etl.domain.video.orientation import Orientation, orientation_of
from eus_etl.domain.video.packet_index import (
    PacketTimes,
    VideoPacket,
    numbered,
    packet_times,
    read_stamps,
    walk_packets,
)
from eus_etl.domain.video.selective_decode import decode_wanted, wanted_pts
from eus_etl.domain.video.source_file import PHOTO_BRANDS, STILL_FORMATS, Embedded, open_container
from eus_etl.domain.video.stretches import LOOK_AHEAD, UNTIMED
from eus_etl.domain.video.timestamps import FrameClock, lost_before_first
from eus_etl.domain.video.types import DecodeCounts, DecodedFrame, DecodeOptions, VideoFacts
from eus_etl.errors import VideoUnreadableError

_REMEDY = "remove the file from the visit's folder, or export it again from the recorder"
_NO_PHOTOS = "remove it from the visit's folder, or set extraction.still_images to keep"
_NO_TILES = "export it as JPEG or PNG"
_SMALLER = "export it with smaller pictures"
_MAX_PIXELS = 1 << 26  # twice those of an 8K picture
_BESIDE_THE_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails
_LUMA_APART = {"yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p"}  # one byte per sample
_FRAMES_TRIED = 250  # ten seconds without a B frame: this stream has none
_UNSET_YEARS = (1904, 1970)  # zero of QuickTime's and Unix's clocks: the time was never set


def probe_container(path: Path | Embedded, video_id: str, still_images: bool = False) -> VideoFacts:
    """Facts of a video file: one walk over its packets, and its first frame decoded.

    Raises:
        VideoUnreadableError: no container, no video stream, no frame that can be decoded, pictures too
            large to decode, or a photo without ``still_images``.
    """
    options = DecodeOptions(still_images=still_images, threads=1)
    first = next(_all_frames(path, video_id, DecodeCounts(), options), None)
    if first is None:
        raise VideoUnreadableError(video_id, "none of its frames can be decoded", _REMEDY)
    times = _times(path, video_id, options)
    with _opened(path, video_id, options) as (container, stream):
        orientation = orientation_of(first, _is_photo(container))
        width, height = orientation.size(first.width, first.height)
        aspect = float(stream.sample_aspect_ratio or 1)
        return VideoFacts(
            container=container.format.name.partition(",")[0],
            codec=stream.codec_context.name,
            width=width,
            height=height,
            pixel_aspect=1 / aspect if orientation.transposed else aspect,
            rotation=orientation.rotation,
            nominal_rate_hz=None if times.rate is None else float(times.rate),
            variable_rate=times.varies,
            duration_s=times.duration_s,
            frames_declared=stream.frames or None,
            recorded_at=_recorded_at(container, stream),
            time_base=times.time_base,
            frames_held=times.packets,
            synthetic_time=times.synthetic,
        )


def decode_container(
    path: Path | Embedded, video_id: str, counts: DecodeCounts, options: DecodeOptions
) -> Iterator[DecodedFrame]:
    """Frames of a video file in presentation order; what cannot be decoded is counted and skipped.

    Raises:
        VideoUnreadableError: no container or no video stream.
        SkippingUnsoundError: only with ``options.skip``: decode without it, and discard the frames so far.
    """
    times = _times(path, video_id, options)
    with _opened(path, video_id, options) as (container, stream):
        wanted = wanted_pts(stream, times, options)
        photo = _is_photo(container)
    counts.missing = times.missing
    counts.clock_restarts = max(0, len(times.stretches) - 1)
    if wanted is None:
        frames = _all_frames(path, video_id, counts, options, number=not times.told_by_pts)
    else:
        frames = _wanted_frames(path, video_id, wanted, times, options)
    first, frames, lost = _first(_counted(frames, counts), times)
    early = counts.errors
    origin = times.origin(None if first is None else first.dts, lost)
    clock = FrameClock(times.time_base, times.step, times.held, counts, origin)
    sampler = Sampler(options.rate_hz)
    shape, orientation = (0, 0, 0), Orientation()
    del first
    for place, raw in enumerate(deinterlaced(frames) if options.deinterlace else frames, lost):
        number = None if times.told_by_pts else raw.pts
        stamp = clock.stamp(_pts(raw, number, place, times), place, times.shift(number))
        if place == lost:
            counts.before_key = stamp.frame_index
        if not sampler.keeps(stamp.time_s):
            continue
        if (raw.width, raw.height, raw.rotation) != shape:
            shape = (raw.width, raw.height, raw.rotation)
            orientation = orientation_of(raw, photo)
        width, height = orientation.size(raw.width, raw.height)
        yield DecodedFrame(
            pts=stamp.pts,
            repeat=stamp.repeat,
            time_base=times.time_base,
            time_s=stamp.time_s,
            frame_index=stamp.frame_index,
            synthetic_time=times.synthetic,
            damaged=raw.is_corrupt,
            width=width,
            height=height,
            picture=partial(_picture, raw, orientation),
            luma=partial(_luma, raw, orientation),
        )
    not_seen = len(times.held) - counts.frames
    if wanted is None:
        # a decoder also drops frames silently; those before the first key frame are counted separately
        counts.errors = max(counts.errors - min(early, counts.before_key), not_seen - counts.before_key)
    else:
        counts.skipped = not_seen


def _pts(frame: VideoFrame, number: int | None, place: int, times: PacketTimes) -> int | None:
    """A frame's pts, or its substitute; None if there is none.

    Args:
        frame: from the decoder.
        number: place of its packet in decoding order, if that is what its pts holds.
        place: number of frames shown before it.
        times: from the packets.
    """
    if times.synthetic:
        return place
    if times.told_by_pts:
        return frame.dts if frame.pts is None else frame.pts
    if not times.decode_times_only and number is not None:
        stated = int(times.stated[number])
        if stated != UNTIMED:
            return stated
        if times.damaged:
            return None
    return frame.dts


def _times(path: Path | Embedded, video_id: str, options: DecodeOptions) -> PacketTimes:
    with _opened(path, video_id, options) as (container, stream):
        stamps = read_stamps(container, stream)
        decode_times_only = container.format.name == "avi"
        suspicious = stream.codec_context.has_b_frames and stamps.may_lack_presentation_times
    if suspicious and not decode_times_only:
        decode_times_only = _shown_out_of_order(path, video_id, options)
    return packet_times(stamps, decode_times_only)


def _shown_out_of_order(path: Path | Embedded, video_id: str, options: DecodeOptions) -> bool:
    """Whether the times of the first frames go backward: then they are decode times."""
    frames = islice(_all_frames(path, video_id, DecodeCounts(), options), _FRAMES_TRIED)
    pts = [frame.pts for frame in frames if frame.pts is not None]
    return any(later < earlier for earlier, later in pairwise(pts))


@contextmanager
def _opened(
    path: Path | Embedded, video_id: str, options: DecodeOptions
) -> Iterator[tuple[InputContainer, VideoStream]]:
    with open_container(path, video_id, _REMEDY) as container:
        photo = _is_photo(container)
        if photo and not options.still_images:
            raise VideoUnreadableError(video_id, "is a photo", _NO_PHOTOS, "still_image")
        # damage can turn the codec into one without a decoder: then there is no context
        streams = [
            s for s in container.streams.video if s.codec_context and not s.disposition & _BESIDE_THE_VIDEO
        ]
        if not streams:
            raise VideoUnreadableError(video_id, "has no video stream", _REMEDY)
        if photo and len(streams) > 1:
            raise VideoUnreadableError(video_id, "is a photo coded in tiles", _NO_TILES, "still_image")
        stream = max(streams, key=lambda s: (s.width * s.height, -s.index))
        if stream.width * stream.height > _MAX_PIXELS:
            cause = f"its pictures have {stream.width} x {stream.height} pixels"
            raise VideoUnreadableError(video_id, cause, _SMALLER, "too_large")
        for other in container.streams:
            if other is not stream:
                other.discard = Discard.all  # so that a truncated stream does not end the reading
        yield container, stream


def _is_photo(container: InputContainer) -> bool:
    return container.format.name in STILL_FORMATS or (
        container.format.name.startswith("mov") and container.metadata.get("major_brand") in PHOTO_BRANDS
    )


def _all_frames(
    path: Path | Embedded,
    video_id: str,
    counts: DecodeCounts,
    options: DecodeOptions,
    number: bool = False,
) -> Iterator[VideoFrame]:
    """All frames; with ``number``, each one's pts is its packet's place in decoding order."""
    with _opened(path, video_id, options) as (container, stream):
        _use_threads(stream, options.threads)
        packets = walk_packets(container, stream, counts)
        end: tuple[VideoPacket | None] = (None,)
        for packet in chain(numbered(packets) if number else packets, end):  # None flushes the decoder
            try:
                frames = stream.decode(packet)
            except av.FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise
                counts.errors += 1
                continue
            yield from frames


def _first(
    frames: Iterator[VideoFrame], times: PacketTimes
) -> tuple[VideoFrame | None, Iterator[VideoFrame], int]:
    """The first frame, all frames, and the number lost before it; 0 if its pts tells."""
    ahead = list(islice(frames, 1 if len(times.held) else LOOK_AHEAD))
    numbers = [] if len(times.held) else [frame.pts for frame in ahead if frame.pts is not None]
    lost = lost_before_first(numbers) if numbers else 0
    return ahead[0] if ahead else None, chain(ahead, frames), lost


def _wanted_frames(
    path: Path | Embedded,
    video_id: str,
    wanted: NDArray[np.int64],
    times: PacketTimes,
    options: DecodeOptions,
) -> Iterator[VideoFrame]:
    with _opened(path, video_id, options) as (container, stream):
        _use_threads(stream, options.threads)
        yield from decode_wanted(container, stream, wanted, times.held)


def _use_threads(stream: VideoStream, threads: int) -> None:
    stream.codec_context.thread_count = threads
    stream.thread_type = "AUTO"


def _counted(frames: Iterator[VideoFrame], counts: DecodeCounts) -> Iterator[VideoFrame]:
    for frame in frames:
        counts.frames += 1
        counts.damaged += frame.is_corrupt
        counts.interlaced += frame.interlaced_frame
        yield frame


def _picture(frame: VideoFrame, orientation: Orientation) -> Picture:
    picture = np.asarray(frame.to_ndarray(format="bgr24", threads=1), np.uint8)
    return orientation.apply(picture)


def _luma(frame: VideoFrame, orientation: Orientation) -> Luma | None:
    name = frame.format.name
    if name not in _LUMA_APART:
        return None
    plane = frame.planes[0]
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    full_range = name.startswith("yuvj") or frame.color_range == ColorRange.JPEG
    return Luma(orientation.apply(lines[:, : plane.width]), full_range)


def _recorded_at(container: InputContainer, stream: VideoStream) -> str | None:
    for stated in (container.metadata.get("creation_time"), stream.metadata.get("creation_time")):
        try:
            instant = datetime.fromisoformat(stated or "")
        except ValueError:
            continue
        if instant.year not in _UNSET_YEARS:
            return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).isoformat()
    return None
