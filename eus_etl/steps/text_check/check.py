"""Checks a visit's preprocessed frames for readable text, and marks layouts that show some as blocking.

``domain.burned_in_text`` makes text stand out, ``text_reader`` reads it. Words are counted and dropped: none
is written, logged or shown. A layout is checked again only if its images or the engine changed.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import polars as pl

from eus_etl.domain.burned_in_text import text_pages
from eus_etl.domain.frame_ids import hash_id
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.sampling import spread
from eus_etl.domain.tables.catalog import TEXT_CHECKS
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.settings import StudyConfig
from eus_etl.steps.previews.safe_images import read_shown
from eus_etl.steps.result import Check, version_of
from eus_etl.steps.text_reader.processes import SeparateReader
from eus_etl.steps.text_reader.words import TextReader, Word
from eus_etl.storage.tables.parts import remembered_part, write_part, write_rejected

STAGE = "preprocessed_frames"
CHECK = "no_readable_text"

FORMAT = 3
"""Increased when equal images have to be checked again."""

_LIT_SHARE = 0.5

# Clean layouts seem to show a short word now and then, hardly ever one that the reader is so sure of.
_SURE, _SURE_OF_THREE = 0.8, 0.9
_WORD = re.compile(r"[^\W_]{3,}")

_SWITCHED_OFF = "not done: preprocess.text_check.enabled is never"


@dataclass(frozen=True, slots=True)
class TextCheck:
    """What was found in one visit.

    Attributes:
        rows: ``tables.TEXT_CHECKS`` of the visit.
        check: fails where a layout is blocked.
        metadata: counts for the page.
    """

    rows: pl.DataFrame
    check: Check
    metadata: Mapping[str, int | float | str]


def why_no_text_check(study: StudyConfig) -> str | None:
    """Why this study's frames are not checked for text; None if they are."""
    return _SWITCHED_OFF if study.preprocess.text_check.enabled == "never" else None


def text_reader(study: StudyConfig) -> SeparateReader | None:
    """What reads the study's pictures, once there is something to read; None where nothing is checked.

    Raises:
        TextReaderError: its package is missing.
    """
    check = study.preprocess.text_check
    if check.enabled == "never":
        return None
    reader = SeparateReader(check.processes)
    _ = reader.engine  # raises before anything is made that could not be checked
    return reader


def block_until_checked(paths: StudyPaths, patient_id: str) -> None:
    """Let what was checked of a visit block it: its images are about to change.

    ``check_text`` takes it back. If it is never reached, or the reader fails, no image is listed as free that
    was not checked.
    """
    known = remembered_part(paths, TEXT_CHECKS, patient_id)
    if not known["blocks"].all():
        write_part(paths, TEXT_CHECKS, patient_id, known.with_columns(blocks=pl.lit(value=True)))


def check_text(
    study: StudyConfig,
    patient_id: str,
    images: pl.DataFrame,
    layouts: pl.DataFrame,
    reader: SeparateReader | None,
    progress: Callable[[str], None] | None = None,
) -> TextCheck:
    """Read a sample of the visit's preprocessed frames, per layout and recipe.

    A layout in which words are found blocks the visit, unless a person has signed it off.

    Args:
        study: the configuration.
        patient_id: the visit.
        images: ``tables.PREPROCESSED`` of the visit; the files are there.
        layouts: ``tables.LAYOUTS`` of the visit.
        reader: what reads them; None where nothing is checked.
        progress: called with a sentence for each layout that is checked.

    Raises:
        TextReaderError: the reader fails.
        FramesMissingError: an image is damaged.
    """
    paths = StudyPaths(study.root)
    known = remembered_part(paths, TEXT_CHECKS, patient_id) if reader else TEXT_CHECKS.empty()
    engine = reader.engine if reader else None
    signed_off = set(layouts.filter("signed_off")["layout_id"])
    found = {(row["layout_id"], row["recipe"]): row for row in known.to_dicts()}
    rows, checked = [], 0
    for sample in _samples(study, images) if reader else ():
        row = found.get((sample.layout_id, sample.recipe))
        if reader and (row is None or (row["images"], row["engine"]) != (sample.version, engine)):
            row = _look(paths, reader, sample) | {"patient_id": patient_id, "engine": engine}
            checked += 1
            if progress:
                progress(f"checked {sample.layout_id} by {sample.recipe} for text")
        if row is not None:
            off = sample.layout_id in signed_off
            rows.append({**row, "signed_off": off, "blocks": row["words"] > 0 and not off})
    part = write_part(paths, TEXT_CHECKS, patient_id, TEXT_CHECKS.frame(rows))
    blocking = part.filter("blocks")
    write_rejected(paths, STAGE, patient_id, (_readable_text(row) for row in blocking.to_dicts()))
    detail = f"{blocking.height} of {part.height} layouts and recipes may show words" if rows else "none yet"
    if reader is None:
        detail = _SWITCHED_OFF
    return TextCheck(
        part,
        Check(CHECK, blocking.is_empty(), detail),
        {
            "text_check": "done" if reader else _SWITCHED_OFF,
            "text_checked_now": checked,
            "text_found_in": part.filter(pl.col("words") > 0).height,
            "text_blocks": blocking.height,
            **(reader.notes() if reader else {}),
        },
    )


@dataclass(frozen=True, slots=True)
class _Sample:
    """The images of one layout and recipe that are checked: frame ids, and paths below the root."""

    layout_id: str
    recipe: str
    version: str
    frame_ids: list[str]
    images: list[str]


def _samples(study: StudyConfig, images: pl.DataFrame) -> Iterator[_Sample]:
    count = study.preprocess.text_check.frames_per_layout
    for (layout_id, recipe), of_layout in images.group_by("layout_id", "recipe", maintain_order=True):
        # a dark picture shows no text, and would hide that of the others
        lit = of_layout.filter(pl.col("mean") >= _LIT_SHARE * pl.col("mean").median())
        chosen = lit[spread(lit.height, count)]
        version = hash_id(version_of(FORMAT, chosen["sha256"].to_list()))
        frame_ids, files = chosen["frame_id"].to_list(), chosen["path"].to_list()
        yield _Sample(str(layout_id), str(recipe), version, frame_ids, files)


def _look(paths: StudyPaths, reader: TextReader, sample: _Sample) -> dict[str, object]:
    """The columns of ``tables.TEXT_CHECKS`` that reading gives."""
    pages = text_pages([_read_grey(paths, image) for image in sample.images])
    counts = [_count(words) for words in reader.read(sample.layout_id, (page.page for page in pages))]
    showing: set[int] = set()
    # a half locates the text more closely than the whole
    for page, count in sorted(zip(pages, counts, strict=True), key=lambda read: read[0].stop - read[0].first):
        span = range(page.first, page.stop)
        if count and showing.isdisjoint(span):
            showing.update(span)
    return {
        "layout_id": sample.layout_id,
        "recipe": sample.recipe,
        "images": sample.version,
        "frames_read": len(sample.images),
        "frames_with_words": len(showing),
        "words": max(counts),
        "frame_id": sample.frame_ids[min(showing)] if showing else None,
    }


def _count(words: Iterable[Word]) -> int:
    """How many runs of three or more letters or digits the reader is sure of."""
    runs = [(word.score, run) for word in words for run in _WORD.findall(word.text)]
    return sum(score >= (_SURE if len(run) > 3 else _SURE_OF_THREE) for score, run in runs)


def _read_grey(paths: StudyPaths, path: str) -> Picture:
    picture = read_shown(paths, path)
    return picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def _readable_text(row: Mapping[str, object]) -> Rejection:
    return Rejection(
        item=str(row["layout_id"]),
        reason="readable_text",
        detail=f"{row['words']} words, in {row['frames_with_words']} of {row['frames_read']} frames checked"
        f" of recipe {row['recipe']}, from {row['frame_id']}; the visit is marked release_blocked",
        remedy="look at the frame; in regions.csv, draw a polygon without the text, or sign the region off "
        "in a row with the visit and the video",
    )
