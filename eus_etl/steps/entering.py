"""Finds what comes into the ultrasound picture for a while and is none: labels, windows, pages, codes.

``screen.entering`` asks for the frames in which the cells change at once; here their pixels are read, and the
frames around one that shows words are followed to where the words are gone. What was read is counted and
dropped.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.domain.cells.statistics import CellGrid
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.scanner_text import may_name_someone
from eus_etl.domain.screen.drawn_codes import shows_code
from eus_etl.domain.screen.entering import (
    Covered,
    Levels,
    cells_that_changed,
    format_rows,
    may_have_entered,
    sudden_changes,
    sudden_color,
)
from eus_etl.domain.screen.layouts import Layout
from eus_etl.domain.screen.overlays import Boxes, format_boxes
from eus_etl.domain.screen.region import Box, Polygon, Region, mask
from eus_etl.steps.text_reader.processes import SeparateReader
from eus_etl.steps.text_reader.words import Word, says_same
from eus_etl.storage.extraction_store import read_image

_Pixel = TypeVar("_Pixel", np.uint8, np.bool_)
_SURE = 0.6
_EARLIER = 10

_INSIDE = 0.15
_FOLLOWED = 2
_MARGIN_PX = 24
_LONGEST_SIDE_PX = 736
_MARGIN_FRAMES = 1
"""Frames left out on either side: what fades is legible before it is sure."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames of one layout.

    Attributes:
        layout_id: for messages.
        first_row: row of the first frame in the segment's grid.
        grid: the cells of these frames alone.
        frames: ``frame_id, path`` of each.
    """

    layout_id: str
    first_row: int
    grid: CellGrid
    frames: pl.DataFrame

    @classmethod
    def of(cls, layout_id: str, layout: Layout, grid: CellGrid, frames: pl.DataFrame) -> "Stretch":
        """A layout with the grid of its segment and its own frames."""
        codes = grid.codes[layout.first_row : layout.last_row + 1]
        return cls(layout_id, layout.first_row, CellGrid(grid.segment, grid.geometry, codes), frames)


class Entering:
    """Looks for what enters the regions of a visit, one layout after the other, and counts what it reads.

    Without a reader it finds nothing.
    """

    def __init__(self, paths: StudyPaths, reader: SeparateReader | None, *, strict: bool) -> None:
        self._paths, self._reader, self._strict = paths, reader, strict
        self.images_read = 0
        self._frames_covered = 0

    def notes(self) -> dict[str, int | float | str]:
        """What was found and read, as metadata."""
        return {"frames_covered": self._frames_covered, **(self._reader.notes() if self._reader else {})}

    def columns(self, shown: Stretch, region: Region) -> dict[str, str | None]:
        """``covered_rows`` and ``covered_boxes`` of ``tables.LAYOUTS``; raises as ``covered`` does."""
        found = self.covered(shown, region.polygon) if self._reader and region.found else []
        self._frames_covered += sum(one.last_row - one.first_row + 1 for one in found)
        boxes = tuple(box for one in found for box in one.boxes)
        return {"covered_rows": format_rows(found), "covered_boxes": format_boxes(boxes)}

    def covered(self, shown: Stretch, polygon: Polygon) -> list[Covered]:
        """Stretches of frames in which something else is in the region, apart and in order.

        Args:
            shown: the frames.
            polygon: the region.

        Raises:
            FramesMissingError: an extracted image is gone.
            TextReaderError: the reader fails.
        """
        geometry = shown.grid.geometry
        inside = mask(polygon, geometry.width_px, geometry.height_px) > 0
        weights = geometry.cell_weights(inside)
        change, color = sudden_changes(shown.grid, weights), sudden_color(shown.grid, weights)
        # what is there from the first frame on never comes, so that frame is read as a whole
        left, top, width, height = cv2.boundingRect(inside.astype(np.uint8))
        whole = {0: (left, top, width, height)}
        cuts = whole | _cuts(shown.grid, np.maximum(change, color))
        # codes are black and white, and color that begins to flow has hard edges, too
        grey_cuts = whole | _cuts(shown.grid, change)
        found: list[Covered] = []
        for at, words in self._hits(shown, cuts, grey_cuts, inside):
            if any(one.first_row < at + shown.first_row < one.last_row for one in found):
                continue
            new = self._new(shown, at, words, cuts)
            if words and not new:
                continue
            cut = cuts[at] if new else grey_cuts[at]
            boxes = tuple(_box(word) for word in new) or (cut,)
            found.append(_with_margin(shown, *self._followed(shown, at, new, cut, inside), boxes))
        return _joined(found)

    def _hits(
        self, shown: Stretch, cuts: dict[int, Box], grey_cuts: dict[int, Box], inside: NDArray[np.bool_]
    ) -> Iterator[tuple[int, list[Word]]]:
        """Frames of ``cuts`` that show words in the region, the surest first, or a code and no word.

        Codes are sought in ``grey_cuts``.
        """
        codes: set[int] = set()

        def pictures() -> Iterator[Picture]:
            for at, box in cuts.items():
                picture = self._read(shown, at)
                if at in grey_cuts and _shows_code(picture, grey_cuts[at], inside):
                    codes.add(at)
                yield _cut(picture, box)

        for (at, box), words in zip(cuts.items(), self._words(shown, pictures()), strict=True):
            sure = [
                word
                for word in _moved(words, box)
                if word.score >= _SURE
                and may_name_someone(word.text, strict=self._strict)
                and _share(inside, _box(word)) >= _INSIDE
            ]
            if sure or at in codes:
                yield at, sorted(sure, key=lambda word: -word.score)

    def _new(self, shown: Stretch, at: int, words: list[Word], cuts: dict[int, Box]) -> list[Word]:
        """Those words that were not there before: what is always there has not entered.

        Before is some frames earlier, as what fades in is legible before it is noticed; of what the first
        frames show, it is the last frame.
        """
        earlier = range(max(0, at - _EARLIER), -1, -1)
        later = range(shown.frames.height - 1, at, -1)
        before = next((row for row in (*earlier, *later) if row not in cuts), None)
        if before is None or not words:
            return words
        around = _grown(_around([_box(word) for word in words]), shown.grid, _MARGIN_PX)
        (read,) = self._words(shown, [_cut(self._read(shown, before), around)])
        known = _moved(read, around)
        return [word for word in words if not any(says_same(word, other) for other in known)]

    def _followed(
        self, shown: Stretch, at: int, words: list[Word], cut: Box, inside: NDArray[np.bool_]
    ) -> tuple[int, int]:
        """The first and the last frame around ``at`` that show these words, or a code; read one by one."""
        ends = []
        for step in (-1, 1):
            row, left = at, words[:_FOLLOWED]
            while 0 <= row + step < shown.frames.height:
                picture = self._read(shown, row + step)
                if words:
                    left = self._still(shown, picture, left)
                if not (left if words else _shows_code(picture, cut, inside)):
                    break
                row += step
            ends.append(row)
        return ends[0], ends[1]

    def _still(self, shown: Stretch, picture: Picture, words: list[Word]) -> list[Word]:
        """Those of the words of the frame before that this picture still shows, where it shows them."""
        around = [_grown(_box(word), shown.grid, max(_MARGIN_PX, 2 * word.h)) for word in words]
        read = self._words(shown, [_cut(picture, box) for box in around])
        return [
            now
            for word, box, found in zip(words, around, read, strict=True)
            for now in [next((now for now in _moved(found, box) if says_same(word, now)), None)]
            if now
        ]

    def _words(self, shown: Stretch, pictures: Iterable[Picture]) -> Iterator[list[Word]]:
        """The words of each picture; a large one is read smaller, as little text is so small."""
        scales: list[float] = []

        def smaller() -> Iterator[Picture]:
            for picture in pictures:
                scales.append(min(1.0, _LONGEST_SIDE_PX / max(picture.shape)))
                yield _scaled(picture, scales[-1])

        if self._reader is None:
            raise RuntimeError("nothing is read without a reader")
        for number, words in enumerate(self._reader.read(shown.layout_id, smaller())):
            yield [_enlarged(word, 1 / scales[number]) for word in words]

    def _read(self, shown: Stretch, at: int) -> Picture:
        self.images_read += 1
        frame_id, path = shown.frames.select("frame_id", "path").row(at)
        return read_image(self._paths, frame_id, path)


def _scaled(picture: Picture, scale: float) -> Picture:
    if scale == 1:
        return picture
    smaller = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(smaller, np.uint8)


def _enlarged(word: Word, by: float) -> Word:
    x, y, w, h = (round(by * length) for length in (word.x, word.y, word.w, word.h))
    return Word(x, y, w, h, word.score, word.text)


def _cuts(grid: CellGrid, change: Levels) -> dict[int, Box]:
    """Rows of frames in which something may have entered, with the box around the cells that changed."""
    asked = np.flatnonzero(may_have_entered(change))
    return {int(at): _box_of(grid, cells_that_changed(change[at])) for at in asked}


def _box_of(grid: CellGrid, cells: NDArray[np.bool_]) -> Box:
    """The pixels around some cells, with a cell's margin."""
    rows, columns = np.nonzero(cells.any(axis=1))[0], np.nonzero(cells.any(axis=0))[0]
    x, y = grid.geometry.x_edges_px, grid.geometry.y_edges_px
    left, right = x[max(0, columns[0] - 1)], x[min(len(x) - 1, columns[-1] + 2)]
    top, bottom = y[max(0, rows[0] - 1)], y[min(len(y) - 1, rows[-1] + 2)]
    return int(left), int(top), int(right) - int(left), int(bottom) - int(top)


def _cut(picture: NDArray[_Pixel], box: Box) -> NDArray[_Pixel]:
    x, y, width, height = box
    return picture[y : y + height, x : x + width]


def _shows_code(picture: Picture, box: Box, inside: NDArray[np.bool_]) -> bool:
    """Whether what is in a box and in the region shows a code: letters beside it may look like one."""
    grey = np.asarray(cv2.cvtColor(_cut(picture, box), cv2.COLOR_BGR2GRAY), np.uint8)
    return shows_code(np.where(_cut(inside, box), grey, 0).astype(np.uint8))


def _box(word: Word) -> Box:
    return word.x, word.y, word.w, word.h


def _moved(words: Iterable[Word], cut: Box) -> list[Word]:
    """Words of a cut, placed on its picture."""
    return [Word(word.x + cut[0], word.y + cut[1], word.w, word.h, word.score, word.text) for word in words]


def _share(inside: NDArray[np.bool_], box: Box) -> float:
    return float(_cut(inside, box).mean()) if box[2] and box[3] else 0.0


def _around(boxes: Sequence[Box]) -> Box:
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return left, top, right - left, bottom - top


def _grown(box: Box, grid: CellGrid, by: int) -> Box:
    left, top = max(0, box[0] - by), max(0, box[1] - by)
    right = min(grid.geometry.width_px, box[0] + box[2] + by)
    bottom = min(grid.geometry.height_px, box[1] + box[3] + by)
    return left, top, right - left, bottom - top


def _with_margin(shown: Stretch, first: int, last: int, boxes: Boxes) -> Covered:
    lowest, highest = shown.first_row, shown.first_row + shown.frames.height - 1
    return Covered(
        max(lowest, lowest + first - _MARGIN_FRAMES), min(highest, lowest + last + _MARGIN_FRAMES), boxes
    )


def _joined(found: Sequence[Covered]) -> list[Covered]:
    joined: list[Covered] = []
    for one in sorted(found, key=lambda one: one.first_row):
        if joined and one.first_row <= joined[-1].last_row + 1:
            before = joined.pop()
            last = max(before.last_row, one.last_row)
            one = Covered(before.first_row, last, (*before.boxes, *one.boxes))
        joined.append(one)
    return joined
