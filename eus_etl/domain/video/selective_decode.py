"""Decodes only needed frames: those that are kept, and those that a kept frame refers to.

The packets' pts tell which frames will be kept, their headers (``packet_headers``) which others those may
need; the decoder does not get the rest. Headers are read only for codecs where this was shown to give the
same pictures as a full decode. In a damaged file, packets and frames may disagree: any frame that does not
match its packet ends the attempt, and the caller decodes the whole video.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Protocol, TypeVar

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from eus_etl.domain.sampling import Sampler
from eus_etl.domain.video.packet_headers import READABLE_CODECS, PacketReader, packet_reader
from eus_etl.domain.video.packet_index import PacketTimes, VideoPacket, walk_packets
from eus_etl.domain.video.types import DecodeCounts, DecodeOptions

_AFTER_ALL = 2**63
_HELD_BYTES = 1 << 26  # how much of a stretch that may not be needed is kept in memory
_HELD_BACK = 40  # no decoder holds more pictures back: 16 for reordering, and one per thread


class SkippingUnsoundError(Exception):
    """Frames do not match their packets; the frames so far must not be used."""


class _Timed(Protocol):
    """The part of a packet that is used here."""

    @property
    def pts(self) -> int | None: ...

    def __bytes__(self) -> bytes: ...


_Packet = TypeVar("_Packet", bound=_Timed)


def wanted_pts(stream: VideoStream, times: PacketTimes, options: DecodeOptions) -> NDArray[np.int64] | None:
    """The pts of the frames that will be kept, sorted; None if the whole video is to be decoded.

    That is so if it was requested, if the codec's headers cannot be read, if times do not identify frames, if
    an edit list hides frames, and if all frames are kept.
    """
    held = times.held
    if (
        not options.skip
        or options.deinterlace  # a deinterlaced picture also depends on its neighbors
        or stream.codec_context.name not in READABLE_CODECS
        or times.discarded
        or times.damaged
        or len(times.stretches) > 1
        or len(held) == 0
    ):
        return None
    sampler = Sampler(options.rate_hz)
    kept = np.fromiter(
        (sampler.keeps((pts - times.first) * times.time_base) for pts in held.tolist()), np.bool_
    )
    return None if kept.all() else held[kept]


def needed_packets(
    packets: Iterable[_Packet], wanted: NDArray[np.int64], read: PacketReader
) -> Iterator[_Packet]:
    """The packets of the wanted frames and of those that they may need, in order.

    Left out are frames that no other refers to, and stretches that end at a restart point, if no wanted frame
    after them refers back across it. Packets that change the parameters of later ones are never left out; nor
    is a possible second field of a wanted frame, so that the frame is missed if the decoder joins the two.

    Args:
        packets: all of a stream, in decoding order.
        wanted: pts of the frames that must come out, sorted.
        read: reads the headers of one.
    """
    to_come = wanted.tolist()[::-1]  # in descending order
    awaited = set(to_come)
    stretch: list[_Packet] = []  # needed if a wanted frame comes before the next restart
    stretch_bytes = 0
    parameters, unfinished = b"", False
    for packet in packets:
        content = bytes(packet)
        coded = read(content)
        while to_come and to_come[-1] not in awaited:
            to_come.pop()
        if coded.restarts and packet.pts is not None and not (to_come and to_come[-1] < packet.pts):
            stretch, stretch_bytes = [], 0
        new_parameters = bool(coded.parameters) and coded.parameters != parameters
        parameters = coded.parameters or parameters
        if packet.pts in awaited or new_parameters or unfinished or stretch_bytes > _HELD_BYTES:
            yield from stretch
            stretch, stretch_bytes = [], 0
            yield packet
            unfinished = coded.unfinished and packet.pts in awaited
            awaited.discard(packet.pts)
        elif coded.referenced:
            stretch.append(packet)
            stretch_bytes += len(content)


def _of_one_description(packets: Iterable[VideoPacket]) -> Iterator[VideoPacket]:
    """The packets; an MP4 with a second sample description is decoded whole."""
    for packet in packets:
        if packet.has_sidedata("new_extradata"):
            raise SkippingUnsoundError
        yield packet


def decode_wanted(
    container: InputContainer, stream: VideoStream, wanted: NDArray[np.int64], held: NDArray[np.int64]
) -> Iterator[VideoFrame]:
    """The wanted frames and those that they may need, in presentation order.

    Args:
        container: just opened.
        stream: its video, of one of ``READABLE_CODECS``.
        wanted: pts of the frames that must come out, sorted.
        held: pts of all frames, sorted and distinct.

    Raises:
        SkippingUnsoundError: an error, a damaged picture, a pts that no packet has or that goes backward, a
            missing wanted frame, or packets that are not one picture each (such as fields).
    """
    awaited = chain(wanted.tolist(), (_AFTER_ALL,))
    next_wanted, latest = next(awaited), -_AFTER_ALL
    counts = DecodeCounts()
    context = stream.codec_context
    read = packet_reader(context.name, context.extradata)
    # a damaged header may spoil later frames silently: here every fault that the decoder sees is an error
    context.options = {"err_detect": "explode"}
    inside = 0  # pictures that the decoder has received but not returned yet
    packets = _of_one_description(walk_packets(container, stream, counts))
    for packet in chain(needed_packets(packets, wanted, read), (None,)):
        try:
            frames = stream.decode(packet)
        except av.FFmpegError:
            raise SkippingUnsoundError from None
        inside += packet is not None
        if counts.errors or inside - len(frames) > _HELD_BACK:
            raise SkippingUnsoundError
        for frame in frames:
            inside -= 1
            pts = frame.pts
            if frame.is_corrupt or pts is None or pts not in held[np.searchsorted(held, pts) :][:1]:
                raise SkippingUnsoundError
            if pts <= latest or pts > next_wanted:
                raise SkippingUnsoundError
            if pts == next_wanted:
                next_wanted = next(awaited)
            latest = pts
            yield frame
    if next_wanted != _AFTER_ALL or inside:
        raise SkippingUnsoundError
