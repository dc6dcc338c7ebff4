"""Files below a study's root that nothing refers to.

Everything that the pipeline writes is listed somewhere: in a visit's page of provenance, in the rows of its
images, in the memory of its copies, or it is one of the few files of the study. What is left is an orphan: it
came from a run that was killed, from a version before this one, or from a person. Raw data is never removed.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import PREPROCESSED, REJECTED
from eus_etl.sources.videos.base import PART
from eus_etl.steps.observation.snapshot import SOURCES
from eus_etl.steps.raw_videos.copies import remembered_copies
from eus_etl.storage.extraction_store import load_rows
from eus_etl.storage.files.listing import is_clutter, listed
from eus_etl.storage.provenance import read_page
from eus_etl.storage.tables.parts import load_part

WRITTEN_S = 24 * 3600.0
"""A file that changed within a day may be about to be listed."""


def find_orphans(paths: StudyPaths, now_s: float | None = None) -> list[Path]:
    """The files of a study that nothing refers to, sorted; unfinished ones too, once they are a day old.

    Args:
        paths: the study's paths.
        now_s: the time, in seconds since 1970; None for now.

    Raises:
        OutputLostError: what a visit's images are is unknown, as one of its tables cannot be read.
    """
    newest = (time.time() if now_s is None else now_s) - WRITTEN_S
    outputs = _outputs(paths)
    images: dict[str, frozenset[str]] = {}
    orphans = []
    for area in _areas(paths):
        for file in _files(area):
            path = paths.relative(file)
            if path in outputs or file.lstat().st_mtime > newest:
                continue
            patient_id = _visit_of(paths, file)
            if patient_id is not None and patient_id not in images:
                images = {patient_id: _listed_files(paths, patient_id)}  # of one visit at a time
            if patient_id is None or path not in images[patient_id]:
                orphans.append(file)
    return sorted(orphans)


def remove_orphans(paths: StudyPaths, orphans: list[Path]) -> list[Path]:
    """Delete orphans, and folders that are empty then, but no raw data; returns what was deleted."""
    areas = _areas(paths)
    removed = []
    for file in orphans:
        if file.is_relative_to(paths.raw_data):
            continue
        with suppress(FileNotFoundError):
            file.unlink()
            removed.append(file)
        folder = file.parent
        while folder not in areas and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent
    return removed


def _areas(paths: StudyPaths) -> tuple[Path, ...]:
    """Where the pipeline alone writes, but for what it tidies itself."""
    return (
        paths.raw_data,
        paths.frames,
        paths.preprocessed,
        paths.all_parts,
        paths.pictures / "layouts",
        paths.pictures / "visits",
        paths.extracted,
        paths.preprocessed_state,
        paths.copies,
    )


def _files(area: Path) -> Iterator[Path]:
    for path in sorted(area.rglob("*")):
        # a download that stopped continues from what is there
        download = path.name.startswith(".") and path.name.endswith(PART)
        if not (download or is_clutter(path.name)) and (path.is_symlink() or path.is_file()):
            yield path


def _outputs(paths: StudyPaths) -> set[str]:
    """Paths below the root of all files that provenance lists, and of what observations recorded."""
    pages = [page.stem for page in listed(paths.pages, "*.json")]
    found = {path for page in pages for entry in read_page(paths, page).values() for path in entry.outputs}
    for source in SOURCES:
        rejected = paths.parts(f"{REJECTED.name}/{source}")
        found |= {paths.relative(file) for file in listed(rejected, "*.parquet")}
    return found


def _visit_of(paths: StudyPaths, file: Path) -> str | None:
    """The visit whose rows or memory may list a file; None where there is none."""
    for area, depth in ((paths.raw_data, 0), (paths.frames, 0), (paths.preprocessed, 1)):
        if file.is_relative_to(area):
            parts = file.relative_to(area).parts
            return parts[depth] if len(parts) > depth + 1 else None
    return None


def _listed_files(paths: StudyPaths, patient_id: str) -> frozenset[str]:
    """Paths below the root of a visit's images and raw videos."""
    raw = (paths.raw_folder(patient_id) / name for name in remembered_copies(paths, patient_id))
    extracted, made = load_rows(paths, patient_id), load_part(paths, PREPROCESSED, patient_id)
    return frozenset((*map(paths.relative, raw), *extracted["path"], *made["path"]))
