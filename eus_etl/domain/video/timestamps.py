"""From the pts that a decoder gives, or fails to give, to a frame's pts, repeat, time and index."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from eus_etl.domain.video.types import DecodeCounts


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a frame is shown; the attributes are those of ``types.DecodedFrame``."""

    pts: int
    repeat: int
    time_s: Fraction
    frame_index: int


class FrameClock:
    """Timestamps the frames of one video, given in presentation order.

    The order is never changed: a pts that repeats or goes backward is kept and counted. A frame without a pts
    follows the previous one at the last known interval, or at ``step``.

    Args:
        time_base: unit of pts in seconds.
        step: interval of frames at the nominal rate, in units of ``time_base``; for a frame without a pts
            before any interval is known.
        held: times of all frames in the packets, sorted and distinct, which give a frame's index even if
            frames before it are lost; empty if unknown: then frames are counted as they come.
        origin: time of the first frame in the packets, decoded or not; None for that of the first frame
            stamped.
        counts: where backward, repeated and untimed frames are counted.
    """

    def __init__(
        self,
        time_base: Fraction,
        step: Fraction,
        held: NDArray[np.int64],
        counts: DecodeCounts,
        origin: int | None = None,
    ) -> None:
        self._time_base = time_base
        self._step = step
        self._held = held
        self._counts = counts
        self._origin = origin
        self._seen = array("q")
        self._times: tuple[int, ...] = ()  # of the last two frames
        self._latest: int | None = None
        self._next_index = 0

    def stamp(self, pts: int | None, place: int = 0, shift: int = 0) -> Stamp:
        """Stamp the next frame.

        Args:
            pts: from the decoder.
            place: number of frames known to be shown before it: its least index if ``held`` gives none.
            shift: what to add to its pts to put all times on one clock.
        """
        if pts is None:
            self._counts.untimed += 1
            pts = self._after_last(place) - shift
        time = pts + shift
        repeat = 0
        if self._latest is not None and pts <= self._latest:
            repeat = int(np.count_nonzero(np.frombuffer(self._seen, np.int64) == pts))
            if repeat:
                self._counts.repeated += 1
        if self._times and time < self._times[-1]:
            self._counts.backward += 1
        self._seen.append(pts)
        self._times = (*self._times[-1:], time)
        self._latest = pts if self._latest is None else max(self._latest, pts)
        # no frame is shown before the first, whatever damaged packets say
        if self._origin is None or len(self._seen) == 1:
            self._origin = time if self._origin is None else min(self._origin, time)
        index = self._index_of(time, place)
        self._next_index = index + 1
        return Stamp(pts, repeat, (time - self._origin) * self._time_base, index)

    def _after_last(self, place: int) -> int:
        if not self._times:
            return round((self._origin or 0) + place * self._step)
        shown = self._times[-1] - self._times[0]
        return round(self._times[-1] + (shown if shown > 0 else self._step))

    def _index_of(self, time: int, least: int) -> int:
        place = int(np.searchsorted(self._held, time))
        known = place < len(self._held) and self._held[place] == time
        if known and place >= self._next_index:
            return place
        return max(self._next_index, 0 if len(self._held) else least)


def lost_before_first(numbers: Sequence[int]) -> int:
    """How many frames are lost before the first one that a decoder gives.

    They come before the first key frame, or after it but refer back across it (leading pictures of an open
    GOP).

    Args:
        numbers: places in decoding order of the first frames given, in presentation order; as many as a
            decoder may hold back.
    """
    first, *rest = sorted(numbers)
    return first + (rest[0] - first - 1 if rest else 0)
