"""Sheets of masked thumbnails: of the dataset, one row per label; of a visit, one row per layout.

``safe_images`` decides which images may be shown, and reads them.
"""

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
import polars as pl

from eus_etl.domain.images.codec import decode_image, encode_png
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.plots.contact_sheet import contact_sheet, small_png
from eus_etl.domain.sampling import spread
from eus_etl.settings import StudyConfig
from eus_etl.steps.previews.safe_images import read_shown, shown_frames

SHOWN_BYTES = 200_000
"""A larger sheet is not shown in the page: it would be stored with each materialisation."""

_COLUMNS, _TILE_PX = 8, 128
_OF_VISIT_COLUMNS, _OF_VISIT_ROWS, _OF_VISIT_TILE_PX = 6, 8, 80
_SHOWN_TILE_PX = 48
_CAPTION_PX = 128
_EMPTY = np.zeros((_TILE_PX, _TILE_PX), np.uint8)

Row = tuple[str, list[Picture]]
"""A caption, and the pictures beside it."""


def draw_contact_sheet(study: StudyConfig, recipe: str, index: pl.LazyFrame) -> bytes:
    """A sheet of the dataset, PNG: the label's name, then its frames spread over the study.

    Args:
        study: the configuration.
        recipe: the recipe whose images are shown; extracted frames never are.
        index: the dataset's index; only undisturbed frames of it are shown.
    """
    paths = StudyPaths(study.root)
    rows = [(label, _read(paths, chosen)) for label, chosen in _pictures_of_labels(study, recipe, index)]
    return encode_png(_sheet(rows, _COLUMNS, _TILE_PX))


def in_small(png: bytes) -> bytes:
    """A sheet of the dataset, reduced for the page."""
    sheet = decode_image(png)
    if sheet is None:
        raise ValueError("the sheet is not a PNG file")
    height, width = (length * _SHOWN_TILE_PX // _TILE_PX for length in sheet.shape[:2])
    return small_png(np.asarray(cv2.resize(sheet, (width, height), interpolation=cv2.INTER_AREA), np.uint8))


def draw_visit_sheet(study: StudyConfig, patient_id: str, recipe: str) -> bytes:
    """A sheet of one visit: the layout's id, then its masked frames spread over time.

    Layouts whose mask cannot be trusted are left out; of many, some spread over the visit are shown.
    """
    paths = StudyPaths(study.root)
    frames = shown_frames(paths, patient_id, recipe)
    layouts = frames.partition_by("layout_id", maintain_order=True)
    rows = [
        (
            of_layout["layout_id"][0],
            _read(paths, of_layout["path"][spread(of_layout.height, _OF_VISIT_COLUMNS)]),
        )
        for of_layout in (layouts[place] for place in spread(len(layouts), _OF_VISIT_ROWS))
    ]
    return small_png(_sheet(rows, _OF_VISIT_COLUMNS, _OF_VISIT_TILE_PX))


def _pictures_of_labels(
    study: StudyConfig, recipe: str, index: pl.LazyFrame
) -> Iterator[tuple[str, list[str]]]:
    """Each label with the images chosen for it that may be shown."""
    paths = StudyPaths(study.root)
    chosen = _of_labels(study, recipe, index)
    may_be_shown: set[str] = set()
    for (patient_id,), of_visit in chosen.group_by("patient_id"):
        shown = shown_frames(paths, str(patient_id), recipe)["path"]
        may_be_shown |= set(shown) & set(of_visit["path"])
    for family, labels in study.families.items():
        for label in labels:
            of_label = chosen.filter(pl.col("family") == family, pl.col("label") == label.name)
            yield label.name, [path for path in of_label["path"] if path in may_be_shown]


def _of_labels(study: StudyConfig, recipe: str, index: pl.LazyFrame) -> pl.DataFrame:
    """``family, label, patient_id, path`` of the frames chosen for each label.

    Of all frames of a family only the places in the index are held; images are looked up for the chosen ones.
    """
    numbered = index.with_row_index("place").rename({f"path_{recipe}": "image"})
    fit = numbered.filter(pl.col("status") == "ok", pl.col("image").is_not_null())
    chosen = [
        pl.DataFrame(schema={"family": pl.String(), "label": pl.String(), "place": pl.get_index_type()})
    ]
    for family, labels in study.families.items():
        names = pl.Enum([label.name for label in labels])
        known = fit.filter(pl.col(family).is_in(names.categories.to_list()))
        places = known.select("place", pl.col(family).cast(names)).collect(engine="streaming")
        for name in names.categories:
            of_label = places.filter(pl.col(family) == name).select(
                pl.lit(family).alias("family"), pl.lit(name).alias("label"), "place"
            )
            chosen.append(of_label[spread(of_label.height, _COLUMNS)])
    places = pl.concat(chosen)
    found = (
        numbered.filter(pl.col("place").is_in(places["place"].implode()))
        .select("place", "patient_id", path="image")
        .collect(engine="streaming")
    )
    return places.join(found, on="place", maintain_order="left").drop("place")


def _read(paths: StudyPaths, chosen: Iterable[str]) -> list[Picture]:
    return [read_shown(paths, path) for path in chosen]


def _sheet(rows: Sequence[Row], columns: int, tile_px: int) -> Picture:
    """BGR: a caption and at most ``columns`` pictures per row."""
    tiles: list[Picture] = []
    for caption, pictures in rows:
        row = [_caption(caption), *pictures[:columns]]
        tiles += row + [_EMPTY] * (columns + 1 - len(row))
    return contact_sheet(tiles, columns + 1, tile_px)


def _caption(text: str) -> Picture:
    """The text over as many lines as it takes."""
    tile = np.zeros((_CAPTION_PX, _CAPTION_PX), np.uint8)
    for line, start in enumerate(range(0, len(text), 12)):
        place = (6, _CAPTION_PX // 2 + 22 * line)
        cv2.putText(
            tile, text[start : start + 12], place, cv2.FONT_HERSHEY_SIMPLEX, 0.55, 255, 1, cv2.LINE_AA
        )
    return tile
