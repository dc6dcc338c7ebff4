"""The gate before a release: nothing is published whose held-out frames are in training."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

from eus_etl.domain.images.codec import decode_image, encode_png
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.images.threads import one_thread_a_picture
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.plots.contact_sheet import contact_sheet, with_time
from eus_etl.domain.release.leaks import LeakReport, find_leaks
from eus_etl.domain.release.likeness import Looks, shrink
from eus_etl.errors import FramesMissingError, LeakError
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.looks import load_looks, save_looks

_WORKERS = 2
_BATCH = 256
_PAIRS = 24
_PAIRS_OF_TWO_VISITS = 2
_TILE_PX = 240


def check_leaks(paths: StudyPaths, release: str, frames: pl.DataFrame) -> LeakReport:
    """Search a release for leaks; refuse it where there is one.

    Args:
        paths: the study's paths.
        release: the release's id; names the folder of the sheets.
        frames: ``frame_id`` (of the release)``, split, source_frame_id, patient_id, video_id, subject_id``
            (null where unknown)``, source_path`` (preprocessed image below the root)``, sha256`` (of that
            image, hex); the frames of a video in order.

    Raises:
        LeakError: there are leaks. Sheets of the nearest pairs (masked pictures) and a table of them lie in
            the study's folder of pictures.
        FramesMissingError: an image is gone or damaged.
    """
    looks = looks_of(paths, frames)
    report = find_leaks(
        frames.select(
            "frame_id",
            "split",
            video=pl.col("video_id").cast(pl.String),
            person=pl.col("subject_id").cast(pl.String),
            visit=pl.col("patient_id").cast(pl.String),
        ),
        looks,
    )
    if report.leaking.is_empty():
        return report
    folder = paths.leak_sheets(release)
    worst = _in_the_study(report.leaking, frames)
    write_atomically(folder / "leaks.csv", worst.drop("source_path", "nearest_path").write_csv().encode())
    write_atomically(folder / "leaks.png", encode_png(_sheet(paths, worst)))
    raise LeakError(
        release,
        f"{report.verdict} frames of validation and test are in training ({report.alike} look like a training"
        f" frame, {report.shared_video} are of a video in training, {report.shared_subject} of a person in"
        " training)",
        f"look at {paths.relative(folder / 'leaks.png')}; leave out one of the two visits of each pair"
        " (exclude_visits), or give both the same subject",
    )


def looks_of(paths: StudyPaths, frames: pl.DataFrame) -> Looks:
    """The look of each frame; those of images that were looked at before are not computed again.

    Args:
        paths: the study's paths.
        frames: ``patient_id, source_frame_id, source_path, sha256``.

    Raises:
        FramesMissingError: an image is gone or damaged.
    """
    rows = frames.select(
        pl.col("patient_id").cast(pl.String), "source_frame_id", "source_path", "sha256"
    ).with_row_index()
    parts, places = [], []
    with one_thread_a_picture(), ThreadPoolExecutor(_WORKERS) as pool:
        for (patient_id,), visit in rows.group_by("patient_id", maintain_order=True):
            parts.append(_looks_of_visit(paths, str(patient_id), visit, pool))
            places.append(visit["index"].to_numpy())
    order = np.argsort(np.concatenate(places, dtype=np.int64) if places else np.zeros(0, np.int64))
    return Looks.joined(parts).at(order)


def _looks_of_visit(
    paths: StudyPaths, patient_id: str, visit: pl.DataFrame, pool: ThreadPoolExecutor
) -> Looks:
    recipes = {str(path).split("/")[2] for path in visit["source_path"].head(1)}
    file = paths.looks("-".join(recipes), patient_id)
    known, looks = load_looks(file)
    at = {sha256: place for place, sha256 in enumerate(known)}
    new = visit.filter(~pl.col("sha256").is_in(pl.Series(known, dtype=pl.String).implode())).unique(
        "sha256", maintain_order=True
    )
    if new.height:
        shown = pool.map(
            lambda row: shrink(_read(paths.root / row[0], row[1])),
            new.select("source_path", "source_frame_id").iter_rows(),
        )
        made = [Looks.of(np.stack(batch)) for batch in _batches(shown)]
        looks = Looks.joined([looks, *made])
        known = [*known, *new["sha256"]]
        at = {sha256: place for place, sha256 in enumerate(known)}
        # only what is in use is kept: an image that was made again leaves its old look behind
        used = np.array(sorted({at[sha256] for sha256 in visit["sha256"]}), np.int64)
        save_looks(file, [known[place] for place in used], looks.at(used))
    return looks.at(np.array([at[sha256] for sha256 in visit["sha256"]], np.int64))


def _batches(pictures: Iterator[Picture]) -> Iterator[list[Picture]]:
    while batch := list(islice(pictures, _BATCH)):
        yield batch


def _read(path: Path, frame_id: str) -> Picture:
    picture = decode_image(path.read_bytes() if path.is_file() else b"", "grey")
    if picture is None:
        raise FramesMissingError(frame_id, "its preprocessed image is missing or damaged", "`eus-etl run`")
    return picture


def _in_the_study(leaking: pl.DataFrame, frames: pl.DataFrame) -> pl.DataFrame:
    """The leaks by the study's own ids, which never leave the study's root."""
    ids = frames.select("frame_id", "source_frame_id", "source_path")
    near = ids.select(
        nearest_frame_id="frame_id", nearest_source_id="source_frame_id", nearest_path="source_path"
    )
    named = leaking.join(ids, on="frame_id", how="left", maintain_order="left")
    named = named.join(near, on="nearest_frame_id", how="left", maintain_order="left")
    return named.select(
        pl.col("source_frame_id").alias("frame_id"),
        "split",
        pl.col("nearest_source_id").alias("nearest_frame_id"),
        "distance",
        "shared_video",
        "shared_subject",
        "source_path",
        "nearest_path",
    )


def _sheet(paths: StudyPaths, worst: pl.DataFrame) -> Picture:
    """The nearest pairs side by side, a few of each two visits: held out left, training right."""
    shown: Counter[tuple[str, str]] = Counter()
    tiles: list[Picture] = []
    for row in worst.drop_nulls("nearest_path").iter_rows(named=True):
        visits = row["frame_id"].split("/")[0], row["nearest_frame_id"].split("/")[0]
        shown[visits] += 1
        if shown[visits] <= _PAIRS_OF_TWO_VISITS and len(tiles) < 2 * _PAIRS:
            for path, frame_id, said in (
                (row["source_path"], row["frame_id"], f"{row['split']} {visits[0][:8]}"),
                (
                    row["nearest_path"],
                    row["nearest_frame_id"],
                    f"train {visits[1][:8]}  {row['distance']:.2f}",
                ),
            ):
                tiles.append(with_time(_read(paths.root / path, frame_id), said, _TILE_PX))
    return contact_sheet(tiles, 4, _TILE_PX)
