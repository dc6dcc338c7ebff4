"""What a stream's packets say about its frames before decoding: how many, when, how far apart.

``ffmpeg`` opens and decodes files, ``sampling`` chooses frames.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from typing import TypeAlias

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from eus_etl.domain.video.stretches import UNTIMED, PacketStamps, Stretch, clock_starts, laid_out
from eus_etl.domain.video.types import DecodeCounts

VideoPacket: TypeAlias = "Packet[VideoStream]"
"""A packet of a video stream; generic only in PyAV's stubs."""

_FALLBACK_RATE_HZ = Fraction(25)
_ROUNDING_S = Fraction(1, 1000)  # Matroska rounds times to it, and streams copied from Matroska keep that


@dataclass(frozen=True, slots=True)
class PacketTimes:
    """What a stream's packets say about the frames to be shown.

    Times are laid end to end: where the stream's clock restarts (joined parts, a recorder that restarts), the
    next stretch begins where the previous one ends.

    Attributes:
        packets: number of packets with such a frame.
        discarded: number of packets with a frame that the container marks as not to be shown.
        missing: number of further frames in the container's index that a truncated file lacks; only the index
            of QuickTime and MP4 is exact, elsewhere 0.
        laid: the frames' times, sorted, in units of ``time_base``; shorter than ``packets`` if some have
            none.
        stated: each packet's pts in decoding order, ``UNTIMED`` if it is missing or damaged.
        stretches: the stretches of the clock, in order; empty if no packet has a time.
        damaged: some packets' pts are damaged.
        rate: the nominal rate in Hz, None if not stated.
        time_base: unit of pts in seconds; one frame at the nominal rate if no packet has a pts.
        decode_times_only: the stream has no presentation times, only a decoding order.
    """

    packets: int
    discarded: int
    missing: int
    laid: NDArray[np.int64]
    stated: NDArray[np.int64]
    stretches: tuple[Stretch, ...]
    damaged: bool
    rate: Fraction | None
    time_base: Fraction
    decode_times_only: bool

    @property
    def synthetic(self) -> bool:
        """Whether frames can only be counted."""
        return len(self.laid) == 0

    @property
    def step(self) -> Fraction:
        """Interval of frames at the nominal rate, in units of ``time_base``."""
        return 1 / ((self.rate or _FALLBACK_RATE_HZ) * self.time_base)

    @property
    def held(self) -> NDArray[np.int64]:
        """``laid`` if all times are distinct; otherwise empty, as times do not identify frames."""
        distinct = len(self.laid) == self.packets and bool((np.diff(self.laid) > 0).all())
        return self.laid if distinct and not self.decode_times_only else self.laid[:0]

    @property
    def told_by_pts(self) -> bool:
        """Whether a frame's pts alone identifies it."""
        return len(self.held) > 0 and len(self.stretches) == 1 and not self.damaged

    @property
    def first(self) -> int:
        """Time of the first frame held, in units of ``time_base``."""
        return self.stretches[0].first if self.stretches else 0

    def shift(self, number: int | None) -> int:
        """What to add to a frame's pts to lay it end to end, by the frame's place in decoding order."""
        if number is None or len(self.stretches) < 2:
            return 0
        later = bisect_right(self.stretches, number, key=lambda stretch: stretch.start)
        return self.stretches[max(0, later - 1)].shift

    def origin(self, first_given: int | None, lost: int) -> int | None:
        """Time of the first frame held, from which times in the video count.

        Args:
            first_given: pts of the first frame that the decoder returns.
            lost: number of frames shown before that one.
        """
        if not self.decode_times_only:
            return self.first
        # a decoder's decode times lag behind the packets' by its delay
        lost = min(lost, len(self.laid) - 1)
        return None if first_given is None else first_given - int(self.laid[lost] - self.laid[0])

    @property
    def varies(self) -> bool | None:
        """Whether the intervals between frames vary; None if unknown."""
        if self.synthetic:
            return None
        steps = np.diff(self.laid)
        spread = int(steps.max() - steps.min()) if len(steps) else 0
        return spread > 1 and spread * self.time_base > _ROUNDING_S

    @property
    def duration_s(self) -> float | None:
        """From the first frame to the end of the last, over all stretches."""
        if self.synthetic:
            return float(self.packets * self.time_base)
        last = self.stretches[-1]
        return float((last.end + last.shift - self.first) * self.time_base)


def packet_times(stamps: PacketStamps, decode_times_only: bool) -> PacketTimes:
    """What the packets say, once it is decided whether to trust their presentation times."""
    times = stamps.dts if decode_times_only else np.where(stamps.pts == UNTIMED, stamps.dts, stamps.pts)
    starts, strays = ((0,), frozenset[int]()) if decode_times_only else clock_starts(stamps)
    times, stated = times.copy(), stamps.pts.copy()
    times[list(strays)] = stated[list(strays)] = UNTIMED
    base = stamps.time_base if (times != UNTIMED).any() else 1 / (stamps.rate or _FALLBACK_RATE_HZ)
    step = 1 / ((stamps.rate or _FALLBACK_RATE_HZ) * base)
    stretches = tuple(laid_out(times, stamps.durations, starts, step, stamps.rate is not None))
    ends = [*(stretch.start for stretch in stretches[1:]), len(times)][: len(stretches)]
    laid = [
        part[part != UNTIMED] + stretch.shift
        for stretch, end in zip(stretches, ends, strict=True)
        for part in (times[stretch.start : end],)
    ]
    return PacketTimes(
        packets=len(times),
        discarded=stamps.discarded,
        missing=stamps.missing,
        laid=np.sort(np.concatenate([np.empty(0, np.int64), *laid])),
        stated=stated,
        stretches=stretches,
        damaged=bool(strays),
        rate=stamps.rate,
        time_base=base,
        decode_times_only=decode_times_only,
    )


def read_stamps(container: InputContainer, stream: VideoStream) -> PacketStamps:
    """Read all packets of a stream that was just opened."""
    pts, dts, durations = array("q"), array("q"), array("q")
    discarded = 0
    for packet in walk_packets(container, stream, DecodeCounts()):
        if packet.is_discard:  # before the start of the edit list: decoded, not shown
            discarded += 1
            continue
        pts.append(UNTIMED if packet.pts is None else packet.pts)
        dts.append(UNTIMED if packet.dts is None else packet.dts)
        durations.append(packet.duration or 0)
    listed = stream.frames if container.format.name.startswith("mov") else 0
    return PacketStamps(
        pts=np.array(pts, np.int64),
        dts=np.array(dts, np.int64),
        durations=np.array(durations, np.int64),
        discarded=discarded,
        missing=max(0, listed - len(pts) - discarded),
        rate=stream.average_rate or stream.guessed_rate,
        time_base=stream.time_base or 1 / _FALLBACK_RATE_HZ,
    )


def walk_packets(
    container: InputContainer, stream: VideoStream, counts: DecodeCounts
) -> Iterator[VideoPacket]:
    """The stream's non-empty packets; an unreadable end counts as one error."""
    try:
        for packet in container.demux(stream):
            if packet.size:  # an empty packet (a dropped AVI frame, or the end) would end the decoding
                yield packet
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        counts.errors += 1


def numbered(packets: Iterator[VideoPacket]) -> Iterator[VideoPacket]:
    """The packets; each one that is to be shown gets its place in this order as pts.

    Decoders only copy a packet's pts to its frame, so the frame then tells which packet it came from. PyAV's
    ``opaque`` would too, but the decoder's threads free it, and it confuses equal small numbers of two
    decoders.
    """
    numbers = count()
    for packet in packets:
        packet.pts = None if packet.is_discard else next(numbers)
        yield packet
