"""Video files as FFmpeg's libraries read them, through PyAV: facts from packets, frames by decoding.

Which pictures are shown, and when, is settled here (stream, edit list, rotation, pts). Which of them are
kept is ``sampling``'s, what becomes of them ``extraction``'s. DICOM is read by ``dicom``.
"""

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from eus_etl.domain.decoded import DecodeCounts, DecodedFrame, Picture, VideoFacts
from eus_etl.domain.frame_clock import FrameClock
from eus_etl.errors import VideoUnreadableError

_REMEDY = "remove the file from the visit's folder, or export it again from the recorder"
_BESIDE_THE_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails
_FALLBACK_RATE_HZ = Fraction(25)
_ROUNDING_S = Fraction(1, 1000)  # Matroska rounds times to it, and what is copied out of Matroska keeps that
_UNSET_YEARS = (1904, 1970)  # zero of the clocks of QuickTime and Unix: a time that nobody set
_Packet: TypeAlias = "Packet[VideoStream]"  # a generic class in PyAV's stubs only

_SIDEWAYS = (90, 270)
_TURNS = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


@dataclass(frozen=True, slots=True)
class _Timing:
    """What a stream's packets say of the frames that are to be shown, without decoding any.

    Attributes:
        packets: how many packets hold such a frame.
        pts: those frames' pts, sorted; shorter than ``packets`` where some have none.
        last_duration: duration of the frame that is shown last, 0 where it is not stated.
        rate: the nominal rate in Hz, None where none is stated.
        time_base: unit of pts in seconds; one frame at the nominal rate where no packet has a pts.
        decode_times_only: the container has no presentation times, only an order of decoding.
    """

    packets: int
    pts: NDArray[np.int64]
    last_duration: int
    rate: Fraction | None
    time_base: Fraction
    decode_times_only: bool

    @property
    def synthetic(self) -> bool:
        """Whether frames can only be counted."""
        return len(self.pts) == 0

    @property
    def step(self) -> Fraction:
        """Distance of frames at the nominal rate, in units of ``time_base``."""
        return 1 / ((self.rate or _FALLBACK_RATE_HZ) * self.time_base)

    @property
    def held(self) -> NDArray[np.int64]:
        """``pts`` where each frame has one of its own, else empty: packets do not tell frames apart."""
        distinct = len(self.pts) == self.packets and bool((np.diff(self.pts) > 0).all())
        return self.pts if distinct and not self.decode_times_only else self.pts[:0]

    @property
    def varies(self) -> bool | None:
        """Whether frames lie at unequal distances; None where that is not known."""
        if self.synthetic:
            return None
        steps = np.diff(self.pts)
        spread = int(steps.max() - steps.min()) if len(steps) else 0
        return spread > 1 and spread * self.time_base > _ROUNDING_S

    @property
    def duration_s(self) -> float | None:
        """From the first frame to the end of the last."""
        if self.synthetic:
            return float(self.packets * self.time_base)
        last = self.last_duration or (round(self.step) if self.rate else 0)
        return float((int(self.pts[-1] - self.pts[0]) + last) * self.time_base)


def probe_container(path: Path, video_id: str) -> VideoFacts:
    """Facts of a video file: one walk over its packets, and its first frame decoded.

    Raises:
        VideoUnreadableError: no container, no video stream, or no frame that can be decoded.
    """
    first = next(_raw_frames(path, video_id, DecodeCounts(), threads=1), None)
    if first is None:
        raise VideoUnreadableError(video_id, "none of its frames can be decoded", _REMEDY)
    with _opened(path, video_id) as (container, stream):
        timing = _timing(container, stream)
        rotation = _rotation(first)
        width, height = _shown_size(first)
        aspect = float(stream.sample_aspect_ratio or 1)
        return VideoFacts(
            container=container.format.name.partition(",")[0],
            codec=stream.codec_context.name,
            width=width,
            height=height,
            pixel_aspect=1 / aspect if rotation in _SIDEWAYS else aspect,
            rotation=rotation,
            nominal_rate_hz=None if timing.rate is None else float(timing.rate),
            variable_rate=timing.varies,
            duration_s=timing.duration_s,
            frames_declared=stream.frames or None,
            recorded_at=_recorded_at(container, stream),
            time_base=timing.time_base,
            frames_held=timing.packets,
            synthetic_time=timing.synthetic,
        )


def decode_container(path: Path, video_id: str, counts: DecodeCounts, threads: int) -> Iterator[DecodedFrame]:
    """Frames of a video file in presentation order; what cannot be decoded is counted and skipped.

    Raises:
        VideoUnreadableError: no container or no video stream.
    """
    with _opened(path, video_id) as (container, stream):
        timing = _timing(container, stream)
    clock = FrameClock(timing.time_base, timing.step, timing.held, counts)
    for raw in _raw_frames(path, video_id, counts, threads):
        pts = counts.frames if timing.synthetic else _pts(raw, timing.decode_times_only)
        counts.frames += 1
        counts.damaged += raw.is_corrupt
        stamp = clock.stamp(pts)
        width, height = _shown_size(raw)
        yield DecodedFrame(
            pts=stamp.pts,
            repeat=stamp.repeat,
            time_base=timing.time_base,
            time_s=stamp.time_s,
            frame_index=stamp.frame_index,
            synthetic_time=timing.synthetic,
            damaged=raw.is_corrupt,
            width=width,
            height=height,
            picture=partial(_picture, raw),
        )
    # a decoder drops frames without a word too, those before the first key frame for one
    counts.errors = max(counts.errors, len(timing.held) - counts.frames)


@contextmanager
def _opened(path: Path, video_id: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    try:
        container = av.open(str(path), metadata_errors="ignore")
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, OSError):
            raise  # the disk's fault, not the file's
        # the library's message holds the file's name
        raise VideoUnreadableError(video_id, "no video file that can be opened", _REMEDY) from None
    with container:
        streams = [s for s in container.streams.video if not s.disposition & _BESIDE_THE_VIDEO]
        if container.format.name == "tty":  # FFmpeg takes any text file for a film of its letters
            streams = []
        if not streams:
            raise VideoUnreadableError(video_id, "has no video stream", _REMEDY)
        yield container, max(streams, key=lambda s: (s.width * s.height, -s.index))


def _timing(container: InputContainer, stream: VideoStream) -> _Timing:
    decode_times_only = container.format.name == "avi"
    pts = array("q")
    packets, last, last_duration = 0, None, 0
    for packet in _packets(container, stream, DecodeCounts()):
        if packet.is_discard:  # before the start of the edit list: decoded, not shown
            continue
        packets += 1
        time = _pts(packet, decode_times_only)
        if time is not None:
            pts.append(time)
            if last is None or time > last:
                last, last_duration = time, packet.duration or 0
    rate = stream.average_rate or stream.guessed_rate
    time_base = stream.time_base if pts and stream.time_base else 1 / (rate or _FALLBACK_RATE_HZ)
    return _Timing(
        packets, np.sort(np.array(pts, np.int64)), last_duration, rate, time_base, decode_times_only
    )


def _raw_frames(path: Path, video_id: str, counts: DecodeCounts, threads: int) -> Iterator[VideoFrame]:
    with _opened(path, video_id) as (container, stream):
        stream.codec_context.thread_count = threads
        stream.thread_type = "AUTO"
        packets: Iterator[_Packet | None] = _packets(container, stream, counts)
        for packet in chain(packets, (None,)):  # None has the decoder give what it still holds
            try:
                frames = stream.decode(packet)
            except av.FFmpegError:
                counts.errors += 1
                continue
            yield from frames


def _packets(container: InputContainer, stream: VideoStream, counts: DecodeCounts) -> Iterator["_Packet"]:
    try:
        for packet in container.demux(stream):
            if packet.size:  # an empty packet (a dropped frame of AVI, the end) would end the decoding
                yield packet
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise  # the disk's fault, not the file's
        counts.errors += 1


def _pts(timed: "_Packet | VideoFrame", decode_times_only: bool) -> int | None:
    return timed.dts if decode_times_only or timed.pts is None else timed.pts


def _rotation(frame: VideoFrame) -> int:
    return round(frame.rotation / 90) * 90 % 360


def _shown_size(frame: VideoFrame) -> tuple[int, int]:
    sideways = _rotation(frame) in _SIDEWAYS
    return (frame.height, frame.width) if sideways else (frame.width, frame.height)


def _picture(frame: VideoFrame) -> Picture:
    picture = np.asarray(frame.to_ndarray(format="bgr24", threads=1), np.uint8)
    rotation = _rotation(frame)
    return np.asarray(cv2.rotate(picture, _TURNS[rotation]), np.uint8) if rotation else picture


def _recorded_at(container: InputContainer, stream: VideoStream) -> str | None:
    for stated in (container.metadata.get("creation_time"), stream.metadata.get("creation_time")):
        try:
            instant = datetime.fromisoformat(stated or "")
        except ValueError:
            continue
        if instant.year not in _UNSET_YEARS:
            return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).isoformat()
    return None
