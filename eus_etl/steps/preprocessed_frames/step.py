"""Preprocessed frames of a visit: every frame with a region, by every recipe.

Never reads labels or status, so that changing them does not make it run. This module decides what has to be
made; ``job`` says what a finished video is, ``images`` makes it.
"""

from collections.abc import Callable, Collection
from contextlib import suppress

import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import LAYOUTS, PREPROCESSED, TEXT_CHECKS
from eus_etl.settings import StudyConfig
from eus_etl.steps.preprocessed_frames.images import make_images
from eus_etl.steps.preprocessed_frames.job import Job, forget
from eus_etl.steps.previews.visit import sheets_of_visit
from eus_etl.steps.release_blocks import UNCERTAIN_REGION
from eus_etl.steps.result import Check, StepResult, version_of
from eus_etl.steps.text_check.check import STAGE, block_until_checked, check_text, text_reader
from eus_etl.storage.extraction_store import extracted_videos
from eus_etl.storage.files.listing import listed
from eus_etl.storage.files.removal import remove_file, remove_folder, remove_partials
from eus_etl.storage.outputs import file_sizes
from eus_etl.storage.tables.parts import load_part, part_outputs, write_part
from eus_etl.storage.tables.table_files import read_part

FORMAT = 2
"""Increased when equal images and findings have to be put together again."""


def preprocess_patient(
    study: StudyConfig, patient_id: str, progress: Callable[[str], None] | None = None
) -> StepResult:
    """Make the images, by all recipes, and the visit's part of ``preprocess_metadata.csv``.

    A video is processed again only if its extraction or the recipe changed, one of its layouts only if its
    stretch or its region did. Frames of a layout without a region are left out. Images of videos and recipes
    that no longer exist are removed.

    Raises:
        FramesMissingError: an extracted image is gone or damaged.
        TextReaderError: the reader of the text check is missing or fails.
        DiskFullError: the disk is full; finished images are kept.
    """
    reader = text_reader(study)
    paths = StudyPaths(study.root)
    videos = extracted_videos(paths, patient_id)
    layouts = load_part(paths, LAYOUTS, patient_id)
    jobs = [
        Job(paths, patient_id, name, recipe, video, layouts.filter(pl.col("video_id") == video.video_id))
        for name, recipe in study.preprocess.recipes.items()
        for video in videos
    ]
    _remove_others(paths, patient_id, study.preprocess.recipes, jobs)
    made = 0
    if unfinished := [job for job in jobs if not job.is_done()]:
        block_until_checked(paths, patient_id)
    for job in unfinished:
        made += make_images(job)
        if progress:
            progress(f"preprocessed {job.video.video_id} by {job.recipe_name}")
    tables = [PREPROCESSED.empty(), *(read_part(job.rows_file, PREPROCESSED) for job in jobs)]
    rows = PREPROCESSED.conform(pl.concat(tables))
    sizes = [size for job in jobs for size in file_sizes(job.folder)]
    frames = sum(video.frames.height for video in videos)
    text = check_text(study, patient_id, rows, layouts, reader, progress)
    part = write_part(paths, PREPROCESSED, patient_id, rows)  # no table lists an image before it is checked
    uncertain = layouts.filter(UNCERTAIN_REGION)["layout_id"]
    sheets = sheets_of_visit(study, patient_id)
    return StepResult(
        version=version_of(part.rows(), text.rows.rows(), uncertain.to_list()),
        metadata={
            "images": part.height,
            "images_made": made,
            "images_read": made,
            "frames_without_region": frames - part["frame_id"].n_unique(),
            "bytes": sum(sizes),
            "videos_decoded": 0,
            **text.metadata,
            **sheets.notes,
        },
        pictures=sheets.pictures,
        checks=(
            Check(
                "images_equal_rows",
                len(sizes) == part.height,
                f"{len(sizes)} images on the disk, {part.height} rows",
            ),
            text.check,
        ),
        outputs=(
            *part_outputs(paths, STAGE, patient_id, PREPROCESSED, TEXT_CHECKS),
            *(path for job in jobs for path in job.outputs()),
            *(paths.visit_contact_sheet(patient_id, recipe) for recipe in study.preprocess.recipes),
        ),
    )


def _remove_others(paths: StudyPaths, patient_id: str, recipes: Collection[str], jobs: list[Job]) -> None:
    """Remove the visit's images and manifests that belong to no job, and unfinished ones."""
    wanted = {entry for job in jobs for entry in (job.folder, job.manifest_file, job.rows_file)}
    for folder in (paths.preprocessed_state, paths.preprocessed):
        for unfinished in listed(folder, f"*/{patient_id}"):
            remove_partials(unfinished)
    for manifest in listed(paths.preprocessed_state, f"*/{patient_id}/*.json"):
        if manifest not in wanted:
            forget(manifest)
    for rows in listed(paths.preprocessed_state, f"*/{patient_id}/*"):
        if rows not in wanted:
            remove_file(rows)
    for folder in listed(paths.preprocessed, f"*/{patient_id}/*"):
        if folder not in wanted:
            remove_folder(folder)
    for folder in listed(paths.preprocessed, f"*/{patient_id}"):
        with suppress(OSError):  # not empty
            folder.rmdir()
            if folder.parent.name not in recipes:
                folder.parent.rmdir()
