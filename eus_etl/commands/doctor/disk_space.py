"""Free disk space compared with the files to fetch and the images to be made of them."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

import polars as pl

from eus_etl.commands.doctor.filesystem import nearest_folder
from eus_etl.commands.doctor.finding import Finding, ok, problem, warning
from eus_etl.domain.numbers import bytes_in_units
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import VIDEOS

IMAGES_PER_VIDEO = 5.0
"""Bytes of images per byte of video, until the study has made some: the median of eight public
ultrasound clips at 5 Hz, JPEG of quality 95 and one recipe of 512 px. It ranges from 0.3 to 17."""

_SAMPLE = 20


def examine_room(paths: StudyPaths, recipes: Sequence[str], sizes: Sequence[int]) -> Finding:
    """Compare free disk space with the files to fetch and the images to be made of them.

    Args:
        paths: the study's paths.
        recipes: names of its recipes.
        sizes: of the files in the videos' source, in bytes.
    """
    check = "free disk"
    free = shutil.disk_usage(nearest_folder(paths.root)).free
    files, waiting = not_fetched(paths, sizes)
    images = round(waiting * (_images_per_video(paths, recipes) or IMAGES_PER_VIDEO))
    found = (
        f"{bytes_in_units(free)} free; {files} files to fetch ({bytes_in_units(waiting)}), "
        f"their images about {bytes_in_units(images)}"
    )
    if free <= waiting:
        return problem(check, found, "free space, or name a root on a larger disk")
    if free <= waiting + images:
        return warning(check, found, "free space before the images are made, or name a root on a larger disk")
    return ok(check, found)


def not_fetched(paths: StudyPaths, sizes: Sequence[int]) -> tuple[int, int]:
    """How many of these files are not in ``raw_data``, and their bytes.

    Files are told apart by size alone: none is read. Unfinished downloads do not count.
    """
    waiting = Counter(sizes)
    waiting.subtract(Counter(_sizes_below(paths.raw_data)))
    missing = +waiting
    return missing.total(), sum(size * number for size, number in missing.items())


def _images_per_video(paths: StudyPaths, recipes: Sequence[str]) -> float | None:
    """Bytes of images per byte of video, from some of the study's videos; None where none has images yet."""
    table = paths.table(VIDEOS.name)
    if not table.is_file():
        return None
    text = {"patient_id": pl.String, "video_id": pl.String}
    videos = pl.read_csv(table, columns=[*text, "bytes"], schema_overrides=text)
    with_images = (row for row in videos.iter_rows() if paths.frames_folder(row[0], row[1]).is_dir())
    of_videos = of_images = 0
    for patient, video, size in islice(with_images, _SAMPLE):
        of_videos += size
        of_images += sum(_sizes_below(paths.frames_folder(patient, video)))
        for recipe in recipes:
            of_images += sum(_sizes_below(paths.preprocessed_folder(recipe, patient, video)))
    return of_images / of_videos if of_videos else None


def _sizes_below(folder: Path) -> Iterator[int]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if not name.startswith("."):
                with suppress(FileNotFoundError):  # a run may be at work
                    yield (Path(parent) / name).stat().st_size
