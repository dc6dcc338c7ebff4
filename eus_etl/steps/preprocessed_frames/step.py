"""Preprocessed frames of a visit: every frame with a region, by every recipe.

Never reads labels or status, so that no change of them makes it run. ``domain.preprocess`` says what is done
to a picture; this module decides what has to be made, and publishes it whole or not at all.
"""

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import polars as pl

from eus_etl.domain.images.codec import encode_png
from eus_etl.domain.images.threads import one_thread_a_picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.preprocess import Preprocessor
from eus_etl.domain.screen.overlays import parse_boxes
from eus_etl.domain.screen.region import parse_polygon
from eus_etl.domain.tables.catalog import LAYOUTS, PREPROCESSED, TEXT_CHECKS
from eus_etl.errors import FramesMissingError, OutputLostError
from eus_etl.settings import RecipeConfig, StudyConfig
from eus_etl.steps.previews.safe_images import mask_facts
from eus_etl.steps.previews.visit import sheets_of_visit
from eus_etl.steps.result import Check, StepResult, version_of
from eus_etl.steps.text_check.check import STAGE, check_text, require_reader
from eus_etl.storage.extraction_store import (
    ExtractedVideo,
    extracted_videos,
    folder_beside,
    read_image,
)
from eus_etl.storage.files.atomic import publish_folder, sync_folder, write_atomically
from eus_etl.storage.files.checksums import sha256_of
from eus_etl.storage.outputs import count_files, file_sizes
from eus_etl.storage.tables.parts import load_part, part_outputs, write_part
from eus_etl.storage.tables.table_files import read_part, write_parquet

FORMAT = 3
"""Increased when the same input gives other images or rows."""

_THREADS = 2
# in ultrasound, deflate finds little but runs of equal bytes: half the time of zlib's level 1, and smaller
_PNG_OPTIONS = (
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_RLE,
    cv2.IMWRITE_PNG_FILTER,
    cv2.IMWRITE_PNG_FILTER_SUB,
)


def preprocess_patient(
    study: StudyConfig, patient_id: str, progress: Callable[[str], None] | None = None
) -> StepResult:
    """Make the images and the visit's part of ``preprocess_metadata.csv`` by all recipes.

    A video is processed again only if its extraction or the recipe changed, one of its layouts only if its
    stretch or its region did. Frames of a layout without a region are left out. Images of videos and recipes
    that no longer exist are removed.

    Raises:
        FramesMissingError: an extracted image is gone or damaged.
        TextReaderError: the text check is required, and its program is missing or fails.
        DiskFullError: no room; finished images stay.
    """
    require_reader(study)
    paths = StudyPaths(study.root)
    videos = extracted_videos(paths, patient_id)
    layouts = load_part(paths, LAYOUTS, patient_id)
    jobs = [
        _Job(paths, patient_id, name, recipe, video, layouts.filter(pl.col("video_id") == video.video_id))
        for name, recipe in study.preprocess.recipes.items()
        for video in videos
    ]
    _remove_others(paths, patient_id, study.preprocess.recipes, jobs)
    made = 0
    for job in jobs:
        if not job.is_done():
            made += _make(job)
            if progress:
                progress(f"preprocessed {job.video.video_id} by {job.recipe_name}")
    tables = [PREPROCESSED.empty(), *(read_part(job.rows_file, PREPROCESSED) for job in jobs)]
    part = write_part(paths, PREPROCESSED, patient_id, pl.concat(tables))
    sizes = [size for job in jobs for size in file_sizes(job.folder)]
    frames = sum(video.frames.height for video in videos)
    text = check_text(study, patient_id, part, layouts, progress)
    sheets = sheets_of_visit(study, patient_id)
    return StepResult(
        version=version_of(part.rows(), text.rows.rows()),
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


@dataclass(frozen=True, slots=True)
class _Task:
    """One frame to preprocess."""

    layout_id: str
    preprocessor: Preprocessor
    frame_id: str
    path: str


@dataclass(frozen=True, slots=True)
class _Job:
    """One video and one recipe: what is made, and where."""

    paths: StudyPaths
    patient_id: str
    recipe_name: str
    recipe: RecipeConfig
    video: ExtractedVideo
    layouts: pl.DataFrame

    @property
    def folder(self) -> Path:
        """The finished images."""
        return self.paths.preprocessed_folder(self.recipe_name, self.patient_id, self.video.video_id)

    @property
    def manifest_file(self) -> Path:
        """Written last: while it exists and describes this job, the job is done."""
        return self.paths.preprocessed_manifest(self.recipe_name, self.patient_id, self.video.video_id)

    @property
    def rows_file(self) -> Path:
        """The rows of ``tables.PREPROCESSED`` of this job."""
        return self.manifest_file.with_suffix(".parquet")

    def outputs(self) -> tuple[Path, ...]:
        """What a finished job left: no folder where no frame has a region."""
        return (self.manifest_file, self.rows_file, *([self.folder] if self.folder.is_dir() else []))

    def facts(self) -> dict[str, object]:
        """All that the images depend on."""
        return {
            "format": FORMAT,
            "recipe": self.recipe.fingerprint(),
            "extraction": self.video.fingerprint(),
            "layouts": mask_facts(self.layouts),
        }

    def manifest(self) -> bytes:
        """The facts as the manifest holds them."""
        return json.dumps(self.facts(), sort_keys=True).encode()

    def is_done(self) -> bool:
        """Whether the images of exactly this job are on the disk, and all of them."""
        if not self.manifest_file.is_file() or self.manifest_file.read_bytes() != self.manifest():
            return False
        return self.is_whole()

    def is_whole(self) -> bool:
        """Whether its rows can be read, and all images that they name are on the disk."""
        try:
            return count_files(self.folder) == read_part(self.rows_file, PREPROCESSED).height
        except OutputLostError:
            return False


def _make(job: _Job) -> int:
    """Make the missing images of a job; returns how many."""
    with folder_beside(job.folder) as partial:
        kept = {frame_id: row for frame_id, row in _kept(job).items() if _copy(job, row, partial)}

        def row_of(task: _Task) -> dict[str, object]:
            return kept.get(task.frame_id) or _make_image(job, partial, task)

        with ThreadPoolExecutor(_THREADS) as workers, one_thread_a_picture():
            rows = list(workers.map(row_of, _tasks(job)))
        # from here on the old images no longer match their manifest
        _forget(job.manifest_file)
        if rows:
            publish_folder(partial, job.folder)
        elif job.folder.is_dir():
            shutil.rmtree(job.folder)
    write_parquet(PREPROCESSED.frame(rows), job.rows_file)
    write_atomically(job.manifest_file, job.manifest())
    return len(rows) - len(kept)


def _copy(job: _Job, row: Mapping[str, object], partial: Path) -> bool:
    """Bring a finished image along; False where it is not the one that was made."""
    image = job.paths.root / str(row["path"])
    data = image.read_bytes() if image.is_file() else b""
    if sha256_of(data) != row["sha256"]:
        return False
    (partial / image.name).write_bytes(data)
    return True


def _kept(job: _Job) -> dict[str, dict[str, object]]:
    """Rows of existing images that would come out the same, as their layout did not change, by frame id."""
    if not (job.manifest_file.is_file() and job.is_whole()):
        return {}
    try:
        before, now = json.loads(job.manifest_file.read_bytes()), job.facts()
    except ValueError:  # damaged
        return {}
    masks, wanted = before.pop("layouts"), now.pop("layouts")
    if before != now or not isinstance(wanted, list):
        return {}
    same = [layout_id for layout_id, *mask in masks if [layout_id, *mask] in wanted]
    rows = read_part(job.rows_file, PREPROCESSED).filter(pl.col("layout_id").is_in(same))
    return {str(row["frame_id"]): row for row in rows.to_dicts()}


def _tasks(job: _Job) -> Iterator[_Task]:
    """One task per frame with a region."""
    segments = dict(job.video.segments())
    found = job.layouts.drop_nulls("polygon")
    for layout in found.to_dicts():
        size = layout["width"], layout["height"]
        marks = parse_boxes(layout["marks"]) if layout["inpainted"] else ()
        preprocessor = Preprocessor(parse_polygon(layout["polygon"]), *size, job.recipe, marks)
        frames = segments[layout["segment"]][layout["first_row"] : layout["last_row"] + 1]
        for frame_id, path in frames.select("frame_id", "path").iter_rows():
            yield _Task(layout["layout_id"], preprocessor, frame_id, path)


def _make_image(job: _Job, partial: Path, task: _Task) -> dict[str, object]:
    """Write one image into ``partial``; returns its row."""
    frame_id, preprocessor = task.frame_id, task.preprocessor
    # an image read as grey is its luma: neither upsampled nor converted to color and back
    picture = read_image(job.paths, frame_id, task.path, grey=job.recipe.grey)
    try:
        prepared = preprocessor.apply(picture)
    except ValueError as error:
        raise FramesMissingError(frame_id, str(error), "make the asset regions of this visit again") from None
    data = encode_png(prepared.picture, _PNG_OPTIONS)
    name = Path(task.path).with_suffix(".png").name
    (partial / name).write_bytes(data)
    geometry = preprocessor.geometry
    return {
        "path": job.paths.relative(job.folder / name),
        "recipe": job.recipe_name,
        "frame_id": frame_id,
        "patient_id": job.patient_id,
        "video_id": job.video.video_id,
        "layout_id": task.layout_id,
        "crop_x": geometry.crop_x,
        "crop_y": geometry.crop_y,
        "crop_w": geometry.crop_w,
        "crop_h": geometry.crop_h,
        "scale": geometry.scale,
        "pad_x": geometry.pad_x,
        "pad_y": geometry.pad_y,
        "width": geometry.size_px,
        "height": geometry.size_px,
        "mean": prepared.mean,
        "std": prepared.std,
        "sha256": sha256_of(data),
    }


def _remove_others(paths: StudyPaths, patient_id: str, recipes: Collection[str], jobs: list[_Job]) -> None:
    """Remove the visit's images and manifests that belong to no job, and unfinished ones."""
    wanted = {entry for job in jobs for entry in (job.folder, job.manifest_file, job.rows_file)}
    state = paths.preprocessed_manifest("*", patient_id, "*").parent.relative_to(paths.root)
    for manifest in paths.root.glob(f"{state}/*.json"):
        if manifest not in wanted:
            _forget(manifest)
    for rows in paths.root.glob(f"{state}/*"):
        if rows not in wanted:
            rows.unlink()
    for folder in paths.preprocessed.glob(f"*/{patient_id}/*"):
        if folder not in wanted:
            shutil.rmtree(folder)
    for folder in paths.preprocessed.glob(f"*/{patient_id}"):
        with suppress(OSError):  # not empty
            folder.rmdir()
            if folder.parent.name not in recipes:
                folder.parent.rmdir()


def _forget(manifest: Path) -> None:
    """Remove a manifest for good before the images it describes change."""
    if manifest.is_file():
        manifest.unlink()
        sync_folder(manifest.parent)
