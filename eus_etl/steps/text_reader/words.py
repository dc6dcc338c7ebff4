"""What a reader of text gives, and what can be asked of one.

The words may be names: whoever gets them counts or compares them, and keeps none. They are neither written,
logged nor shown; ``Word`` leaves its text out of its own ``repr``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Protocol

from eus_etl.domain.images.picture import Picture

_ALIKE = 0.5
_SAME_LINE = 0.3


@dataclass(frozen=True, slots=True)
class Word:
    """A line of text on a picture: what stands close together is one line.

    Attributes:
        x, y, w, h: box around it, in pixels of the picture that was given.
        score: how sure the reader is, 0 to 1; of a box whose text was not read, that it is text.
        text: what it says; empty where only boxes were asked for. It is in no ``repr``.
    """

    x: int
    y: int
    w: int
    h: int
    score: float
    text: str = field(default="", repr=False)


def shared(one: Word, other: Word) -> tuple[float, float]:
    """Shares of the smaller width and of the smaller height that two words have in common; below 0: apart."""
    across = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    down = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    return across / min(one.w, other.w), down / min(one.h, other.h)


def says_same(one: Word, other: Word) -> bool:
    """Whether two words meet, and say much the same: a reader is not sure of each letter."""
    alike = SequenceMatcher(None, one.text.casefold(), other.text.casefold(), autojunk=False).ratio()
    across, down = shared(one, other)
    return alike >= _ALIKE and across > 0 and down > _SAME_LINE


class TextReader(Protocol):
    """Finds the text on pictures."""

    @property
    def engine(self) -> str:
        """Name, version and settings: what was read by another engine is read again."""
        ...

    def read(
        self, subject: str, pictures: Iterable[Picture], side_px: int | None = None
    ) -> Iterator[list[Word]]:
        """The words of each picture, in the order of the pictures.

        Args:
            subject: id of what is read, for messages.
            pictures: uint8, grey (h, w) or BGR (h, w, 3), of any sizes.
            side_px: longer side to which each picture is brought before; None takes it as it is.

        Raises:
            TextReaderError: the engine is not whole, or fails.
            TextReaderDiedError: its process died or gave no answer.
        """
        ...

    def detect(
        self, subject: str, pictures: Iterable[Picture], side_px: int | None = None
    ) -> Iterator[list[Word]]:
        """Where text is on each picture, without reading it: cheaper by far. Arguments as for ``read``."""
        ...
