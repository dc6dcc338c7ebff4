"""Preprocessed frames of a visit: every frame with a region, by every recipe.

Never looks at labels or status: neither makes it run. What is done to a picture belongs to
``domain.preprocess``; here it is decided what has to be made, and that it appears whole or not at all.
"""

import json
import shutil
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.preprocess import Preprocessor
from eus_etl.domain.region import parse_polygon
from eus_etl.domain.tables import LAYOUTS, PREPROCESSED
from eus_etl.errors import FramesMissingError
from eus_etl.settings import RecipeConfig, StudyConfig
from eus_etl.steps.result import Check, StepResult, version_of
from eus_etl.storage.atomic import publish_folder, sync_folder, write_atomically
from eus_etl.storage.checksums import sha256_of
from eus_etl.storage.extracted import ExtractedVideo, extracted_videos, read_image
from eus_etl.storage.extractions import count_files, folder_beside
from eus_etl.storage.parts import load_part, write_part
from eus_etl.storage.table_files import read_part, write_parquet

FORMAT = 1
"""Raised when the same input gives other images or rows."""

_THREADS = 2
# on ultrasound runs of equal bytes are all that deflate finds: half the time of zlib's level 1, and smaller
_PNG = (
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_RLE,
    cv2.IMWRITE_PNG_FILTER,
    cv2.IMWRITE_PNG_FILTER_AVG,
)


def preprocess_patient(
    study: StudyConfig, patient_id: str, progress: Callable[[str], None] | None = None
) -> StepResult:
    """Make the images and the visit's part of ``preprocess_metadata.csv`` by all recipes.

    A video is made anew by a recipe only where its extraction, its layouts or the recipe changed. Frames
    of a layout without a region are left out. Images of videos and recipes that are no more are removed.

    Raises:
        FramesMissingError: an extracted image is gone or damaged.
        DiskFullError: no room; what is finished stays.
    """
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
    sizes = [file.stat().st_size for job in jobs for file in job.folder.glob("*")]
    frames = sum(video.frames.height for video in videos)
    return StepResult(
        version=version_of(part.rows()),
        metadata={
            "images": part.height,
            "images_made": made,
            "images_read": made,
            "frames_without_region": frames - part["frame_id"].n_unique(),
            "bytes": sum(sizes),
            "videos_decoded": 0,
        },
        checks=(
            Check(
                "images_equal_rows",
                len(sizes) == part.height,
                f"{len(sizes)} images on the disk, {part.height} rows",
            ),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Job:
    """One video by one recipe: what is made, and where."""

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
        """Written last: while it stands and says what is wanted, the job is done."""
        return self.paths.preprocessed_manifest(self.recipe_name, self.patient_id, self.video.video_id)

    @property
    def rows_file(self) -> Path:
        """The rows of ``tables.PREPROCESSED`` of this job."""
        return self.manifest_file.with_suffix(".parquet")

    def manifest(self) -> bytes:
        """All that the images depend on."""
        regions = self.layouts.select("layout_id", "segment", "width", "height", "polygon").rows()
        facts = {
            "format": FORMAT,
            "recipe": self.recipe.fingerprint(),
            "extraction": self.video.fingerprint(),
            "layouts": regions,
        }
        return json.dumps(facts, sort_keys=True).encode()

    def is_done(self) -> bool:
        """Whether the images of exactly this job are on the disk, and all of them."""
        if not self.manifest_file.is_file() or self.manifest_file.read_bytes() != self.manifest():
            return False
        return count_files(self.folder) == read_part(self.rows_file, PREPROCESSED).height


def _make(job: _Job) -> int:
    """Make all images of a job; returns how many."""
    with folder_beside(job.folder) as partial:
        with ThreadPoolExecutor(_THREADS) as workers, _single_threaded_cv2():
            rows = list(workers.map(lambda task: _make_image(job, partial, *task), _tasks(job)))
        # from here on the old images are no more what their manifest says
        _forget(job.manifest_file)
        if rows:
            publish_folder(partial, job.folder)
        elif job.folder.is_dir():
            shutil.rmtree(job.folder)
    write_parquet(PREPROCESSED.frame(rows), job.rows_file)
    write_atomically(job.manifest_file, job.manifest())
    return len(rows)


def _tasks(job: _Job) -> Iterator[tuple[str, Preprocessor, str, str]]:
    """Layout id, preprocessor, frame id and image path of each frame with a region."""
    regions = job.layouts.drop_nulls("polygon").select("segment", "layout_id", "polygon", "width", "height")
    found = {segment: layout for segment, *layout in regions.iter_rows()}
    for segment, frames in job.video.segments():
        if segment in found:
            layout_id, polygon, width, height = found[segment]
            preprocessor = Preprocessor(parse_polygon(polygon), width, height, job.recipe)
            for frame_id, path in frames.select("frame_id", "path").iter_rows():
                yield layout_id, preprocessor, frame_id, path


def _make_image(
    job: _Job, partial: Path, layout_id: str, preprocessor: Preprocessor, frame_id: str, path: str
) -> dict[str, object]:
    """Write one image into ``partial``; returns its row."""
    picture = read_image(job.paths, frame_id, path)
    try:
        prepared = preprocessor.apply(picture)
    except ValueError as error:
        raise FramesMissingError(frame_id, str(error), "make the asset regions of this visit again") from None
    _, png = cv2.imencode(".png", prepared.picture, _PNG)
    data = png.tobytes()
    name = Path(path).with_suffix(".png").name
    (partial / name).write_bytes(data)
    geometry = preprocessor.geometry
    return {
        "path": job.paths.relative(job.folder / name),
        "recipe": job.recipe_name,
        "frame_id": frame_id,
        "patient_id": job.patient_id,
        "video_id": job.video.video_id,
        "layout_id": layout_id,
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


@contextmanager
def _single_threaded_cv2() -> Iterator[None]:
    """Pictures are spread over our own threads; OpenCV's would only get in their way."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _remove_others(paths: StudyPaths, patient_id: str, recipes: Collection[str], jobs: list[_Job]) -> None:
    """Remove the visit's images and manifests that belong to none of the jobs, and unfinished ones."""
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
    """Remove a manifest for good before what it speaks of changes."""
    if manifest.is_file():
        manifest.unlink()
        sync_folder(manifest.parent)
