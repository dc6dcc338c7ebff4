"""Which frames of a video are kept, and which few represent many. Decodes nothing."""

from fractions import Fraction

import numpy as np


class Sampler:
    """Keeps, for each k = 0, 1, ..., the first frame at or after k / rate seconds of its video.

    One frame can serve several k (a gap in the recording), and is kept once. Fed with every frame of one
    video in presentation order; a frame that goes back in time is kept only if it serves a k that no
    frame has served yet.

    Args:
        rate_hz: frames kept per second; None keeps all. Taken as the decimal number that is
            written: 0.1 is exactly a tenth.
    """

    def __init__(self, rate_hz: float | None) -> None:
        self._rate = None if rate_hz is None else Fraction(repr(rate_hz))
        self._next = 0

    def keeps(self, time_s: Fraction) -> bool:
        """Whether the frame at ``time_s`` seconds after the video's first frame is kept."""
        if self._rate is None:
            return True
        position = time_s * self._rate
        if position < self._next:
            return False
        self._next = position.numerator // position.denominator + 1
        return True


def spread(size: int, count: int) -> list[int]:
    """At most ``count`` positions below ``size``, evenly spread from the first to the last."""
    places = np.linspace(0, size - 1, min(count, size)).round()
    return [int(place) for place in places]
