"""Reads all pictures of one layout: each where it most looks like text, and some of them whole.

The words are counted here and dropped; where they stand is kept, in memory. ``domain.burned_in_text`` chooses
what is read, ``check`` decides what a word means for the visit.
"""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from eus_etl.domain.burned_in_text.likeness import darkest_and_brightest
from eus_etl.domain.burned_in_text.patches import Patch, patches
from eus_etl.domain.burned_in_text.sheets import Sheet, sheets
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.images.threads import one_thread_a_picture
from eus_etl.domain.sampling import spread
from eus_etl.domain.scanner_text import may_name_someone
from eus_etl.steps.text_reader.words import TextReader, Word

FORMAT = 4
"""Increased when equal pictures have to be read again."""

_FEW = 150
"""A picture that is read whole takes as long as a second of video; of so many, one may be."""
_STACKED = 16
"""Pictures that are laid over one another, spread over the layout."""
_WHOLE_SCALE = 1.5
"""Letters 10 px high are read better at 15."""

# Clean layouts seem to show a word now and then, of which the reader is never so sure: by 0.63 at most, and
# by 0.86 where it has three signs, as a shadow beside a needle may look like
_SURE, _SURE_OF_FEW = 0.7, 0.9
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Find:
    """Where words were read.

    Attributes:
        first, stop: positions of the first picture, and after the last one, in which they may stand.
        x, y, w, h: box around them, px of the picture.
        words: how many.
    """

    first: int
    stop: int
    x: int
    y: int
    w: int
    h: int
    words: int


def read_pictures(
    reader: TextReader,
    subject: str,
    count: int,
    read: Callable[[int], Picture],
    whole: int,
    *,
    strict: bool = False,
) -> list[Find]:
    """All words that the pictures of a layout show.

    Args:
        reader: what reads.
        subject: id of what is read, for messages.
        count: how many pictures there are.
        read: gives one of them by its position, grey (h, w), all of one size.
        whole: how many are read whole as well, in a long layout: those with a place that most newly looks
            like text.
        strict: whether scales, calipers and settings count like any word.

    Raises:
        TextReaderError: the reader fails.
    """
    with one_thread_a_picture():
        newest = _Newest(min(whole, count // _FEW))
        stacked: dict[int, Picture] = dict.fromkeys(spread(count, _STACKED), np.empty(0, np.uint8))

        def pictures() -> Iterator[Picture]:
            for position in range(count):
                picture = read(position)
                if position in stacked:
                    stacked[position] = picture
                yield picture

        finds = list(_read_sheets(reader, subject, newest.noted(patches(pictures())), strict))
        finds += _read_whole(reader, subject, [_stack(stacked, count), *newest.pictures(read)], strict)
    return finds


@dataclass(frozen=True, slots=True)
class _Page:
    """A whole picture to read, and the span of pictures that it stands for."""

    first: int
    stop: int
    picture: Picture


class _Newest:
    """Keeps note of the pictures that have the newest patches, none beside another."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._noted: list[tuple[float, int]] = []

    def noted(self, found: Iterable[Patch]) -> Iterator[Patch]:
        """Pass the patches on."""
        for patch in found:
            if patch.new > 0:
                self._noted.append((patch.new, patch.first))
            yield patch

    def pictures(self, read: Callable[[int], Picture]) -> Iterator[_Page]:
        """These pictures, each read again."""
        chosen: list[int] = []
        for _, position in heapq.nlargest(len(self._noted), self._noted):
            if len(chosen) == self._count:
                break
            if all(abs(position - other) > 1 for other in chosen):
                chosen.append(position)
        for position in sorted(chosen):
            yield _Page(position, position + 1, read(position))


def _stack(stacked: Mapping[int, Picture], count: int) -> _Page:
    """What stays put in the whole layout."""
    return _Page(0, count, darkest_and_brightest([stacked[position] for position in sorted(stacked)]))


def _read_sheets(reader: TextReader, subject: str, found: Iterable[Patch], strict: bool) -> Iterator[Find]:
    waiting: list[Sheet] = []

    def pages() -> Iterator[Picture]:
        for sheet in sheets(found):
            waiting.append(sheet)
            yield sheet.page

    for words in reader.read(subject, pages()):
        sheet = waiting.pop(0)
        for word in words:
            if named := _count(word, strict):
                patch, top = sheet.at(word.y + word.h / 2)
                yield Find(
                    patch.first,
                    patch.stop,
                    patch.x + word.x * patch.scale,
                    patch.y + max(0, word.y - top) * patch.scale,
                    word.w * patch.scale,
                    word.h * patch.scale,
                    named,
                )


def _read_whole(reader: TextReader, subject: str, pages: Sequence[_Page], strict: bool) -> Iterator[Find]:
    large = (_enlarged(page.picture) for page in pages)
    for page, words in zip(pages, reader.read(subject, large), strict=True):
        for word in words:
            if named := _count(word, strict):
                x, y, w, h = (round(edge / _WHOLE_SCALE) for edge in (word.x, word.y, word.w, word.h))
                yield Find(page.first, page.stop, x, y, w, h, named)


def _enlarged(picture: Picture) -> Picture:
    scaled = cv2.resize(picture, None, fx=_WHOLE_SCALE, fy=_WHOLE_SCALE, interpolation=cv2.INTER_CUBIC)
    return np.asarray(scaled, np.uint8)


def _count(word: Word, strict: bool) -> int:
    """How many words stand in a line, if the reader is sure of it and it may name somebody."""
    if not may_name_someone(word.text, strict=strict):
        return 0
    signs = sum(map(str.isalnum, word.text))
    return len(_WORD.findall(word.text)) if word.score >= (_SURE if signs > 3 else _SURE_OF_FEW) else 0
