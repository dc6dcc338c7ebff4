"""Faults that a drive server shows on demand: planned one by one, or at random from a seed."""

import random
import threading
from collections import deque
from dataclasses import dataclass, field

ANY_REQUEST = ("drop", "stall", "429", "500", "503", "403 userRateLimitExceeded", "expired token")
MEDIA_ONLY = ("drop at byte", "stall at byte", "corrupt", "ignore range")


@dataclass(slots=True)
class Faults:
    """Which fault the next request meets.

    Attributes:
        share: share of all requests that meet one at random.
        planned: faults of the next media requests, then of the next other requests; None for no fault.
        stall_s: how long the server falls silent.
        retry_after: header of 429 answers.
        at_byte: where a content is cut short or damaged; None for anywhere.
        happened: how often each fault happened.
    """

    seed: int = 0
    share: float = 0.0
    media: deque[str | None] = field(default_factory=deque)
    other: deque[str | None] = field(default_factory=deque)
    stall_s: float = 0.6
    retry_after: str = "0"
    at_byte: int | None = None
    happened: dict[str, int] = field(default_factory=dict)
    _random: random.Random = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def draw(self, is_media: bool) -> str | None:
        with self._lock:
            planned = self.media if is_media else self.other
            if planned:
                fault = planned.popleft()
            elif self._random.random() < self.share:
                kinds = (*ANY_REQUEST, *MEDIA_ONLY, *MEDIA_ONLY) if is_media else ANY_REQUEST
                fault = self._random.choice(kinds)
            else:
                fault = None
            if fault:
                self.happened[fault] = self.happened.get(fault, 0) + 1
            return fault

    def place(self, length: int) -> int:
        """A byte, within a content of ``length`` bytes, at which something happens."""
        if self.at_byte is not None:
            return min(self.at_byte, length)
        with self._lock:
            return self._random.randrange(length) if length else 0
