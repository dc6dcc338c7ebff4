"""Checks a visit's preprocessed frames for readable text, and marks layouts that show some as blocking.

``domain.burned_in_text`` makes text stand out, ``tesseract`` reads it. Words are counted and dropped: none is
written, logged or shown. A layout is checked again only if its images changed.
"""

from collections.abc import Callable, Iterator, Mapping
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
from eus_etl.errors import TextReaderError
from eus_etl.settings import StudyConfig
from eus_etl.steps.previews.safe_images import read_shown
from eus_etl.steps.result import Check, version_of
from eus_etl.steps.text_check.tesseract import PROGRAM, installed, read_words, reader
from eus_etl.storage.tables.parts import remembered_part, write_part, write_rejected

STAGE = "preprocessed_frames"
CHECK = "no_readable_text"

FORMAT = 2
"""Increased when equal images have to be checked again."""

_LIT_SHARE = 0.5

_NOT_INSTALLED = f"not done: {PROGRAM} is not installed"
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
    metadata: Mapping[str, int | str]


def why_no_text_check(study: StudyConfig) -> str | None:
    """Why this study's frames are not checked for text on this machine; None if they are."""
    if study.preprocess.text_check.enabled == "never":
        return _SWITCHED_OFF
    return None if installed() else _NOT_INSTALLED


def require_reader(study: StudyConfig) -> None:
    """Stop before anything is made that could not be checked.

    Raises:
        TextReaderError: the check is set to ``always``, and the program is missing.
    """
    if study.preprocess.text_check.enabled == "always" and reader() is None:
        raise TextReaderError(
            "preprocess.text_check",
            f"{PROGRAM} is not installed with English, and the check is set to always",
            "install tesseract-ocr, or set enabled to auto",
        )


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
    progress: Callable[[str], None] | None = None,
) -> TextCheck:
    """Read a sample of the visit's preprocessed frames, per layout and recipe.

    A layout in which words are found blocks the visit, unless a person has signed it off. Without Tesseract,
    words found earlier still block, even if the images have changed since: nobody knows that they are gone.

    Args:
        study: the configuration.
        patient_id: the visit.
        images: ``tables.PREPROCESSED`` of the visit; the files are there.
        layouts: ``tables.LAYOUTS`` of the visit.
        progress: called with a sentence for each layout that is checked.

    Raises:
        TextReaderError: the program fails.
        FramesMissingError: an image is damaged.
    """
    paths = StudyPaths(study.root)
    why_not, engine = why_no_text_check(study), None
    if why_not is None:
        engine = reader()
        if engine is None:  # it is installed without English
            why_not = _NOT_INSTALLED
    if study.preprocess.text_check.enabled == "never":
        known = TEXT_CHECKS.empty()
    else:
        known = remembered_part(paths, TEXT_CHECKS, patient_id)
    signed_off = set(layouts.filter("signed_off")["layout_id"])
    found = {(row["layout_id"], row["recipe"]): row for row in known.to_dicts()}
    rows, checked, pending = [], 0, 0
    for sample in _samples(study, images):
        row = found.get((sample.layout_id, sample.recipe))
        current = row is not None and row["images"] == sample.version
        if not current and engine:
            row = _look(paths, sample) | {"patient_id": patient_id, "engine": engine}
            checked += 1
            if progress:
                progress(f"checked {sample.layout_id} by {sample.recipe} for text")
            current = True
        pending += not current
        if row is not None and (current or row["words"]):
            off = sample.layout_id in signed_off
            rows.append({**row, "signed_off": off, "blocks": row["words"] > 0 and not off})
    part = write_part(paths, TEXT_CHECKS, patient_id, TEXT_CHECKS.frame(rows))
    blocking = part.filter("blocks")
    write_rejected(paths, STAGE, patient_id, (_readable_text(row) for row in blocking.to_dicts()))
    detail = f"{blocking.height} of {part.height} layouts and recipes may show words" if rows else "none yet"
    if pending and why_not:
        detail = f"{pending} layouts and recipes: {why_not}"
    return TextCheck(
        part,
        Check(CHECK, blocking.is_empty(), detail),
        {
            "text_check": why_not or "done",
            "text_checked_now": checked,
            "text_found_in": part.filter(pl.col("words") > 0).height,
            "text_blocks": blocking.height,
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


def _look(paths: StudyPaths, sample: _Sample) -> dict[str, object]:
    """The columns of ``tables.TEXT_CHECKS`` that reading gives."""
    pages = text_pages([_read_grey(paths, image) for image in sample.images])
    counts = [len(words) for words in read_words(sample.layout_id, (page.page for page in pages))]
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
