"""Makes the images of one job, and publishes them whole or not at all.

An image whose layout and region are as before is copied, not made again. ``domain.preprocess`` says what is
done to a picture.
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from eus_etl.domain.images.codec import encode_png
from eus_etl.domain.images.threads import one_thread_a_picture
from eus_etl.domain.preprocess import Preprocessor
from eus_etl.domain.screen.entering import parse_rows
from eus_etl.domain.screen.overlays import parse_boxes
from eus_etl.domain.screen.region import parse_polygon
from eus_etl.domain.tables.catalog import PREPROCESSED
from eus_etl.errors import FramesMissingError
from eus_etl.steps.preprocessed_frames.job import Job, forget
from eus_etl.storage.extraction_store import read_image
from eus_etl.storage.files.atomic import folder_beside, publish_folder, write_atomically
from eus_etl.storage.files.checksums import sha256_of
from eus_etl.storage.files.removal import remove_folder
from eus_etl.storage.tables.table_files import read_part, write_parquet

_THREADS = 2
# ultrasound compresses by little but runs of equal bytes: half the time of zlib's level 1, and smaller
_PNG_OPTIONS = (
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_RLE,
    cv2.IMWRITE_PNG_FILTER,
    cv2.IMWRITE_PNG_FILTER_SUB,
)


@dataclass(frozen=True, slots=True)
class _Task:
    """One frame to preprocess."""

    layout_id: str
    preprocessor: Preprocessor
    frame_id: str
    path: str


def make_images(job: Job) -> int:
    """Make the missing images of a job; returns how many."""
    with folder_beside(job.folder) as partial:
        kept = {frame_id: row for frame_id, row in _kept(job).items() if _copy(job, row, partial)}

        def row_of(task: _Task) -> dict[str, object]:
            return kept.get(task.frame_id) or _make_image(job, partial, task)

        with ThreadPoolExecutor(_THREADS) as workers, one_thread_a_picture():
            rows = list(workers.map(row_of, _tasks(job)))
        # from here on the old images no longer match their manifest
        forget(job.manifest_file)
        if rows:
            publish_folder(partial, job.folder)
        else:
            remove_folder(job.folder)
    write_parquet(PREPROCESSED.frame(rows), job.rows_file)
    write_atomically(job.manifest_file, job.manifest())
    return len(rows) - len(kept)


def _copy(job: Job, row: Mapping[str, object], partial: Path) -> bool:
    """Copy a finished image; False if it is not the one that was made."""
    image = job.paths.root / str(row["path"])
    data = image.read_bytes() if image.is_file() else b""
    if sha256_of(data) != row["sha256"]:
        return False
    (partial / image.name).write_bytes(data)
    return True


def _kept(job: Job) -> dict[str, dict[str, object]]:
    """Rows of existing images that would be the same again, as their layout did not change, by frame id."""
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


def _tasks(job: Job) -> Iterator[_Task]:
    """One task per frame with a region that nothing else covers."""
    segments = dict(job.video.segments())
    found = job.layouts.drop_nulls("polygon")
    for layout in found.to_dicts():
        size = layout["width"], layout["height"]
        marks = parse_boxes(layout["marks"]) if layout["inpainted"] else ()
        preprocessor = Preprocessor(parse_polygon(layout["polygon"]), *size, job.recipe, marks)
        rows = np.arange(layout["first_row"], layout["last_row"] + 1)
        # what is covered by something else is left out: a mask of it would depend on finding all of it
        frames = segments[layout["segment"]][np.setdiff1d(rows, parse_rows(layout["covered_rows"]))]
        for frame_id, path in frames.select("frame_id", "path").iter_rows():
            yield _Task(layout["layout_id"], preprocessor, frame_id, path)


def _make_image(job: Job, partial: Path, task: _Task) -> dict[str, object]:
    """Write one image into ``partial``; returns its row."""
    frame_id, preprocessor = task.frame_id, task.preprocessor
    # reading as grey gives the luma, without upsampling or converting to color and back
    picture = read_image(job.paths, frame_id, task.path, grey=job.recipe.grey)
    try:
        prepared = preprocessor.apply(picture)
    except ValueError as error:
        raise FramesMissingError(
            frame_id, str(error), "materialize the asset regions of this visit again"
        ) from None
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
