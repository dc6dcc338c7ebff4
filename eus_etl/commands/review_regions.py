"""Sheets for reviewing regions: what lies around an outline, and what a recipe leaves of it.

They show frames as the machine showed them, names included: they are written to a folder on the hospital's
own disk and nowhere else, never to Dagster, a log or a table.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from eus_etl.domain.images.codec import encode_png
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.plots.contact_sheet import contact_sheet, outlined
from eus_etl.domain.sampling import spread
from eus_etl.domain.screen.region import NO_POLYGON, parse_polygon
from eus_etl.domain.screen.region_overrides import SAMPLE_INITIALS
from eus_etl.domain.tables.catalog import LAYOUTS, PREPROCESSED, REGIONS
from eus_etl.settings import StudyConfig
from eus_etl.steps.previews.safe_images import read_shown
from eus_etl.storage.extraction_store import extracted_videos, read_image
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.listing import listed
from eus_etl.storage.tables.parts import load_part

_OUTLINED, _COLUMNS = 6, 3
_COMPARED = 3
_TILE_PX = 480
_SHEETS = ("outline", "before_after")

SHOWN = ("layout_id", "screen", "kind", "area_fraction", "confidence", "found_by", "signed_off", "signature")
"""The columns that a reviewer needs."""


def review_regions(study: StudyConfig, patients: Sequence[str], out: Path) -> pl.DataFrame:
    """Write two sheets per layout into ``out/<patient id>/``: unmasked, to be reviewed and deleted.

    ``<layout id>_outline.png`` shows frames spread over the layout with its outline,
    ``<layout id>_before_after.png`` a frame beside its preprocessed image by each recipe, row by row. Sheets
    of layouts that no longer exist are removed.

    Args:
        study: the study.
        patients: ids of visits.
        out: folder for the sheets; created if missing.

    Returns:
        ``tables.LAYOUTS`` of these visits, in the order of ``patients``.

    Raises:
        FramesMissingError: an extracted image is gone or damaged.
    """
    paths = StudyPaths(study.root)
    reviewed = [LAYOUTS.empty()]
    for patient_id in patients:
        layouts = load_part(paths, LAYOUTS, patient_id)
        sheets = _sheets(study, paths, patient_id, layouts)
        for name, sheet in sheets.items():
            write_atomically(out / patient_id / name, encode_png(sheet))
        for kind in _SHEETS:
            for file in (out / patient_id).glob(f"*_{kind}.png"):
                if file.name not in sheets:
                    file.unlink()
        reviewed.append(layouts)
    return pl.concat(reviewed)


def reviewable(study: StudyConfig) -> list[str]:
    """Ids of the visits whose layouts are known."""
    return [part.stem for part in listed(StudyPaths(study.root).parts(LAYOUTS.name), "*.parquet")]


def lines_to_sign(layouts: pl.DataFrame) -> list[str]:
    """Lines of ``regions.csv`` that sign off the regions found, one per screen that is not signed off yet.

    The first line is the file's header; the reviewer replaces ``XX`` with initials. Changed corners replace
    the region found; without patient, video and sign-off, a line applies to this screen on any visit.

    Args:
        layouts: ``tables.LAYOUTS``.
    """
    found = layouts.filter(pl.col("polygon").is_not_null() & ~pl.col("signed_off")).unique(
        ["patient_id", "video_id", "signature"], keep="first", maintain_order=True
    )
    rows = found.with_columns(signed_off=pl.lit(SAMPLE_INITIALS)).select(REGIONS.names).rows()
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([REGIONS.names, *rows])
    return text.getvalue().splitlines()


def _sheets(
    study: StudyConfig, paths: StudyPaths, patient_id: str, layouts: pl.DataFrame
) -> dict[str, Picture]:
    """The visit's sheets by file name."""
    images = load_part(paths, PREPROCESSED, patient_id)
    sheets = {}
    for video in extracted_videos(paths, patient_id):
        segments = dict(video.segments())
        for layout in layouts.filter(pl.col("video_id") == video.video_id).to_dicts():
            frames = segments[layout["segment"]][layout["first_row"] : layout["last_row"] + 1]
            corners = parse_polygon(layout["polygon"]) if layout["polygon"] else NO_POLYGON
            shown = [_squared(outlined(_read(paths, frame), corners)) for frame in _spread(frames, _OUTLINED)]
            sheets[f"{layout['layout_id']}_outline.png"] = contact_sheet(shown, _COLUMNS, _TILE_PX)
            made = images.filter(pl.col("layout_id") == layout["layout_id"])
            compared = [
                picture
                for frame in _spread(frames.join(made, on="frame_id", how="semi"), _COMPARED)
                for picture in (_squared(_read(paths, frame)), *_made_of(study, paths, made, frame[0]))
            ]
            columns = 1 + len(study.preprocess.recipes)
            sheets[f"{layout['layout_id']}_before_after.png"] = contact_sheet(compared, columns, _TILE_PX)
    return sheets


def _spread(frames: pl.DataFrame, count: int) -> list[tuple[str, str]]:
    """Frame id and image path of at most ``count`` frames, evenly spread."""
    return frames.select("frame_id", "path")[spread(frames.height, count)].rows()


def _read(paths: StudyPaths, frame: tuple[str, str]) -> Picture:
    return read_image(paths, *frame)


def _made_of(study: StudyConfig, paths: StudyPaths, made: pl.DataFrame, frame_id: str) -> list[Picture]:
    """The preprocessed images of a frame by each recipe; black where there is none."""
    pictures = []
    for recipe in study.preprocess.recipes:
        of_recipe = made.filter(pl.col("recipe") == recipe, pl.col("frame_id") == frame_id)["path"]
        shown = read_shown(paths, of_recipe[0]) if of_recipe.len() else None
        pictures.append(np.zeros((_TILE_PX, _TILE_PX), np.uint8) if shown is None else shown)
    return pictures


def _squared(picture: Picture) -> Picture:
    """A picture (h, w, 3) padded with black to a square, so that tiles do not stretch it."""
    height, width = picture.shape[:2]
    side = max(height, width)
    padded = cv2.copyMakeBorder(
        picture, 0, side - height, 0, side - width, cv2.BORDER_CONSTANT, value=(0, 0, 0)
    )
    return np.asarray(padded, np.uint8)
