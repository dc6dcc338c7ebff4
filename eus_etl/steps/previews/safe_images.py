"""Chooses and reads the preprocessed images that may be shown to people, in the page and beside the tables.

Only masked ones, and only where the mask can be trusted: an extracted frame is never read here.
``contact_sheets`` and ``domain.plots`` arrange them.
"""

import json
from pathlib import Path

import polars as pl

from eus_etl.domain.images.codec import decode_image
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import LAYOUTS, PREPROCESSED, TEXT_CHECKS
from eus_etl.errors import FramesMissingError
from eus_etl.steps.release_blocks import UNCERTAIN_REGION
from eus_etl.storage.files.removal import remove_file
from eus_etl.storage.tables.parts import load_part
from eus_etl.storage.vouched import content_of


def mask_facts(layouts: pl.DataFrame) -> list[list[object]]:
    """Everything that the masks of one video depend on, as a manifest holds it.

    Args:
        layouts: ``tables.LAYOUTS`` of the video.
    """
    facts = ("layout_id", "segment", "first_row", "last_row", "width", "height", "polygon", "covered_rows")
    inpainted = pl.when("inpainted").then("marks")
    return [list(row) for row in layouts.select(*facts, inpainted).rows()]


def shown_frames(paths: StudyPaths, patient_id: str, recipe: str) -> pl.DataFrame:
    """The visit's preprocessed images that may be shown, in the order of their part.

    Left out are images with an outdated mask (their region was corrected, and they are not made again yet).
    Until a person has signed off the region, images are also left out if the region is uncertain (it
    may include text), or if text was read in it.

    Returns:
        ``frame_id, layout_id, path`` (below the study's root) ``, mean`` (grey level inside the mask).
    """
    believed = [
        layout_id
        for (video_id,), of_video in load_part(paths, LAYOUTS, patient_id).group_by("video_id")
        if _masks_of(paths, recipe, patient_id, str(video_id)) == mask_facts(of_video)
        for layout_id in of_video.filter(~UNCERTAIN_REGION)["layout_id"]
    ]
    with_text = load_part(paths, TEXT_CHECKS, patient_id).filter("blocks")["layout_id"]
    return (
        load_part(paths, PREPROCESSED, patient_id)
        .filter(pl.col("recipe") == recipe, pl.col("layout_id").is_in(set(believed) - set(with_text)))
        .select("frame_id", "layout_id", "path", "mean")
    )


def read_shown(paths: StudyPaths, path: str) -> Picture:
    """One preprocessed image, grey or BGR.

    Raises:
        FramesMissingError: it is gone or damaged; its video counts as not preprocessed by its recipe.
    """
    file = paths.root / path
    recipe, patient_id, video_id, name = file.relative_to(paths.preprocessed).parts
    picture = decode_image(file.read_bytes() if file.is_file() else b"")
    if picture is None:
        remove_file(paths.preprocessed_manifest(recipe, patient_id, video_id))
        raise FramesMissingError(
            f"{patient_id}/{video_id}/{Path(name).stem}",
            f"its preprocessed image by {recipe} is missing or damaged",
            "run again: it is made again",
        )
    return picture


def _masks_of(paths: StudyPaths, recipe: str, patient_id: str, video_id: str) -> object:
    """What the masks of the video's images were made from; None until they are finished."""
    manifest = paths.preprocessed_manifest(recipe, patient_id, video_id)
    if not manifest.is_file():
        return None
    with content_of(manifest):
        return json.loads(manifest.read_bytes())["layouts"]
