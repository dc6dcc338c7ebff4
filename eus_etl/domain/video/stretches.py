"""The stretches of a stream's clock: where it restarts, and where each stretch is placed.

Parts joined end to end, and recorders that restart, set the clock back in mid-file. A step backward starts a
stretch, which is placed where the previous one ends. A step forward is a gap, and stays one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

UNTIMED = -(2**63)
"""The time of a packet without one (FFmpeg's AV_NOPTS_VALUE)."""

LOOK_AHEAD = 18
"""The most frames by which any codec reorders one."""

_JITTER_S = Fraction(1, 10)  # shorter than any recording that would be joined to another
_JUMP_S = 1


@dataclass(frozen=True, slots=True)
class PacketStamps:
    """What the packets of the frames to be shown state, in decoding order.

    Attributes:
        pts: presentation times, ``UNTIMED`` if missing.
        dts: decode times, likewise.
        durations: durations, 0 if not stated.
        discarded: number of packets with a frame that is not to be shown.
        missing: number of frames in the container's index that the file lacks.
        rate: the nominal rate in Hz.
        time_base: unit of all times in seconds.
    """

    pts: NDArray[np.int64]
    dts: NDArray[np.int64]
    durations: NDArray[np.int64]
    discarded: int
    missing: int
    rate: Fraction | None
    time_base: Fraction

    @property
    def may_lack_presentation_times(self) -> bool:
        """Whether pts add nothing to dts: all are equal, or differ by the same amount."""
        known = (self.pts != UNTIMED) & (self.dts != UNTIMED)
        return len(set((self.pts[known] - self.dts[known]).tolist())) <= 1


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames between two restarts of the clock.

    Attributes:
        start: place of its first packet in decoding order.
        first: time of its first frame.
        end: when its last frame ends.
        shift: what to add to its times.
    """

    start: int
    first: int
    end: int
    shift: int


def clock_starts(stamps: PacketStamps) -> tuple[tuple[int, ...], frozenset[int]]:
    """Places in decoding order where the clock starts, and places of packets with a stray time.

    A time that jumps ahead and back within a few frames is damaged, and starts no stretch.
    """
    step = 1 / ((stamps.rate or 25) * stamps.time_base)
    jitter = max(float(step), float(_JITTER_S / stamps.time_base))
    jump = max(float(step) * LOOK_AHEAD, float(_JUMP_S / stamps.time_base))
    by_dts = bool((stamps.dts != UNTIMED).any())
    # presentation times always go back and forth between frames
    tolerance = jitter if by_dts else max(jitter, float(step) * LOOK_AHEAD)
    starts, strays = [0], set[int]()
    latest: int | None = None
    before_jump, jumped_at = 0, -LOOK_AHEAD - 1
    for place, time in enumerate((stamps.dts if by_dts else stamps.pts).tolist()):
        if time == UNTIMED:
            continue
        if latest is not None and time < latest - tolerance:
            if place - jumped_at <= LOOK_AHEAD and 0 < time - before_jump < jump:
                strays.update(range(jumped_at, place))
            else:
                starts.append(place)
            latest = time
        elif latest is not None and time > latest + jump:
            before_jump, jumped_at = latest, place
        latest = time if latest is None else max(latest, time)
    return tuple(starts), frozenset(strays)


def laid_out(
    times: NDArray[np.int64],
    durations: NDArray[np.int64],
    starts: Sequence[int],
    step: Fraction,
    rate_stated: bool,
) -> Iterator[Stretch]:
    """The stretches, placed end to end.

    Args:
        times: of the frames in decoding order, ``UNTIMED`` if missing.
        durations: of the frames, 0 if missing.
        starts: where stretches begin.
        step: interval of frames at the nominal rate.
        rate_stated: whether the container states that rate.
    """
    end: int | None = None
    for start, stop in zip(starts, [*starts[1:], len(times)], strict=True):
        known = np.flatnonzero(times[start:stop] != UNTIMED) + start
        if not len(known):
            continue
        values = times[known]
        before, after = _outside(values, stop - start, int(known[0]) - start, stop - 1 - int(known[-1]), step)
        first = int(values[:LOOK_AHEAD].min()) - round(before * step)
        last = int(durations[known[values.argmax()]]) or (round(step) if rate_stated else 0)
        shift = 0 if end is None else end - first
        stretch = Stretch(start, first, int(values.max()) + last + round(after * step), shift)
        end = stretch.end + shift
        yield stretch


def _outside(
    values: NDArray[np.int64], packets: int, untimed_first: int, untimed_last: int, step: Fraction
) -> tuple[int, int]:
    """How many frames without a time are shown before all others, and how many after.

    Frames without a time first fill the gaps between the others: frames are not always shown in coding order.
    """
    between = round((int(values.max()) - int(values.min())) / step) + 1
    outside = max(0, packets - between)
    before = min(outside, untimed_first)
    return before, min(outside - before, untimed_last)
