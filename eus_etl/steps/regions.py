"""The layouts of a visit's videos, and the ultrasound region of each.

Chooses and reads the few pictures that ``screen.region`` needs, applies hand-written regions, and writes the
outlines. ``screen.layouts`` decides where a layout begins, ``screen.region_overrides`` which row of
``regions.csv`` applies to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.domain.cells.statistics import CellGrid
from eus_etl.domain.images.codec import encode_png
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.plots.contact_sheet import region_outline
from eus_etl.domain.sampling import spread
from eus_etl.domain.screen.appearance import Screen, same_screen
from eus_etl.domain.screen.layouts import Layout, cut_layouts
from eus_etl.domain.screen.overlays import NO_MARKS, Marks, find_marks, format_boxes
from eus_etl.domain.screen.region import Region, format_polygon, mask, region_by_hand
from eus_etl.domain.screen.region_overrides import Shown, rows_that_hold, signs_off
from eus_etl.domain.screen.region_search import find_region
from eus_etl.domain.tables.catalog import LAYOUTS, REGIONS, VIDEOS
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.settings import QualityConfig, StudyConfig
from eus_etl.steps.entering import Entering, Stretch
from eus_etl.steps.observation.known_screens import KNOWN_SCREENS, share_of_screens
from eus_etl.steps.region_problems import bad_polygon, no_region, uncertain_region, unknown_videos
from eus_etl.steps.result import Check, StepResult, version_of
from eus_etl.steps.text_check.check import text_reader
from eus_etl.steps.text_reader.on_screen import words_on_screen
from eus_etl.steps.text_reader.words import TextReader
from eus_etl.storage.extraction_store import ExtractedVideo, extracted_videos, read_image
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.listing import listed
from eus_etl.storage.files.removal import remove_file, remove_partials
from eus_etl.storage.tables.parts import load_part, part_outputs, write_part, write_rejected

STAGE = "regions"

_OPTICAL_SHARE = 0.6
_OPTICAL = "it is colored nearly everywhere, as an endoscope's view is"

_MIN_MOVING = 8
"""With at least this many moving pictures, still ones are left out: a region is found by its motion."""


@dataclass(frozen=True, slots=True)
class _ShownLayout:
    """A layout with the grid of its segment and its own frames, in the order of its rows."""

    layout_id: str
    layout: Layout
    grid: CellGrid
    frames: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Decision:
    """What was decided for a screen."""

    region: Region
    screen: Screen
    signed_off: bool
    images_read: int
    marks: Marks = NO_MARKS


def find_regions(
    study: StudyConfig, patient_id: str, corrections: pl.DataFrame, screens: pl.DataFrame | None = None
) -> StepResult:
    """Make the visit's part of ``layouts.csv`` and an outline of each region, on a blank screen.

    A screen's region is searched for once per video, in all layouts that show the screen. A region in
    doubt is used, but recorded as uncertain: it may include text. A report page has no
    region, which is normal. A row of ``corrections`` replaces the search, unless it holds no polygon or one
    that does not fit the picture: then it is recorded as rejected.

    Args:
        study: the study.
        patient_id: the visit.
        corrections: ``tables.REGIONS`` of the visit.
        screens: ``tables.REGIONS`` of screens that are known on any visit.

    Raises:
        FramesMissingError: an extracted image is gone.
        TextReaderError: what reads the text on pictures is missing or fails.
    """
    paths = StudyPaths(study.root)
    reader = text_reader(study)
    entering = Entering(paths, reader, strict=study.preprocess.text_check.strict)
    screens = REGIONS.empty() if screens is None else screens
    by_hand = pl.concat([corrections, screens])
    rejected: list[Rejection] = []
    rows: list[dict[str, object]] = []
    images_read = 0
    extracted = extracted_videos(paths, patient_id)
    known = {*load_part(paths, VIDEOS, patient_id)["video_id"], *(video.video_id for video in extracted)}
    if unknown := sum(video not in known for video in corrections["video_id"] if video):
        rejected.append(unknown_videos(unknown))
    for video in extracted:
        shown = _shown_layouts(video)
        decided: dict[str, _Decision] = {}
        for signature in dict.fromkeys(one.layout.signature for one in shown):
            alike = [one for one in shown if one.layout.signature == signature]
            unnamed = alike[0].layout.screen == "ultrasound" or len(alike) == len(shown)
            written = rows_that_hold(by_hand, Shown(video.video_id, signature, unnamed))
            decided[signature] = _decide(study, paths, alike, written, rejected, reader)
        images_read += sum(decision.images_read for decision in decided.values())
        for one in shown:
            decision = decided[one.layout.signature]
            row = _layout_row(patient_id, video.video_id, one, decision)
            row |= entering.columns(
                Stretch.of(one.layout_id, one.layout, one.grid, one.frames), decision.region
            )
            row["inpainted"] = study.regions.marks == "inpaint" and bool(decision.marks.boxes)
            row["overlay"] = _draw_outline(paths, patient_id, one.layout_id, one.grid, decision.region)
            rows.append(row)
    part = write_part(paths, LAYOUTS, patient_id, LAYOUTS.frame(rows))
    _remove_other_outlines(paths, patient_id, part)
    recorded = write_rejected(paths, STAGE, patient_id, rejected)
    reports = part.filter(pl.col("screen") == "report").height
    without = part.filter(pl.col("kind") == "none").height - reports
    return StepResult(
        version=version_of(part.to_dicts(), recorded.to_dicts()),
        metadata={
            "layouts": part.height,
            "reports": reports,
            "without_region": without,
            "uncertain": part.filter("uncertain").height,
            "by_hand": part.filter(pl.col("found_by") == "regions.csv").height,
            "signed_off": int(part["signed_off"].sum()),
            "corrections_rejected": sum(row.reason == "bad_polygon" for row in rejected),
            "images_read": images_read + entering.images_read,
            "videos_decoded": 0,
            **entering.notes(),
        },
        checks=(
            Check(
                "every_layout_has_a_region",
                without == 0,
                f"{without} of {part.height} layouts without a region; their frames are not preprocessed",
            ),
        ),
        outputs=(
            *part_outputs(paths, STAGE, patient_id, LAYOUTS),
            *(paths.root / overlay for overlay in part["overlay"].drop_nulls()),
        ),
        shares={KNOWN_SCREENS: share_of_screens(screens, part["signature"])},
    )


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


def _shown_layouts(video: ExtractedVideo) -> list[_ShownLayout]:
    """The layouts of a video; a screen that returns after a change of picture size keeps its signature."""
    grids = video.grids()
    shown: list[_ShownLayout] = []
    for segment, frames in video.segments():
        grid = grids[segment]
        before = [one.layout.signature for one in shown]
        for layout in cut_layouts(grid, frames["video_s"].to_numpy()):
            known = [own for own in before if same_screen(own, layout.signature)]
            named = replace(layout, signature=known[0]) if known else layout
            own = frames[layout.first_row : layout.last_row + 1]
            shown.append(_ShownLayout(f"{video.video_id}-{len(shown)}", named, grid, own))
    return shown


def _decide(
    study: StudyConfig,
    paths: StudyPaths,
    alike: Sequence[_ShownLayout],
    written: Sequence[Mapping[str, object]],
    rejected: list[Rejection],
    reader: TextReader | None,
) -> _Decision:
    """The region of a screen: from the first usable row, else found in all layouts that show it.

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
            return _Decision(region, shown, signs_off(row), len(pictures), marks)
    if screen == "report":
        return _Decision(Region(), screen, False, 0)
    pictures = _read_pictures(paths, alike, study)
    words = words_on_screen(reader, first.layout_id, pictures)
    region = find_region(pictures, study.regions, words)
    if not region.found:
        rejected.append(no_region(first.layout_id))
    else:
        region = replace(region, doubt=region.doubt or _optical_doubt(region, alike))
        if region.doubt is not None:
            rejected.append(uncertain_region(first.layout_id, region.doubt))
    marks = find_marks(pictures, region.polygon) if region.found_by == "auto_motion" else NO_MARKS
    return _Decision(region, screen, False, len(pictures), marks)


def _optical_doubt(region: Region, alike: Sequence[_ShownLayout]) -> str | None:
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


def _read_pictures(paths: StudyPaths, alike: Sequence[_ShownLayout], study: StudyConfig) -> list[Picture]:
    stretches = [one.grid.codes[one.layout.first_row : one.layout.last_row + 1] for one in alike]
    codes = stretches[0] if len(stretches) == 1 else np.concatenate(stretches)
    grid = CellGrid(alike[0].grid.segment, alike[0].grid.geometry, codes)
    rows = sample_rows(grid, study.regions.sample_frames, study.quality)
    chosen = pl.concat([one.frames.select("frame_id", "path") for one in alike])[rows]
    return [read_image(paths, frame_id, path, grey=True) for frame_id, path in chosen.iter_rows()]


def _layout_row(
    patient_id: str, video_id: str, shown: _ShownLayout, decision: _Decision
) -> dict[str, object]:
    layout, grid, frames, region = shown.layout, shown.grid, shown.frames, decision.region
    return {
        "patient_id": patient_id,
        "video_id": video_id,
        "layout_id": shown.layout_id,
        "segment": grid.segment,
        "first_row": layout.first_row,
        "last_row": layout.last_row,
        "screen": decision.screen,
        "signature": layout.signature,
        "first_pts": frames["pts"][0],
        "last_pts": frames["pts"][-1],
        "width": grid.geometry.width_px,
        "height": grid.geometry.height_px,
        "kind": region.kind,
        "polygon": format_polygon(region.polygon) if region.found else None,
        "area_fraction": region.area_fraction if region.found else None,
        "solidity": region.solidity,
        "confidence": region.confidence if region.found else None,
        "marks": format_boxes(decision.marks.boxes),
        "picture_in_picture": format_boxes(decision.marks.insets),
        "found_by": region.found_by,
        "uncertain": region.doubt is not None,
        "doubt": region.doubt,
        "signed_off": decision.signed_off,
    }


def _draw_outline(
    paths: StudyPaths, patient_id: str, layout_id: str, grid: CellGrid, region: Region
) -> str | None:
    if not region.found:
        return None
    picture = region_outline(region.polygon, grid.geometry.width_px, grid.geometry.height_px)
    file = paths.layout_pictures(patient_id) / f"{layout_id}.png"
    write_atomically(file, encode_png(picture))
    return paths.relative(file)


def _remove_other_outlines(paths: StudyPaths, patient_id: str, layouts: pl.DataFrame) -> None:
    remove_partials(paths.layout_pictures(patient_id))
    wanted = set(layouts["overlay"].drop_nulls())
    for file in listed(paths.layout_pictures(patient_id)):
        if paths.relative(file) not in wanted:
            remove_file(file)
