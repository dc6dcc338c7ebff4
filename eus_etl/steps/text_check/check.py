"""Checks a visit's preprocessed frames for readable text, and marks layouts that show some as blocking.

Every image is read, ``reading`` says how, by ``text_reader``. Words are counted and dropped: none is written,
logged or shown. A layout is checked again only if its images or the engine changed.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import polars as pl

from eus_etl.domain.frame_ids import hash_id
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import TEXT_CHECKS
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.settings import StudyConfig, TextCheckConfig
from eus_etl.steps.previews.safe_images import read_shown
from eus_etl.steps.result import Check, version_of
from eus_etl.steps.text_check.reading import FORMAT as READING
from eus_etl.steps.text_check.reading import read_pictures
from eus_etl.steps.text_reader.processes import SeparateReader
from eus_etl.steps.text_reader.words import TextReader
from eus_etl.storage.tables.parts import remembered_part, write_part, write_rejected

STAGE = "preprocessed_frames"
CHECK = "no_readable_text"

FORMAT = 4
"""Increased when equal images have to be checked again."""

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
    """Read the visit's preprocessed frames, per layout and recipe.

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
    for shown in _shown(study, images) if reader else ():
        row = found.get((shown.layout_id, shown.recipe))
        if reader and (row is None or (row["images"], row["engine"]) != (shown.version, engine)):
            row = _look(paths, reader, shown, study.preprocess.text_check) | {
                "patient_id": patient_id,
                "engine": engine,
            }
            checked += 1
            if progress:
                progress(f"checked {shown.layout_id} by {shown.recipe} for text")
        if row is not None:
            off = shown.layout_id in signed_off
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
class _Shown:
    """The images of one layout and recipe: frame ids, and paths below the root."""

    layout_id: str
    recipe: str
    version: str
    frame_ids: list[str]
    images: list[str]


def _shown(study: StudyConfig, images: pl.DataFrame) -> Iterator[_Shown]:
    config = study.preprocess.text_check
    for (layout_id, recipe), of_layout in images.group_by("layout_id", "recipe", maintain_order=True):
        version = hash_id(
            version_of(
                FORMAT, READING, config.frames_per_layout, config.strict, of_layout["sha256"].to_list()
            )
        )
        frame_ids, files = of_layout["frame_id"].to_list(), of_layout["path"].to_list()
        yield _Shown(str(layout_id), str(recipe), version, frame_ids, files)


def _look(paths: StudyPaths, reader: TextReader, shown: _Shown, config: TextCheckConfig) -> dict[str, object]:
    """The columns of ``tables.TEXT_CHECKS`` that reading gives."""

    def read(position: int) -> Picture:
        return _read_grey(paths, shown.images[position])

    finds = read_pictures(
        reader,
        shown.layout_id,
        len(shown.images),
        read,
        whole=config.frames_per_layout,
        strict=config.strict,
    )
    showing: set[int] = set()
    words: Counter[tuple[int, int]] = Counter()
    # a single picture locates the text more closely than some that were laid over one another
    for find in sorted(finds, key=lambda find: find.stop - find.first):
        span = range(find.first, find.stop)
        words[find.first, find.stop] += find.words
        if showing.isdisjoint(span):
            showing.update(span)
    return {
        "layout_id": shown.layout_id,
        "recipe": shown.recipe,
        "images": shown.version,
        "frames_read": len(shown.images),
        "frames_with_words": len(showing),
        "words": max(words.values(), default=0),
        "frame_id": shown.frame_ids[min(showing)] if showing else None,
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
