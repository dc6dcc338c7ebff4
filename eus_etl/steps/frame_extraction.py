"""One pass over one video: decode, keep, store images, measure cells. All that ever decodes for a study.

Images are encoded by worker threads while decoding goes on. Where results are published, and what is
already done, is the caller's.
"""

from array import array
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl

from eus_etl.domain.cells.statistics import FrameCells, codes_with_motion, measure
from eus_etl.domain.frame_ids import frame_stem, frame_stems, hash_id
from eus_etl.domain.images.codec import encode_image
from eus_etl.domain.images.memory import keep_freed_memory
from eus_etl.domain.images.threads import one_thread_a_picture
from eus_etl.domain.video.reader import DecodeOptions, SkippingUnsoundError, decode
from eus_etl.domain.video.types import DecodeCounts, DecodedFrame
from eus_etl.errors import VideoUnreadableError
from eus_etl.settings import ExtractionConfig
from eus_etl.steps.video_pass import FramesDecoded, VideoPass
from eus_etl.storage.cell_store import GridWriter
from eus_etl.storage.files.checksums import sha256_of
from eus_etl.storage.image_sums import write_image_sums

ENCODER_THREADS = 2
_WAITING = 8  # frames that wait for an encoder: enough to keep it busy, little memory
_REPORT_FRAMES = 100

_COUNTED = ("pts", "repeat", "frame_index", "segment", "grid_row", "synthetic_time", "decode_error")


def extract_video(
    source: Path,
    video_id: str,
    images: Path,
    grid: Path | None,
    extraction: ExtractionConfig,
    on_frames: FramesDecoded | None = None,
) -> VideoPass:
    """Extract the frames of one video that the configuration keeps.

    Args:
        source: the raw video.
        video_id: what errors call it.
        images: existing empty folder for the images.
        grid: existing folder for the cell grids and the images' checksums; None measures without storing.
        extraction: what is kept, and how.
        on_frames: progress.

    Frames that no kept frame needs are not decoded where that is proven to give the same images; where it
    turns out not to, the images made so far are thrown away and the whole video is decoded.

    Raises:
        VideoUnreadableError: no video, or none of its frames can be decoded.
        OSError: an image cannot be written; nothing more is decoded.
    """
    keep_freed_memory()
    try:
        return _go_through(source, video_id, images, grid, extraction, True, on_frames)
    except SkippingUnsoundError:
        for image in images.iterdir():
            image.unlink()
        return _go_through(source, video_id, images, grid, extraction, False, on_frames)


def _go_through(
    source: Path,
    video_id: str,
    images: Path,
    grid: Path | None,
    extraction: ExtractionConfig,
    skip: bool,
    on_frames: FramesDecoded | None,
) -> VideoPass:
    counts = DecodeCounts()
    options = DecodeOptions(
        extraction.frame_rate_hz, skip, extraction.deinterlace, extraction.still_images == "keep"
    )
    told = 0
    with (
        one_thread_a_picture(),
        GridWriter(grid) if grid else nullcontext() as cells,
        ThreadPoolExecutor(ENCODER_THREADS) as encoders,
    ):
        rows = _Rows(cells)
        waiting: deque[Future[_Stored]] = deque()
        for frame in decode(source, video_id, counts, options):
            waiting.append(encoders.submit(_store, frame, images, extraction))
            if len(waiting) > _WAITING:
                rows.add(waiting.popleft().result())
            if on_frames and counts.frames - told >= _REPORT_FRAMES:
                on_frames(counts.frames - told)
                told = counts.frames
        while waiting:
            rows.add(waiting.popleft().result())
    if grid:
        write_image_sums(grid, rows.image_sums)
    if on_frames:
        on_frames(counts.frames - told)
    if counts.frames == 0:
        raise VideoUnreadableError(
            video_id, "none of its frames can be decoded", "export it again from the recorder"
        )
    return VideoPass(rows.frame(), counts, rows.image_bytes)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A kept frame once its image is written; without its picture, which would fill the memory."""

    pts: int
    repeat: int
    time_base: Fraction
    time_s: Fraction
    frame_index: int
    synthetic_time: bool
    damaged: bool
    cells: FrameCells
    image: str
    image_bytes: int
    image_sha256: str


def _store(frame: DecodedFrame, images: Path, extraction: ExtractionConfig) -> _Stored:
    picture = frame.picture()
    data = encode_image(picture, extraction.image)
    image = images / f"{frame_stem(frame.pts, frame.repeat)}.{extraction.image.format}"
    image.write_bytes(data.data)
    return _Stored(
        frame.pts,
        frame.repeat,
        frame.time_base,
        frame.time_s,
        frame.frame_index,
        frame.synthetic_time,
        frame.damaged,
        measure(picture, extraction.grid, frame.luma()),
        image.name,
        data.nbytes,
        sha256_of(data.data),
    )


class _Rows:
    """The kept frames of a pass, in order: motion, segments and rows follow from it."""

    def __init__(self, cells: GridWriter | None) -> None:
        self._cells = cells
        self._before: FrameCells | None = None
        self._columns = {name: array("q") for name in _COUNTED}
        self._video_s = array("d")
        self._dhash = array("Q")
        self._segment = -1
        self._grid_row = 0
        self._time_base = ""
        self.image_bytes = 0
        self.image_sums: dict[str, str] = {}

    def add(self, stored: _Stored) -> None:
        """Take the next frame."""
        if self._before is None or self._before.geometry != stored.cells.geometry:
            self._before = None
            self._segment += 1
            self._grid_row = 0
            if self._cells:
                self._cells.begin_segment(stored.cells.geometry)
        if self._cells:
            self._cells.add(codes_with_motion(stored.cells, self._before))
        for column, value in zip(
            self._columns.values(),
            (
                stored.pts,
                stored.repeat,
                stored.frame_index,
                self._segment,
                self._grid_row,
                stored.synthetic_time,
                stored.damaged,
            ),
            strict=True,
        ):
            column.append(value)
        self._video_s.append(float(stored.time_s))
        self._dhash.append(stored.cells.dhash)
        self._time_base = f"{stored.time_base.numerator}/{stored.time_base.denominator}"
        self.image_bytes += stored.image_bytes
        self.image_sums[stored.image] = stored.image_sha256
        self._grid_row += 1
        self._before = stored.cells

    def frame(self) -> pl.DataFrame:
        """All rows, as ``VideoPass.frames`` describes them."""
        counted = {name: np.array(column, np.int64) for name, column in self._columns.items()}
        return pl.DataFrame(
            {
                **counted,
                "video_s": np.array(self._video_s),
                "dhash": [hash_id(f"{h:016x}") for h in self._dhash],
            }
        ).select(
            frame_stems(pl.col("pts"), pl.col("repeat")).alias("stem"),
            "frame_index",
            "pts",
            pl.lit(self._time_base).alias("time_base"),
            "video_s",
            "segment",
            "grid_row",
            pl.col("synthetic_time", "decode_error").cast(pl.Boolean),
            "dhash",
        )
