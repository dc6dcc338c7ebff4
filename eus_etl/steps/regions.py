"""Display layouts of a visit's videos and the ultrasound region of each.

Chooses and reads the few pictures that ``domain.region`` looks at, applies hand-written regions, and
writes the outlines. One layout a segment: screens that change at an equal picture size are not told apart.
"""

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.domain.grid import CellGrid
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.pictures import region_outline
from eus_etl.domain.region import Picture, Region, find_region, format_polygon, region_by_hand
from eus_etl.domain.tables import LAYOUTS
from eus_etl.settings import QualityConfig, StudyConfig
from eus_etl.steps.result import Check, StepResult, version_of
from eus_etl.storage.atomic import write_atomically
from eus_etl.storage.extracted import ExtractedVideo, extracted_videos, read_image
from eus_etl.storage.grids import load_grids
from eus_etl.storage.parts import write_part, write_rejected

STAGE = "regions"

_MIN_MOVING = 8
"""With so many moving pictures the still ones are not needed: a region is found by what moves."""


def find_regions(study: StudyConfig, patient_id: str, corrections: pl.DataFrame) -> StepResult:
    """Make the visit's part of ``layouts.csv`` and an outline of each region, on a blank screen.

    A region found without motion is used and recorded as uncertain: bright text may lie inside.
    A row of ``corrections`` overrules what would be found: one for the video before one for all of the
    visit. A row that is no polygon or does not fit the picture is recorded, and the region is looked for.

    Args:
        study: the study.
        patient_id: the visit.
        corrections: ``tables.REGIONS`` of the visit.

    Raises:
        FramesMissingError: an extracted image is gone.
    """
    paths = StudyPaths(study.root)
    rejected: list[dict[str, object]] = []
    rows: list[dict[str, object]] = []
    images_read = 0
    for video in extracted_videos(paths, patient_id):
        grids = load_grids(video.folder)
        for number, (segment, frames) in enumerate(video.segments()):
            grid = grids[segment]
            layout_id = f"{video.video_id}-{number}"
            region = _region_by_hand(corrections, video, layout_id, grid, rejected)
            if region is None:
                pictures = _read_pictures(paths, frames, grid, study)
                images_read += len(pictures)
                region = find_region(pictures, study.regions)
            if not region.found:
                rejected.append(_no_region(layout_id))
            elif region.found_by == "auto_structure":
                rejected.append(_uncertain_region(layout_id))
            rows.append(
                _layout_row(patient_id, video.video_id, layout_id, frames, grid, region)
                | {"overlay": _draw_outline(paths, patient_id, layout_id, grid, region)}
            )
    part = write_part(paths, LAYOUTS, patient_id, LAYOUTS.frame(rows))
    _remove_other_outlines(paths, patient_id, part)
    recorded = write_rejected(paths, STAGE, patient_id, rejected)
    without = part.filter(pl.col("kind") == "none").height
    return StepResult(
        version=version_of(part.to_dicts(), recorded.to_dicts()),
        metadata={
            "layouts": part.height,
            "without_region": without,
            "uncertain": part.filter(pl.col("found_by") == "auto_structure").height,
            "by_hand": part.filter(pl.col("found_by") == "regions.csv").height,
            "corrections_rejected": sum(row["reason"] == "bad_polygon" for row in rejected),
            "images_read": images_read,
            "videos_decoded": 0,
        },
        checks=(
            Check(
                "every_layout_has_a_region",
                without == 0,
                f"{without} of {part.height} layouts without a region; their frames are not preprocessed",
            ),
        ),
    )


def sample_rows(grid: CellGrid, count: int, quality: QualityConfig) -> NDArray[np.intp]:
    """Rows of the grid whose pictures show the region best: at most ``count``, spread over the layout.

    Judged on the whole screen, as no region is known yet: dark pictures (less than half as bright as
    most) and far more coloured ones than the least coloured (an endoscope's view) are left out, and still
    ones where enough move. Where nothing is left, all are taken.
    """
    scores = grid.score(np.ones((grid.geometry.rows, grid.geometry.cols)))
    lit = scores.brightness >= 0.5 * np.quantile(scores.brightness, 0.75)
    least_colored = np.quantile(scores.color_fraction[lit], 0.1)
    usable = lit & (scores.color_fraction <= least_colored + quality.optical_outside_fraction)
    moving = usable & (scores.motion >= quality.frozen_motion)
    chosen = np.flatnonzero(moving if np.count_nonzero(moving) >= _MIN_MOVING else usable)
    spread = np.linspace(0, len(chosen) - 1, min(count, len(chosen)))
    return chosen[np.rint(spread).astype(np.intp)]


def _read_pictures(
    paths: StudyPaths, frames: pl.DataFrame, grid: CellGrid, study: StudyConfig
) -> list[Picture]:
    rows = sample_rows(grid, study.regions.sample_frames, study.quality)
    chosen = frames.select("frame_id", "path")[rows]
    return [read_image(paths, frame_id, path, grey=True) for frame_id, path in chosen.iter_rows()]


def _region_by_hand(
    corrections: pl.DataFrame,
    video: ExtractedVideo,
    layout_id: str,
    grid: CellGrid,
    rejected: list[dict[str, object]],
) -> Region | None:
    """The first row that fits, those of the video before those of the visit; None without one."""
    of_video = corrections.filter(pl.col("video_id") == video.video_id)
    of_visit = corrections.filter(pl.col("video_id").is_null())
    for polygon in [*of_video["polygon"], *of_visit["polygon"]]:
        try:
            return region_by_hand(polygon or "", grid.geometry.width_px, grid.geometry.height_px)
        except ValueError as error:
            rejected.append(_bad_polygon(layout_id, str(error)))
    return None


def _layout_row(
    patient_id: str, video_id: str, layout_id: str, frames: pl.DataFrame, grid: CellGrid, region: Region
) -> dict[str, object]:
    return {
        "patient_id": patient_id,
        "video_id": video_id,
        "layout_id": layout_id,
        "segment": grid.segment,
        "first_pts": frames["pts"][0],
        "last_pts": frames["pts"][-1],
        "width": grid.geometry.width_px,
        "height": grid.geometry.height_px,
        "kind": region.kind,
        "polygon": format_polygon(region.polygon) if region.found else None,
        "area_fraction": region.area_fraction if region.found else None,
        "solidity": region.solidity,
        "found_by": region.found_by,
    }


def _draw_outline(
    paths: StudyPaths, patient_id: str, layout_id: str, grid: CellGrid, region: Region
) -> str | None:
    if not region.found:
        return None
    picture = region_outline(region.polygon, grid.geometry.width_px, grid.geometry.height_px)
    _, png = cv2.imencode(".png", picture)
    file = paths.layout_pictures(patient_id) / f"{layout_id}.png"
    write_atomically(file, png.tobytes())
    return paths.relative(file)


def _remove_other_outlines(paths: StudyPaths, patient_id: str, layouts: pl.DataFrame) -> None:
    wanted = set(layouts["overlay"].drop_nulls())
    for file in paths.layout_pictures(patient_id).glob("*"):
        if paths.relative(file) not in wanted:
            file.unlink()


def _no_region(layout_id: str) -> dict[str, object]:
    return {
        "item": layout_id,
        "reason": "no_region",
        "detail": "too little moves and too little is lit to tell the ultrasound picture from the screen",
        "remedy": "write the region's polygon into regions.csv; until then no frame of it is preprocessed",
    }


def _uncertain_region(layout_id: str) -> dict[str, object]:
    return {
        "item": layout_id,
        "reason": "uncertain_region",
        "detail": "nothing moves: the region is what is lit, and may hold text or miss dark parts",
        "remedy": "look at its preprocessed frames; write the region's polygon into regions.csv",
    }


def _bad_polygon(layout_id: str, why: str) -> dict[str, object]:
    return {
        "item": layout_id,
        "reason": "bad_polygon",
        "detail": why,
        "remedy": "correct the polygon in regions.csv: x,y x,y ... in picture pixels",
    }
