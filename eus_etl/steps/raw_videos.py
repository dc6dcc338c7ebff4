"""Verified local copies of a visit's videos, probed and placed in time."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import BaseModel

from eus_etl.domain.paths import StudyPaths, safe_file_name
from eus_etl.domain.tables.catalog import VIDEOS
from eus_etl.domain.timeline import place_videos
from eus_etl.domain.video.reader import probe
from eus_etl.errors import DownloadRefusedError, EusEtlError, VideoUnreadableError
from eus_etl.settings import StudyConfig
from eus_etl.sources.videos.base import PART, VideoSource
from eus_etl.steps.observation.snapshot import ObservedFile
from eus_etl.steps.result import Check, StepResult, version_of
from eus_etl.storage.atomic import remove_partials, write_atomically
from eus_etl.storage.checksums import md5_of
from eus_etl.storage.parts import write_part, write_rejected

STAGE = "raw_videos"


class _Copy(BaseModel):
    """A verified copy: its MD5 need not be computed again while size and time stand."""

    md5: str
    size: int
    mtime_ns: int


class _Copies(BaseModel):
    names: dict[str, _Copy] = {}


@dataclass(frozen=True, slots=True)
class _Brought:
    """What ``raw_data`` holds of a visit now.

    Attributes:
        copies: MD5 sums to verified copies, without those that neither source nor folder holds.
        fetched: how many were fetched just now.
        refused: MD5 sums to why their source holds them back.
    """

    copies: Mapping[str, Path]
    fetched: int
    refused: Mapping[str, EusEtlError]


def fetch_videos(
    study: StudyConfig,
    patient_id: str,
    source: VideoSource,
    files: Sequence[ObservedFile],
    progress: Callable[[str], None] | None = None,
) -> StepResult:
    """Bring ``raw_data/<patient_id>`` to what the source holds, and make the visit's rows of ``videos.csv``.

    Files that the source holds no more but that were not replaced or moved stay, and are recorded.

    Raises:
        SourceUnavailableError: a file cannot be fetched now; what was fetched before is kept.
        DiskFullError: no room for a copy.
    """
    paths = StudyPaths(study.root)
    remove_partials(paths.raw_folder(patient_id))
    rejected: list[dict[str, object]] = []
    wanted = _distinct(files, rejected)
    brought = _bring_copies(paths, patient_id, source, wanted, progress)
    rows = []
    for file in wanted:
        if (refusal := brought.refused.get(file.md5)) is not None:
            rejected.append(_row(file, "not_fetched", refusal.cause, f"{refusal.remedy}{_MAKE_AGAIN}"))
            continue
        if file.md5 not in brought.copies:
            rejected.append(
                _row(file, "gone_from_source", "neither the source nor raw_data holds it", _UPLOAD)
            )
            continue
        if file.gone:
            rejected.append(_row(file, "gone_from_source", "the copy in raw_data is used", _GONE))
        if file.unclear:
            rejected.append(_row(file, "owner_unclear", _STAYS, _MAKE_CLEAR))
        try:
            rows.append(_video_row(brought.copies[file.md5], patient_id, file))
        except VideoUnreadableError as error:
            rejected.append(_row(file, "unreadable", error.cause, error.remedy))
    videos = VIDEOS.frame(rows)
    places = place_videos(videos, study.timeline)
    placed = videos.drop(set(places.columns) - {"video_id"}).join(places, on="video_id").sort("order")
    part = write_part(paths, VIDEOS, patient_id, placed)
    recorded = write_rejected(paths, STAGE, patient_id, rejected)
    unreadable = recorded.filter(pl.col("reason") == "unreadable").height
    return StepResult(
        version=version_of(part.to_dicts(), recorded.to_dicts()),
        metadata={
            "videos": part.height,
            "files_fetched": brought.fetched,
            "rejected": recorded.height,
            "bytes": int(part["bytes"].sum()),
            "duration_s": round(float(part["duration_s"].sum()), 3),
        },
        checks=(
            Check("videos_open", unreadable == 0, f"{unreadable} of {len(wanted)} files do not open"),
            _reasons_check(recorded),
        ),
    )


def _reasons_check(recorded: pl.DataFrame) -> Check:
    without = recorded.filter(pl.col("reason").fill_null("") == "").height
    return Check(
        "rejections_have_reasons", without == 0, f"{recorded.height} rejected, {without} without a reason"
    )


def _distinct(files: Sequence[ObservedFile], rejected: list[dict[str, object]]) -> list[ObservedFile]:
    """Each content once, in path order; a file that is still there comes before one that is gone."""
    wanted: dict[str, ObservedFile] = {}
    for file in sorted(files, key=lambda file: (file.gone, file.parts)):
        if file.md5 not in wanted:
            wanted[file.md5] = file
        elif not file.gone:
            rejected.append(
                _row(file, "duplicate_upload", f"same content as {wanted[file.md5].source_id}", "nothing")
            )
    return sorted(wanted.values(), key=lambda file: file.parts)


def copy_names(files: Sequence[ObservedFile]) -> dict[str, str]:
    """MD5 sums of a visit's files to the names of their copies in the visit's folder of ``raw_data``."""
    return _file_names(_distinct(files, []))


def _file_names(files: Sequence[ObservedFile]) -> dict[str, str]:
    """MD5 sums to names in ``raw_data``: names that differ in nothing but folder or case get the video id."""
    safe = {file.md5: safe_file_name(file.parts[-1]) for file in files}
    uses = Counter(name.casefold() for name in safe.values())
    names = {}
    for file in files:
        name = Path(safe[file.md5])
        if uses[name.name.casefold()] > 1:
            name = name.with_name(f"{name.stem}-{file.video_id}{name.suffix}")
        names[file.md5] = name.name
    return names


def _bring_copies(
    paths: StudyPaths,
    patient_id: str,
    source: VideoSource,
    wanted: Sequence[ObservedFile],
    progress: Callable[[str], None] | None,
) -> _Brought:
    """Rename, fetch and remove until the folder holds ``wanted``.

    Raises:
        EusEtlError: a file could not be fetched that may be fetched later.
    """
    folder, memory = paths.raw_folder(patient_id), paths.state / "raw" / f"{patient_id}.json"
    before = _Copies.model_validate_json(memory.read_bytes()) if memory.is_file() else _Copies()
    names = _file_names(wanted)
    held = {copy.md5: folder / name for name, copy in before.names.items() if _is_intact(folder / name, copy)}
    copies = {}
    for md5, name in names.items():  # renames come first: they free names that fetched files may want
        target = folder / name
        if md5 in held:
            if not target.exists():
                held[md5].replace(target)
                held[md5] = target
            copies[md5] = held[md5]
        elif target.is_file() and md5_of(target) == md5:
            copies[md5] = target
    targets = {}
    for file in wanted:
        if file.md5 not in copies and not file.gone:
            target = folder / names[file.md5]
            if target in copies.values() or (target.exists() and target.name not in before.names):
                target = target.with_name(f"{target.stem}-{file.video_id}{target.suffix}")
            targets[file.md5] = (file.as_source_file(), target)
    failures = source.fetch_many(
        list(targets.values()),
        lambda file: progress(f"fetched {file.md5[:12]}, {file.size} bytes") if progress else None,
    )
    fetched = {md5: target for md5, (file, target) in targets.items() if file.source_id not in failures}
    copies |= fetched
    kept = {path.name for path in copies.values()}
    for name in before.names.keys() - kept:
        (folder / name).unlink(missing_ok=True)
    write_atomically(memory, _remember(copies).model_dump_json().encode())
    for error in failures.values():
        if not isinstance(error, DownloadRefusedError):
            raise error  # what was fetched is kept; the visit waits for the rest
    for part in folder.glob(f".*{PART}"):
        part.unlink()  # begun for an upload that was replaced since
    refused = {md5: failures[file.source_id] for md5, (file, _) in targets.items() if md5 not in fetched}
    return _Brought(copies, len(fetched), refused)


def _remember(copies: Mapping[str, Path]) -> _Copies:
    stats = {md5: (path.name, path.stat()) for md5, path in copies.items()}
    return _Copies(
        names={
            name: _Copy(md5=md5, size=stat.st_size, mtime_ns=stat.st_mtime_ns)
            for md5, (name, stat) in stats.items()
        }
    )


def _video_row(path: Path, patient_id: str, file: ObservedFile) -> dict[str, object]:
    facts = probe(path, file.video_id)
    return {
        "patient_id": patient_id,
        "video_id": file.video_id,
        "file_name": path.name,
        "source_id": file.source_id,
        "md5": file.md5,
        "bytes": file.size,
        "container": facts.container,
        "codec": facts.codec,
        "width": facts.width,
        "height": facts.height,
        "pixel_aspect": facts.pixel_aspect,
        "rotation": facts.rotation,
        "nominal_rate_hz": facts.nominal_rate_hz,
        "variable_rate": facts.variable_rate,
        "duration_s": facts.duration_s,
        "frames_declared": facts.frames_declared,
        "recorded_at": facts.recorded_at,
    }


def _is_intact(path: Path, copy: _Copy) -> bool:
    if not path.is_file():
        return False
    stat = path.stat()
    if stat.st_size != copy.size:
        return False
    return stat.st_mtime_ns == copy.mtime_ns or md5_of(path) == copy.md5


_STAYS = "its path fits no visit now, or several; it stays with the visit that it was given to"
_MAKE_CLEAR = "correct the visit's item or alias, or begin the folder's name with one visit's id"
_MAKE_AGAIN = "; then make raw_videos of the visit again from Dagster's page"
_UPLOAD = "upload the file again"
_GONE = "nothing; to drop the video, delete its copy in raw_data as well"


def _row(file: ObservedFile, reason: str, detail: str, remedy: str) -> dict[str, object]:
    return {
        "item": file.source_id,
        "file_name": "/".join(file.parts),
        "reason": reason,
        "detail": detail,
        "remedy": remedy,
    }
