"""Two readers of text that judge what is left to read, RapidOCR as it comes and Tesseract, and one of codes.

They are given pieces of pictures on a page, at a size at which they read best. The pipeline's own check has
no part in it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from typing import Any

import cv2
import numpy as np

from benchmarks.support.screens import tesseract
from benchmarks.support.screens.planted_codes import CODE_READER, reads_code
from eus_etl.domain.images.picture import Picture

_TEXT_READERS = ("RapidOCR", "Tesseract")
READERS = (*_TEXT_READERS, CODE_READER)
"""Codes are judged by the last alone."""

_LETTERS_PX = 32
_LARGEST, _SMALLEST = 3.0, 0.5
_PAGE_PX = 1000
_GAP_PX = 14
_PIECES = 12
_ALIKE = 0.6
_TOKEN = re.compile(r"[^\W_]{4,}")


@dataclass(frozen=True)
class Piece:
    """A piece of a picture in which a string may stand.

    Attributes:
        picture: BGR or grey.
        line_px: the height of its line.
        text: what it says.
        code: whether it is drawn as a code.
    """

    picture: Picture
    line_px: float
    text: str
    code: bool = False


def readers_of(pieces: Sequence[Piece]) -> list[frozenset[str]]:
    """The readers that read each piece's string."""
    written = [piece for piece in pieces if not piece.code]
    lines = _lines_of(written)
    read = [
        frozenset(reader for reader in _TEXT_READERS if is_read(piece.text, lines[reader][at]))
        for at, piece in enumerate(written)
    ]
    rest = iter(read)
    return [
        (frozenset({CODE_READER}) if reads_code(piece.text, piece.picture) else frozenset())
        if piece.code
        else next(rest)
        for piece in pieces
    ]


def is_read(text: str, lines: Sequence[str]) -> bool:
    """Whether most of a text is among the lines: a part of four signs or more, or six tenths of it all."""
    wanted, read = _plain(text), [_plain(line) for line in lines]
    tokens = [_plain(token) for token in _TOKEN.findall(text)] or [wanted]
    everything = "".join(read)
    return any(token in everything for token in tokens) or any(
        SequenceMatcher(None, wanted, line).ratio() >= _ALIKE for line in (*read, everything)
    )


def _lines_of(pieces: Sequence[Piece]) -> dict[str, list[list[str]]]:
    """By reader, the lines that it reads on each piece."""
    found: dict[str, list[list[str]]] = {reader: [] for reader in _TEXT_READERS}
    for start in range(0, len(pieces), _PIECES):
        page, tops = _page(pieces[start : start + _PIECES])
        count = len(pieces[start : start + _PIECES])
        for reader, boxes in (("RapidOCR", _rapid(page)), ("Tesseract", _tesseract(page))):
            lines: list[list[str]] = [[] for _ in range(count)]
            for y, text in boxes:
                lines[max(0, int(np.searchsorted(tops, y, side="right")) - 1)].append(text)
            found[reader] += lines
    return found


def _page(pieces: Sequence[Piece]) -> tuple[Picture, list[int]]:
    """The pieces below one another, in grey, and where each begins."""
    scaled = []
    for piece in pieces:
        grey = piece.picture
        if grey.ndim == 3:
            grey = np.asarray(cv2.cvtColor(grey, cv2.COLOR_BGR2GRAY), np.uint8)
        scale = max(_SMALLEST, min(_LARGEST, _LETTERS_PX / piece.line_px, _PAGE_PX / grey.shape[1]))
        method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
        scaled.append(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=method)[:, :_PAGE_PX])
    tops = np.cumsum([0, *(len(picture) + _GAP_PX for picture in scaled)]).tolist()
    page = np.zeros((tops[-1], max(picture.shape[1] for picture in scaled)), np.uint8)
    for top, picture in zip(tops, scaled, strict=False):
        page[top : top + len(picture), : picture.shape[1]] = picture
    return page, tops[:-1]


def _rapid(page: Picture) -> Iterator[tuple[float, str]]:
    found = _engine()(cv2.cvtColor(page, cv2.COLOR_GRAY2BGR), use_cls=False)
    if found.boxes is not None:
        for corners, text in zip(found.boxes, found.txts, strict=True):
            yield float(np.mean([y for _, y in corners])), text


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.max_side_len": 1 << 15,
            "Det.limit_type": "max",
            "Det.limit_side_len": 1 << 15,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        }
    )


def _tesseract(page: Picture) -> Iterator[tuple[float, str]]:
    """Its lines on the page as it is and turned to dark on white: it takes either for what it is at times."""
    for shown in (page, 255 - page):
        yield from tesseract.read_places(np.asarray(shown, np.uint8))


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()
