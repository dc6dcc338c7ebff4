"""The pictures of one visit, drawn for the page and kept beside the tables.

A picture is a convenience: one that cannot be drawn is named in the metadata and fails nothing.
``domain.plots.timeline`` and ``contact_sheets`` draw them, from images that ``safe_images`` chooses.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl

from eus_etl.domain.images.codec import decode_image
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.plots.contact_sheet import for_page
from eus_etl.domain.plots.timeline import THUMBNAILS, Thumbnail, draw_timeline
from eus_etl.domain.sampling import spread
from eus_etl.settings import StudyConfig
from eus_etl.steps.previews.contact_sheets import draw_visit_sheet
from eus_etl.steps.previews.safe_images import read_shown, shown_frames
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.listing import listed
from eus_etl.storage.files.removal import remove_file


@dataclass(frozen=True, slots=True)
class Drawn:
    """Pictures that were drawn, small WebP files for the page by title, and why others were not."""

    pictures: Mapping[str, bytes] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


def draw(title: str, file: Path, drawing: Callable[[], bytes]) -> Drawn:
    """Draw one picture and keep it as ``file``; on failure, remove ``file`` and leave a note."""
    try:
        png = drawing()
        picture = decode_image(png, "bgr")
        assert picture is not None  # noqa: S101 - it was drawn this moment
        shown = for_page(picture)
        write_atomically(file, png)
    except Exception as error:
        # its message may hold anything, its type holds no name
        with suppress(OSError):
            remove_file(file)
        return Drawn(notes={f"{title} not drawn": type(error).__name__})
    return Drawn({title: shown})


def timeline_of_visit(
    study: StudyConfig,
    patient_id: str,
    table: pl.DataFrame,
    intervals: pl.DataFrame,
    *,
    alias: str | None,
    end_s: float | None,
) -> Drawn:
    """The visit's timeline: labels, status, and masked thumbnails of the first recipe that has any.

    Args:
        study: the configuration.
        patient_id: the visit.
        table: its frame table.
        intervals: ``tables.LABELS`` of the visit.
        alias: the visit's alias, where it is known.
        end_s: when the procedure was stopped, in procedure time, where that is known.
    """
    families = {family: [label.name for label in labels] for family, labels in study.families.items()}
    return draw(
        "timeline",
        StudyPaths(study.root).timeline_picture(patient_id),
        lambda: draw_timeline(
            table, intervals, families, _thumbnails(study, patient_id, table), alias=alias, end_s=end_s
        ),
    )


def sheets_of_visit(study: StudyConfig, patient_id: str) -> Drawn:
    """One masked contact sheet per recipe; those of former recipes are removed."""
    paths = StudyPaths(study.root)
    files = {recipe: paths.visit_contact_sheet(patient_id, recipe) for recipe in study.preprocess.recipes}
    of_any = paths.visit_contact_sheet(patient_id, "*")
    for file in listed(of_any.parent, of_any.name):
        if file not in files.values():
            remove_file(file)
    drawn = [
        draw(f"contact sheet {recipe}", file, partial(draw_visit_sheet, study, patient_id, recipe))
        for recipe, file in files.items()
    ]
    return Drawn(
        {title: png for one in drawn for title, png in one.pictures.items()},
        {title: why for one in drawn for title, why in one.notes.items()},
    )


def _thumbnails(study: StudyConfig, patient_id: str, table: pl.DataFrame) -> list[Thumbnail]:
    """Of undisturbed frames; of a visit that has none, no thumbnails: a black picture shows nothing."""
    paths = StudyPaths(study.root)
    timed = table.filter(~pl.col("disturbed")).drop_nulls("procedure_s")
    timed = timed.select("frame_id", "procedure_s").sort("procedure_s")
    for recipe in study.preprocess.recipes:
        images = shown_frames(paths, patient_id, recipe).select("frame_id", "path")
        shown = timed.join(images, on="frame_id", maintain_order="left").select("procedure_s", "path")
        chosen = shown[spread(shown.height, THUMBNAILS)]
        if shown.height:
            return [
                Thumbnail(procedure_s, read_shown(paths, path)) for procedure_s, path in chosen.iter_rows()
            ]
    return []
