"""Verifies one visit: its raw videos, extracted images and grids, and preprocessed images.

Derived data that is damaged or gone is marked as not made, so that the next run makes it again. Raw data is
reported and left alone.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from eus_etl.commands.upkeep.finding import Finding
from eus_etl.commands.upkeep.hashing import Algorithm, BoundedHasher
from eus_etl.domain.frame_ids import video_id_of
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import DECODED, PREPROCESSED, VIDEOS
from eus_etl.domain.tables.schema import Table
from eus_etl.errors import OutputLostError
from eus_etl.steps.preprocessed_frames.job import forget
from eus_etl.steps.raw_videos.copies import remembered_copies
from eus_etl.storage.image_sums import load_image_sums
from eus_etl.storage.leases.work import work_lease
from eus_etl.storage.manifests import read_manifest, remove_manifest
from eus_etl.storage.outputs import lost
from eus_etl.storage.provenance import read_page
from eus_etl.storage.tables.parts import load_part

_FETCH_AGAIN = (
    "restore it from a backup; or delete it (videos.csv has its name) and `eus-etl run`, which fetches it "
    "again if the source still has it"
)


def verify_visit(paths: StudyPaths, patient_id: str, hasher: BoundedHasher) -> list[Finding]:
    """Compare what is stored of a visit with the checksums that were recorded when it was made.

    No run works on the visit meanwhile.
    """
    with work_lease(paths, patient_id):
        return [
            *_outputs(paths, patient_id),
            *_raw_videos(paths, patient_id, hasher),
            *_extracted(paths, patient_id, hasher),
            *_preprocessed(paths, patient_id, hasher),
        ]


def _outputs(paths: StudyPaths, patient_id: str) -> Iterator[Finding]:
    """Outputs whose size changed or that are gone: the next run sees these without being told."""
    for asset, entry in read_page(paths, patient_id).items():
        if path := lost(paths, entry.outputs):
            yield Finding("missing", f"{asset} of {patient_id}", f"{_by_ids(path)} is missing or changed")


def _by_ids(path: str) -> str:
    """A path below the root that can be shown: of raw data, the visit's folder is listed as a whole."""
    return "/".join(path.split("/")[-2:])


def _raw_videos(paths: StudyPaths, patient_id: str, hasher: BoundedHasher) -> Iterator[Finding]:
    copies = remembered_copies(paths, patient_id) or dict(
        _rows(paths, VIDEOS, patient_id, "file_name", "md5")
    )
    for name, md5 in copies.items():
        subject = f"raw video {video_id_of(md5)} of {patient_id}"
        found = _hash(hasher, paths.raw_folder(patient_id) / name, "md5")
        if found is None:
            yield Finding("missing", subject, "its file is gone from raw_data", _FETCH_AGAIN)
        elif found != md5:
            yield Finding("damaged", subject, "its file in raw_data has another MD5", _FETCH_AGAIN)


def _extracted(paths: StudyPaths, patient_id: str, hasher: BoundedHasher) -> Iterator[Finding]:
    for video_id, kept in _rows(paths, DECODED, patient_id, "video_id", "frames_kept"):
        if not kept:
            continue
        state = paths.extracted_folder(patient_id, video_id)
        found = list(_video_extracted(paths, patient_id, video_id, state, hasher))
        if any(finding.is_loss for finding in found):
            remove_manifest(state)
        yield from found


def _video_extracted(
    paths: StudyPaths, patient_id: str, video_id: str, state: Path, hasher: BoundedHasher
) -> Iterator[Finding]:
    subject = f"frames of {patient_id}/{video_id}"
    manifest = read_manifest(state)
    if manifest is None:
        yield Finding("missing", subject, "their manifest, or a file beside it, is missing or damaged")
        return
    for name, digest in manifest.state_sha256.items():
        if _hash(hasher, state / name, "sha256") != digest:
            yield Finding("damaged", f"{name} of {patient_id}/{video_id}", "it is not what was written")
    try:
        sums = load_image_sums(state)
    except ValueError:  # the manifest's sum of the list has told
        return
    if sums is None:
        yield Finding(
            "not recorded",
            subject,
            "they were extracted by a version that took no checksums",
            f"`eus-etl run --remake frames --patient {patient_id}` extracts them again",
        )
        return
    yield from _images(subject, paths.frames_folder(patient_id, video_id), sums, hasher)


def _preprocessed(paths: StudyPaths, patient_id: str, hasher: BoundedHasher) -> Iterator[Finding]:
    rows = _rows(paths, PREPROCESSED, patient_id, "recipe", "video_id", "path", "sha256")
    sums: dict[tuple[str, str], dict[str, str]] = {}
    for recipe, video_id, path, sha256 in rows:
        sums.setdefault((recipe, video_id), {})[Path(path).name] = sha256
    for (recipe, video_id), of_video in sums.items():
        folder = paths.preprocessed_folder(recipe, patient_id, video_id)
        found = list(_images(f"{recipe} frames of {patient_id}/{video_id}", folder, of_video, hasher))
        if found:
            forget(paths.preprocessed_manifest(recipe, patient_id, video_id))
        yield from found


def _images(subject: str, folder: Path, sums: Mapping[str, str], hasher: BoundedHasher) -> Iterator[Finding]:
    """What is wrong with a folder of images: one finding for all that are missing, one for all damaged."""
    found = {name: _hash(hasher, folder / name, "sha256") for name in sums}
    missing = [name for name, digest in found.items() if digest is None]
    damaged = [name for name, digest in found.items() if digest not in (None, sums[name])]
    if missing:
        yield Finding("missing", subject, f"{len(missing)} of {len(sums)} images, the first is {missing[0]}")
    if damaged:
        yield Finding("damaged", subject, f"{len(damaged)} of {len(sums)} images, the first is {damaged[0]}")


def _hash(hasher: BoundedHasher, path: Path, algorithm: Algorithm) -> str | None:
    """The hash of a file; None if it is missing. One that the disk cannot read counts as damaged."""
    try:
        return hasher.hash(path, algorithm)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return "unreadable"


def _rows(paths: StudyPaths, table: Table, patient_id: str, *columns: str) -> list[tuple[Any, ...]]:
    """Columns of a visit's part; none where it is lost, which ``_outputs`` reports."""
    try:
        return load_part(paths, table, patient_id).select(pl.col(*columns)).rows()
    except OutputLostError:
        return []
