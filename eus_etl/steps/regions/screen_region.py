"""The region of a screen that a video shows: from a hand-written row, or found in a few of its pictures.

Chooses and reads the pictures that ``screen.region_search`` needs. ``screen.region_overrides`` decides which
row of ``regions.csv`` applies.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.domain.cells.statistics import CellGrid, GridGeometry
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.sampling import spread
from eus_etl.domain.screen.appearance import Screen
from eus_etl.domain.screen.layouts import Layout
from eus_etl.domain.screen.overlays import NO_MARKS, Marks, find_marks
from eus_etl.domain.screen.region import Polygon, Region, mask, region_by_hand
from eus_etl.domain.screen.region_overrides import ConfirmedOutline, signs_off
from eus_etl.domain.screen.region_search import find_region
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.settings import QualityConfig, StudyConfig
from eus_etl.steps.regions.problems import bad_polygon, no_region, uncertain_region
from eus_etl.steps.text_reader.on_screen import words_on_screen
from eus_etl.steps.text_reader.words import TextReader
from eus_etl.storage.extraction_store import read_image

_OPTICAL_SHARE = 0.6
_OPTICAL = "it is colored nearly everywhere, as an endoscope's view is"

_MIN_MOVING = 8
"""With at least this many moving pictures, still ones are left out: a region is found by its motion."""


@dataclass(frozen=True, slots=True)
class ShownLayout:
    """A layout with the grid of its segment and its own frames, in the order of its rows."""

    layout_id: str
    layout: Layout
    grid: CellGrid
    frames: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for a screen."""

    region: Region
    screen: Screen
    signed_off: bool
    images_read: int
    marks: Marks = NO_MARKS


def decided_region(
    study: StudyConfig,
    paths: StudyPaths,
    alike: Sequence[ShownLayout],
    written: Sequence[Mapping[str, object]],
    confirmed: Sequence[ConfirmedOutline],
    rejected: list[Rejection],
    reader: TextReader | None,
) -> Decision:
    """The region of a screen: from the first usable row, else found in all layouts that show it.

    What is confirmed for the screen on other visits is evidence where it is sought.

    Problems are recorded under the first of these layouts. A page with a hand-written polygon is not a
    report.
    """
    first = alike[0]
    screen, geometry = first.layout.screen, first.grid.geometry
    for row in written:
        try:
            region = region_by_hand(str(row["polygon"] or ""), geometry.width_px, geometry.height_px)
        except ValueError as error:
            rejected.append(bad_polygon(first.layout_id, str(error)))
        else:
            shown: Screen = "split" if screen == "split" else "ultrasound"
            # marks are needed only to paint over them: otherwise a hand-written polygon needs no image
            pictures = _read_pictures(paths, alike, study) if study.regions.marks == "inpaint" else []
            marks = find_marks(pictures, region.polygon)
            return Decision(region, shown, signs_off(row), len(pictures), marks)
    if screen == "report":
        return Decision(Region(), screen, False, 0)
    pictures = _read_pictures(paths, alike, study)
    words = words_on_screen(reader, first.layout_id, pictures)
    elsewhere = _outlines_on(geometry, confirmed)
    region = find_region(pictures, study.regions, words, elsewhere)
    if not region.found:
        rejected.append(no_region(first.layout_id))
    else:
        region = replace(region, doubt=region.doubt or _optical_doubt(region, alike))
        if region.doubt is not None:
            rejected.append(uncertain_region(first.layout_id, region.doubt))
    marks = find_marks(pictures, region.polygon) if region.found_by == "auto_motion" else NO_MARKS
    return Decision(region, screen, False, len(pictures), marks)


def sample_rows(grid: CellGrid, count: int, quality: QualityConfig) -> NDArray[np.intp]:
    """Rows of the grid whose pictures show the region best: at most ``count``, spread over the layout.

    Judged on the whole screen, as no region is known yet. Left out are dark pictures (less than half as
    bright as most), pictures with far more color than the least colored (an endoscope's view), and still
    ones where enough others move. If that leaves none, all are taken.
    """
    scores = grid.score(np.ones((grid.geometry.rows, grid.geometry.cols)))
    lit = scores.brightness >= 0.5 * np.quantile(scores.brightness, 0.75)
    least_colored = np.quantile(scores.color_fraction[lit], 0.1)
    usable = lit & (scores.color_fraction <= least_colored + quality.optical_outside_fraction)
    moving = usable & (scores.motion >= quality.frozen_motion)
    chosen = np.flatnonzero(moving if np.count_nonzero(moving) >= _MIN_MOVING else usable)
    return chosen[spread(len(chosen), count)]


def _outlines_on(geometry: GridGeometry, confirmed: Sequence[ConfirmedOutline]) -> list[Polygon]:
    """Outlines as polygons on a picture, but for those that do not fit it: these prove nothing."""
    found = []
    for outline in confirmed:
        with suppress(ValueError):
            found.append(region_by_hand(outline.polygon, geometry.width_px, geometry.height_px).polygon)
    return found


def _optical_doubt(region: Region, alike: Sequence[ShownLayout]) -> str | None:
    """The doubt about a region that is colored nearly everywhere, most of the time: an endoscope's view."""
    geometry = alike[0].grid.geometry
    inside = mask(region.polygon, geometry.width_px, geometry.height_px)
    share = cv2.resize(inside, (geometry.cols, geometry.rows), interpolation=cv2.INTER_AREA) / 255
    colored = [
        one.grid.score(np.where(share > 0.5, 1.0, 0.0)).color_fraction[
            one.layout.first_row : one.layout.last_row + 1
        ]
        for one in alike
    ]
    return _OPTICAL if float(np.median(np.concatenate(colored))) > _OPTICAL_SHARE else None


def _read_pictures(paths: StudyPaths, alike: Sequence[ShownLayout], study: StudyConfig) -> list[Picture]:
    stretches = [one.grid.codes[one.layout.first_row : one.layout.last_row + 1] for one in alike]
    codes = stretches[0] if len(stretches) == 1 else np.concatenate(stretches)
    grid = CellGrid(alike[0].grid.segment, alike[0].grid.geometry, codes)
    rows = sample_rows(grid, study.regions.sample_frames, study.quality)
    chosen = pl.concat([one.frames.select("frame_id", "path") for one in alike])[rows]
    return [read_image(paths, frame_id, path, grey=True) for frame_id, path in chosen.iter_rows()]
