"""What a stream's packets say of its frames before any is decoded: how many, when, how far apart.

Opening files and decoding belong to ``container``, the choice of frames to ``sampling``.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from eus_etl.domain.video.types import DecodeCounts

VideoPacket: TypeAlias = "Packet[VideoStream]"
"""A packet of a video stream; the class is generic in PyAV's stubs only."""

LOOK_AHEAD = 18
"""No codec has more frames between one and another that is coded before and shown after it."""

_FALLBACK_RATE_HZ = Fraction(25)
_ROUNDING_S = Fraction(1, 1000)  # Matroska rounds times to it, and what is copied out of Matroska keeps that


@dataclass(frozen=True, slots=True)
class PacketTimes:
    """What a stream's packets say of the frames that are to be shown.

    Attributes:
        packets: how many packets hold such a frame.
        discarded: how many more hold one that the container says is not to be shown.
        missing: how many more the container's index lists and the file, cut off, no longer holds; only the
            index of QuickTime and MP4 is exact, elsewhere 0.
        pts: the frames' pts, sorted; shorter than ``packets`` where some have none.
        first_timed: the earliest pts of those that are coded first.
        untimed_first: how many of the frames without a pts are coded before the first that has one.
        untimed_last: how many of them are coded after the last that has one.
        last_duration: duration of the frame that is shown last, 0 where it is not stated.
        rate: the nominal rate in Hz, None where none is stated.
        time_base: unit of pts in seconds; one frame at the nominal rate where no packet has a pts.
        decode_times_only: the container has no presentation times, only an order of decoding.
    """

    packets: int
    discarded: int
    missing: int
    pts: NDArray[np.int64]
    first_timed: int
    untimed_first: int
    untimed_last: int
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
    def first(self) -> int:
        """Pts of the first frame held, in units of ``time_base``; frames at the start without one precede."""
        return 0 if self.synthetic else self.first_timed - round(self._outside[0] * self.step)

    @property
    def _outside(self) -> tuple[int, int]:
        """How many frames without a pts are shown before all that have one, and how many after.

        Frames without a pts fill what is free between the others first: frames are not always shown in the
        order in which they are coded.
        """
        between = round((int(self.pts[-1]) - int(self.pts[0])) / self.step) + 1
        outside = max(0, self.packets - between)
        before = min(outside, self.untimed_first)
        return before, min(outside - before, self.untimed_last)

    def origin(self, first_given: int | None, lost: int) -> int | None:
        """Pts of the first frame held, from which times in the video count.

        Args:
            first_given: what the decoder says is the pts of the first frame that it gives.
            lost: how many frames are shown before that one.
        """
        if not self.decode_times_only:
            return self.first
        # a decoder gives decode times later than packets have them, by its delay
        lost = min(lost, len(self.pts) - 1)
        return None if first_given is None else first_given - int(self.pts[lost] - self.pts[0])

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
        after = round(self._outside[1] * self.step)
        return float((int(self.pts[-1]) - self.first + after + last) * self.time_base)


def packet_times(container: InputContainer, stream: VideoStream) -> PacketTimes:
    """Walk over all packets of a stream that was just opened."""
    decode_times_only = container.format.name == "avi"
    pts = array("q")
    packets, discarded, first_timed, last, last_duration = 0, 0, 0, None, 0
    untimed_first, untimed_last = 0, 0
    for packet in walk_packets(container, stream, DecodeCounts()):
        if packet.is_discard:  # before the start of the edit list: decoded, not shown
            discarded += 1
            continue
        packets += 1
        time = time_stamp(packet, decode_times_only)
        if time is None:
            untimed_last += 1
        else:
            untimed_first, untimed_last = untimed_first if pts else untimed_last, 0
            pts.append(time)
            if len(pts) <= LOOK_AHEAD:
                first_timed = min(pts)
            if last is None or time > last:
                last, last_duration = time, packet.duration or 0
    rate = stream.average_rate or stream.guessed_rate
    return PacketTimes(
        packets=packets,
        discarded=discarded,
        missing=max(0, stream.frames - packets - discarded) if container.format.name.startswith("mov") else 0,
        pts=np.sort(np.array(pts, np.int64)),
        first_timed=first_timed,
        untimed_first=untimed_first,
        untimed_last=untimed_last,
        last_duration=last_duration,
        rate=rate,
        time_base=stream.time_base if pts and stream.time_base else 1 / (rate or _FALLBACK_RATE_HZ),
        decode_times_only=decode_times_only,
    )


def walk_packets(
    container: InputContainer, stream: VideoStream, counts: DecodeCounts
) -> Iterator[VideoPacket]:
    """The stream's packets that hold anything; an end that cannot be read counts as one error."""
    try:
        for packet in container.demux(stream):
            if packet.size:  # an empty packet (a dropped frame of AVI, the end) would end the decoding
                yield packet
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        counts.errors += 1


def time_stamp(timed: "VideoPacket | VideoFrame", decode_times_only: bool) -> int | None:
    """The pts of a packet or frame, or what stands for it."""
    return timed.dts if decode_times_only or timed.pts is None else timed.pts
