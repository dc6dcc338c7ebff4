"""Full pictures from interlaced frames, by FFmpeg's filter bwdif: one for each frame, at its own time.

The configuration decides whether to deinterlace.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Self

import av
from av.filter import Graph
from av.video.frame import VideoFrame

_ANY_TIME_BASE = Fraction(1, 1000)  # frames leave the filter in the order in which they enter


def deinterlaced(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """Each frame: deinterlaced if it is marked as interlaced, unchanged if not.

    The other field's lines come from the frames before and after (W3FDIF and YADIF joined: ffmpeg-filters,
    ``bwdif``). Number, order, pts and marks of damage stay the same; the filter holds one frame back.
    """
    filtering: _Filter | None = None
    for frame in frames:
        if filtering is None or not filtering.takes(frame):
            if filtering:
                yield from filtering.finish()
            filtering = _Filter.like(frame)
        yield from filtering.push(frame)
    if filtering:
        yield from filtering.finish()


@dataclass(slots=True)
class _Filter:
    """A filter for frames of one size and format."""

    shape: tuple[int, int, str]
    graph: Graph
    held_back: deque[tuple[int | None, int | None]] = field(default_factory=deque)
    pushed: int = 0

    @classmethod
    def like(cls, frame: VideoFrame) -> Self:
        graph = Graph()
        graph.threads = 1
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=_ANY_TIME_BASE
        )
        filtering = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
        graph.link_nodes(source, filtering, graph.add("buffersink")).configure()
        return cls((frame.width, frame.height, frame.format.name), graph)

    def takes(self, frame: VideoFrame) -> bool:
        return self.shape == (frame.width, frame.height, frame.format.name)

    def push(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        self.held_back.append((frame.pts, frame.dts))
        frame.pts, frame.time_base = self.pushed, _ANY_TIME_BASE
        self.pushed += 1
        self.graph.vpush(frame)
        return self._pull()

    def finish(self) -> Iterator[VideoFrame]:
        self.graph.vpush(None)
        return self._pull()

    def _pull(self) -> Iterator[VideoFrame]:
        while self.held_back:
            try:
                frame = self.graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            frame.pts, frame.dts = self.held_back.popleft()
            yield frame
