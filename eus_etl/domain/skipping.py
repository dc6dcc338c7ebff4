"""Decoding without the frames that nobody needs: neither kept, nor referred to by a frame that is decoded.

The packets' pts say which frames will be kept; for every other packet the decoder is told to leave out a
frame that no other refers to. Codecs for which this was shown to give the pictures of a full decode are
listed here. Packets of a damaged file may say something else than its frames: whatever does not come out as
the packets promised ends the attempt, and the caller decodes the whole video.
"""

from collections.abc import Iterator
from itertools import chain

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from eus_etl.domain.decoded import DecodeCounts, DecodeOptions
from eus_etl.domain.packet_times import PacketTimes, walk_packets
from eus_etl.domain.sampling import Sampler

_PROVEN_CODECS = frozenset({"h264", "mpeg2video"})  # of HEVC some pictures come out different

_AFTER_ALL = 2**63


class SkippingUnsoundError(Exception):
    """Frames did not come out as the packets promised; what came out so far is not to be used."""


def wanted_pts(stream: VideoStream, times: PacketTimes, options: DecodeOptions) -> NDArray[np.int64] | None:
    """The pts of the frames that will be kept, sorted; None where the video is to be decoded whole.

    That is where it is asked for, where the codec is not proven, where packets do not tell frames apart,
    where an edit list hides frames, and where all frames are kept.
    """
    held = times.held
    if (
        not options.skip
        or options.deinterlace  # a deinterlaced picture is made of its neighbours too
        or stream.codec_context.name not in _PROVEN_CODECS
        or times.discarded
        or len(held) == 0
    ):
        return None
    sampler = Sampler(options.rate_hz)
    first = int(held[0])
    kept = np.fromiter((sampler.keeps((pts - first) * times.time_base) for pts in held.tolist()), np.bool_)
    return None if kept.all() else held[kept]


def decode_wanted(
    container: InputContainer, stream: VideoStream, wanted: NDArray[np.int64], held: NDArray[np.int64]
) -> Iterator[VideoFrame]:
    """The wanted frames and those that they need, in presentation order.

    Args:
        container: just opened.
        stream: its video.
        wanted: pts of the frames that must come out, sorted.
        held: pts of all frames, sorted and distinct.

    Raises:
        SkippingUnsoundError: an error, a damaged picture, a pts that no packet has or that goes back, or a
            wanted frame that does not come.
    """
    needed = frozenset(wanted.tolist())
    awaited = chain(wanted.tolist(), (_AFTER_ALL,))
    next_wanted, latest = next(awaited), -_AFTER_ALL
    counts = DecodeCounts()
    context = stream.codec_context
    # a damaged header may spoil what follows without a word: here each fault the decoder sees is an error
    context.options = {"err_detect": "explode"}
    for packet in chain(walk_packets(container, stream, counts), (None,)):
        context.skip_frame = "DEFAULT" if packet is None or packet.pts in needed else "NONREF"
        try:
            frames = stream.decode(packet)
        except av.FFmpegError:
            raise SkippingUnsoundError from None
        if counts.errors:
            raise SkippingUnsoundError
        for frame in frames:
            pts = frame.pts
            if frame.is_corrupt or pts is None or pts not in held[np.searchsorted(held, pts) :][:1]:
                raise SkippingUnsoundError
            if pts <= latest or pts > next_wanted:
                raise SkippingUnsoundError
            if pts == next_wanted:
                next_wanted = next(awaited)
            latest = pts
            yield frame
    if next_wanted != _AFTER_ALL:
        raise SkippingUnsoundError
