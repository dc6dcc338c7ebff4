"""Sheets of masked thumbnails: of the dataset, one row per label; of a visit, one row per layout.

``safe_images`` decides which images may be shown, and reads them.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import polars as pl

from eus_etl.domain.images.codec import encode_png
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.plots.contact_sheet import contact_sheet, small_png, with_time, write
from eus_etl.domain.plots.timeline import clock
from eus_etl.domain.sampling import spread
from eus_etl.settings import StudyConfig
from eus_etl.steps.previews.safe_images import read_shown, shown_frames
from eus_etl.storage.extraction_store import ExtractedVideo, extracted_videos

_COLUMNS, _TILE_PX = 8, 128
_OF_VISIT_COLUMNS, _OF_VISIT_ROWS = 6, 8
_CAPTION_LETTERS = 15
_EMPTY = np.full((_TILE_PX, _TILE_PX), 40, np.uint8)
_DARK = 0.5
"""A picture less than this share as bright as most shows hardly anything."""

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
    rows = [
        (label, [read_shown(paths, path) for path in chosen])
        for label, chosen in _pictures_of_labels(study, recipe, index)
        if chosen
    ]
    return encode_png(_sheet(rows, _COLUMNS))


def draw_visit_sheet(study: StudyConfig, patient_id: str, recipe: str) -> bytes:
    """A sheet of one visit: the layout's id, then its masked frames spread over time.

    Each frame bears its time in the video. Layouts whose mask cannot be trusted and dark frames are left out;
    of many layouts, some spread over the visit are shown.
    """
    paths = StudyPaths(study.root)
    frames = shown_frames(paths, patient_id, recipe)
    frames = frames.filter(pl.col("mean") >= _DARK * pl.col("mean").median().over("layout_id"))
    times = dict(_times(extracted_videos(paths, patient_id)))
    layouts = frames.partition_by("layout_id", maintain_order=True)
    rows = []
    for of_layout in (layouts[place] for place in spread(len(layouts), _OF_VISIT_ROWS)):
        chosen = of_layout[spread(of_layout.height, _OF_VISIT_COLUMNS)].select("frame_id", "path")
        tiles = [
            with_time(read_shown(paths, path), clock(times[frame_id]), _TILE_PX)
            for frame_id, path in chosen.iter_rows()
        ]
        rows.append((str(of_layout["layout_id"][0]), tiles))
    return small_png(_sheet(rows, _OF_VISIT_COLUMNS))


def _times(videos: Iterable[ExtractedVideo]) -> Iterator[tuple[str, float]]:
    """Ids of frames with the second of their video at which each is shown."""
    for video in videos:
        yield from video.frames.select("frame_id", "video_s").iter_rows()


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


def _sheet(rows: Sequence[Row], columns: int) -> Picture:
    """BGR: a caption and at most ``columns`` pictures per row; where there is none, the ground is grey."""
    tiles: list[Picture] = []
    for caption, pictures in rows or [("no picture to show", [])]:
        row = [_caption(caption), *pictures[:columns]]
        tiles += row + [_EMPTY] * (columns + 1 - len(row))
    return contact_sheet(tiles, columns + 1, _TILE_PX)


def _caption(text: str) -> Picture:
    """The text over as many lines as it takes."""
    tile = _EMPTY.copy()
    for line, start in enumerate(range(0, len(text), _CAPTION_LETTERS)):
        write(tile, text[start : start + _CAPTION_LETTERS], (5, _TILE_PX // 2 + 16 * line))
    return tile
