"""The cell grids of one video on disk: small, written during decoding, the same bytes for the same input.

``grid.bin`` holds blocks of at most 256 frames of one segment. A block stores how each byte differs from the
frame before, as most of the screen does not change, and is compressed with Zstandard: on noise its lowest
level compresses better than zlib, in a tenth of the time. ``grid.json`` lists the blocks.
``domain.cells.statistics`` says what cells mean.
"""

from collections.abc import Iterable
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import zstandard

from eus_etl.domain.cells.statistics import STATISTICS, CellGrid, Codes, GridGeometry
from eus_etl.storage.files.checked_json import encode_checked, read_checked

FORMAT = 3  # only recorded: if grids change, raise manifests.FORMAT
_BLOCK_FRAMES = 256
_LEVEL = 1
GRIDS = "grid.bin"
_INDEX = "grid.json"


class GridWriter:
    """Writes the grids of one video into a folder, frame by frame; memory holds one block.

    The folder is complete once the writer is closed without an error; the caller publishes it.
    """

    def __init__(self, folder: Path) -> None:
        self._index = folder / _INDEX
        self._file = (folder / GRIDS).open("wb")
        self._packer = zstandard.ZstdCompressor(_LEVEL, write_checksum=True)
        self._segments: list[dict[str, object]] = []
        self._waiting: list[Codes] = []
        self._blocks: list[list[int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._file:
            if kind is None:
                self._flush()
                index = {"format": FORMAT, "segments": self._segments}
                self._index.write_bytes(encode_checked(index))

    def begin_segment(self, geometry: GridGeometry) -> None:
        """Start the next segment; segments are numbered from 0 in the order of their start."""
        self._flush()
        self._blocks = []
        self._segments.append({"geometry": asdict(geometry), "blocks": self._blocks})

    def add(self, codes: Codes) -> None:
        """Append one frame, (len(STATISTICS), rows, cols), to the current segment."""
        self._waiting.append(codes)
        if len(self._waiting) == _BLOCK_FRAMES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            block = np.stack(self._waiting)
            block[1:] -= block[:-1].copy()  # wraps around, and so does the sum on reading
            packed = self._packer.compress(block.tobytes())
            self._file.write(packed)
            self._blocks.append([len(block), len(packed)])
            self._waiting = []


def save_grids(folder: Path, grids: Iterable[CellGrid]) -> None:
    """Write the grids of one video, segment by segment, into an existing folder."""
    with GridWriter(folder) as writer:
        for grid in grids:
            writer.begin_segment(grid.geometry)
            for codes in grid.codes:
                writer.add(codes)


def load_grids(folder: Path) -> list[CellGrid]:
    """The grids of one video, one per segment, in order.

    Args:
        folder: ``StudyPaths.extracted_folder`` of the video.

    Raises:
        FileNotFoundError: the folder has no grids.
        DamagedStateError, ZstdError: the grids are damaged.
    """
    index = read_checked(folder / _INDEX)
    assert isinstance(index, dict)  # noqa: S101 - written by GridWriter only
    grids = []
    with (folder / GRIDS).open("rb") as file:
        for number, segment in enumerate(index["segments"]):
            geometry = GridGeometry(**segment["geometry"])
            cells = (len(STATISTICS), geometry.rows, geometry.cols)
            codes = np.empty((sum(frames for frames, _ in segment["blocks"]), *cells), np.uint8)
            start = 0
            for frames, size in segment["blocks"]:
                block = codes[start : start + frames]
                packed = file.read(size)
                block[:] = np.frombuffer(zstandard.decompress(packed), np.uint8).reshape(block.shape)
                # frame by frame: numpy's cumsum along the first axis takes three times as long
                for before, frame in pairwise(block):
                    frame += before
                start += frames
            grids.append(CellGrid(number, geometry, codes))
    return grids
