"""Makes a visit's part of ``layouts.csv``, and draws the outlines.

``screen.layouts`` decides where a layout begins, ``screen_region`` which region its screen has.
"""

from dataclasses import replace

import polars as pl

from eus_etl.domain.cells.statistics import CellGrid
from eus_etl.domain.images.codec import encode_png
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.plots.contact_sheet import region_outline
from eus_etl.domain.screen.appearance import same_screen
from eus_etl.domain.screen.layouts import cut_layouts
from eus_etl.domain.screen.overlays import format_boxes
from eus_etl.domain.screen.region import Region, format_polygon
from eus_etl.domain.screen.region_overrides import Shown, rows_that_hold
from eus_etl.domain.tables.catalog import LAYOUTS, VIDEOS
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.settings import StudyConfig
from eus_etl.steps.entering import Entering, Stretch
from eus_etl.steps.observation.known_screens import KNOWN_SCREENS, KnownScreens, shown_screens
from eus_etl.steps.regions.problems import unknown_videos
from eus_etl.steps.regions.screen_region import Decision, ShownLayout, decided_region
from eus_etl.steps.result import Check, StepResult, version_of
from eus_etl.steps.text_check.check import text_reader
from eus_etl.storage.extraction_store import ExtractedVideo, extracted_videos
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.listing import listed
from eus_etl.storage.files.removal import remove_file, remove_partials
from eus_etl.storage.tables.parts import load_part, part_outputs, write_part, write_rejected

STAGE = "regions"


def find_regions(
    study: StudyConfig, patient_id: str, corrections: pl.DataFrame, screens: KnownScreens | None = None
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
        screens: what is known of screens on any visit.

    Raises:
        FramesMissingError: an extracted image is gone.
        TextReaderError: what reads the text on pictures is missing or fails.
    """
    paths = StudyPaths(study.root)
    reader = text_reader(study)
    entering = Entering(paths, reader, strict=study.preprocess.text_check.strict)
    screens = screens or KnownScreens()
    by_hand = pl.concat([corrections, screens.rows])
    rejected: list[Rejection] = []
    rows: list[dict[str, object]] = []
    images_read = 0
    extracted = extracted_videos(paths, patient_id)
    known = {*load_part(paths, VIDEOS, patient_id)["video_id"], *(video.video_id for video in extracted)}
    if unknown := sum(video not in known for video in corrections["video_id"] if video):
        rejected.append(unknown_videos(unknown))
    for video in extracted:
        shown = _shown_layouts(video)
        decided: dict[str, Decision] = {}
        for signature in dict.fromkeys(one.layout.signature for one in shown):
            alike = [one for one in shown if one.layout.signature == signature]
            unnamed = alike[0].layout.screen == "ultrasound" or len(alike) == len(shown)
            written = rows_that_hold(by_hand, Shown(video.video_id, signature, unnamed))
            confirmed = screens.confirmed_for([signature])
            decided[signature] = decided_region(study, paths, alike, written, confirmed, rejected, reader)
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
    signatures = shown_screens(part)
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
        shares={KNOWN_SCREENS: screens.share(signatures)},
        screens=signatures,
    )


def _shown_layouts(video: ExtractedVideo) -> list[ShownLayout]:
    """The layouts of a video; a screen that returns after a change of picture size keeps its signature."""
    grids = video.grids()
    shown: list[ShownLayout] = []
    for segment, frames in video.segments():
        grid = grids[segment]
        before = [one.layout.signature for one in shown]
        for layout in cut_layouts(grid, frames["video_s"].to_numpy()):
            known = [own for own in before if same_screen(own, layout.signature)]
            named = replace(layout, signature=known[0]) if known else layout
            own = frames[layout.first_row : layout.last_row + 1]
            shown.append(ShownLayout(f"{video.video_id}-{len(shown)}", named, grid, own))
    return shown


def _layout_row(patient_id: str, video_id: str, shown: ShownLayout, decision: Decision) -> dict[str, object]:
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
