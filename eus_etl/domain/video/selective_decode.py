"""Decoding without the frames that nobody needs: neither kept, nor referred to by a frame that is kept.

The packets' pts say which frames will be kept, their headers (``coded_pictures``) which others those may
need; the decoder does not get the rest. Codecs for which this was shown to give the pictures of a full decode
are those whose headers are read. Packets of a damaged file may say something else than its frames: whatever
does not come out as the packets promised ends the attempt, and the caller decodes the whole video.
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
_HELD_BYTES = 1 << 26  # no more of a stretch that may turn out not to be needed is kept in memory
_HELD_BACK = 40  # no decoder keeps more pictures to itself: 16 to put them in order, and its threads'


class SkippingUnsoundError(Exception):
    """Frames did not come out as the packets promised; what came out so far is not to be used."""


class _Timed(Protocol):
    """A packet, of which this much is looked at."""

    @property
    def pts(self) -> int | None: ...

    def __bytes__(self) -> bytes: ...


_Packet = TypeVar("_Packet", bound=_Timed)


def wanted_pts(stream: VideoStream, times: PacketTimes, options: DecodeOptions) -> NDArray[np.int64] | None:
    """The pts of the frames that will be kept, sorted; None where the video is to be decoded whole.

    That is where it is asked for, where the codec's headers are not known, where packets do not tell frames
    apart, where an edit list hides frames, and where all frames are kept.
    """
    held = times.held
    if (
        not options.skip
        or options.deinterlace  # a deinterlaced picture is made of its neighbours too
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
    """The packets of the wanted frames and of those that these may need, in their order.

    Left out are frames that none refers to, and stretches that end where decoding can begin anew, with no
    wanted frame behind them that looks back over that place. Packets that change the parameters of later
    ones are never left out; nor is what may be a wanted frame's second field, so that it is missed if the
    decoder makes one picture of both.

    Args:
        packets: all of a stream, in the order of decoding.
        wanted: pts of the frames that must come out, sorted.
        read: reads the headers of one.
    """
    to_come = wanted.tolist()[::-1]  # the earliest last
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
    """The packets; an MP4 that describes a second stretch of its samples otherwise is decoded whole."""
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
        SkippingUnsoundError: an error, a damaged picture, a pts that no packet has or that goes back, a
            wanted frame that does not come, or packets that are not a picture each (fields, for one).
    """
    awaited = chain(wanted.tolist(), (_AFTER_ALL,))
    next_wanted, latest = next(awaited), -_AFTER_ALL
    counts = DecodeCounts()
    context = stream.codec_context
    read = packet_reader(context.name, context.extradata)
    # a damaged header may spoil what follows without a word: here each fault the decoder sees is an error
    context.options = {"err_detect": "explode"}
    inside = 0  # pictures that went into the decoder and did not come out yet
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
