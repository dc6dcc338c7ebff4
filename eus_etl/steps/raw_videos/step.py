"""Verified local copies of a visit's videos, probed and placed in time."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from eus_etl.domain.container_length import missing_bytes
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import VIDEOS
from eus_etl.domain.tables.rejection import Rejection
from eus_etl.domain.timeline import place_videos
from eus_etl.errors import VideoUnreadableError
from eus_etl.settings import StudyConfig
from eus_etl.sources.videos.base import VideoSource
from eus_etl.steps.observation.snapshot import ObservedFile
from eus_etl.steps.raw_videos.copies import Refusal, bring_copies, file_names, memory_of
from eus_etl.steps.result import Check, StepResult, version_of
from eus_etl.steps.video_reader.reader import probe_apart
from eus_etl.storage.files.removal import remove_partials
from eus_etl.storage.tables.parts import part_outputs, write_part, write_rejected

STAGE = "raw_videos"
UNUSABLE = ("unreadable", "too_large", "reader_died", "no_progress")


def fetch_videos(
    study: StudyConfig,
    patient_id: str,
    source: VideoSource,
    files: Sequence[ObservedFile],
    progress: Callable[[str], None] | None = None,
) -> StepResult:
    """Bring ``raw_data/<patient_id>`` up to what the source holds, and make the visit's ``videos.csv`` rows.

    Files that the source no longer holds, but that were neither replaced nor moved, stay and are recorded.
    Unfinished copies of other files of the visit are dropped. A file that is cut off is used as far as it
    goes, and recorded.

    Raises:
        SourceUnavailableError: a file cannot be fetched now; what was fetched before is kept.
        DiskFullError: no room for a copy.
    """
    paths = StudyPaths(study.root)
    remove_partials(paths.raw_folder(patient_id))
    rejected: list[Rejection] = []
    wanted = _distinct(files, rejected)
    brought = bring_copies(paths, patient_id, source, wanted, progress)
    rows = []
    unreadable = 0
    for file in wanted:
        if file.md5 in brought.unfinished:
            if not file.gone:
                rejected.append(_rejection(file, "unfinished_upload", _WHOLE_IS_USED, _REMOVE))
            continue
        if (refusal := brought.refused.get(file.md5)) is not None:
            rejected.append(_not_fetched(file, refusal, patient_id))
            continue
        if file.md5 not in brought.copies:
            rejected.append(
                _rejection(file, "gone_from_source", "neither the source nor raw_data holds it", _UPLOAD)
            )
            continue
        if file.gone:
            rejected.append(_rejection(file, "gone_from_source", "the copy in raw_data is used", _GONE))
        if file.unclear:
            rejected.append(_rejection(file, "owner_unclear", _STAYS, _MAKE_CLEAR))
        cut_off = missing_bytes(brought.copies[file.md5])
        lacks = f"by its container, {cut_off} bytes are missing"
        try:
            rows.append(_video_row(brought.copies[file.md5], patient_id, file, study))
        except VideoUnreadableError as error:
            if cut_off and error.reason == "unreadable":
                rejected.append(_rejection(file, "truncated", f"{lacks}; {error.cause}", error.remedy))
            else:
                rejected.append(_rejection(file, error.reason, error.cause, error.remedy))
            unreadable += error.reason in UNUSABLE
        else:
            if cut_off:
                rejected.append(_rejection(file, "truncated", f"{lacks}; what is there is used", _UPLOAD))
    videos = VIDEOS.frame(rows)
    places = place_videos(videos, study.timeline)
    placed = videos.drop(set(places.columns) - {"video_id"}).join(places, on="video_id").sort("order")
    part = write_part(paths, VIDEOS, patient_id, placed)
    recorded = write_rejected(paths, STAGE, patient_id, rejected)
    return StepResult(
        version=version_of(part.to_dicts(), recorded.to_dicts()),
        metadata={
            "videos": part.height,
            "files_fetched": brought.fetched,
            "unfinished_copies": len(brought.unfinished),
            "rejected": recorded.height,
            "bytes": int(part["bytes"].sum()),
            "duration_s": round(float(part["duration_s"].sum()), 3),
        },
        checks=(Check("videos_open", unreadable == 0, f"{unreadable} of {len(wanted)} files do not open"),),
        outputs=(
            *part_outputs(paths, STAGE, patient_id, VIDEOS),
            memory_of(paths, patient_id),
            *([paths.raw_folder(patient_id)] if brought.copies else []),
        ),
        again_at=min((refusal.again_at for refusal in brought.refused.values()), default=None),
    )


def _distinct(files: Sequence[ObservedFile], rejected: list[Rejection]) -> list[ObservedFile]:
    """Each content once, in path order; a file that is still there is preferred to one that is gone."""
    wanted: dict[str, ObservedFile] = {}
    for file in sorted(files, key=lambda file: (file.gone, file.parts)):
        if file.md5 not in wanted:
            wanted[file.md5] = file
        elif not file.gone:
            rejected.append(
                _rejection(file, "duplicate_upload", f"same content as {wanted[file.md5].source_id}")
            )
    return sorted(wanted.values(), key=lambda file: file.parts)


def copy_names(files: Sequence[ObservedFile]) -> dict[str, str]:
    """MD5 sums of a visit's files to the names of their copies in the visit's folder of ``raw_data``."""
    return file_names(_distinct(files, []))


def _video_row(path: Path, patient_id: str, file: ObservedFile, study: StudyConfig) -> dict[str, object]:
    facts = probe_apart(path, file.video_id, study.extraction, study.reading)
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


_STAYS = "its path no longer matches exactly one visit; it stays with the visit that had it before"
_MAKE_CLEAR = "correct the visit's item or alias, or begin the folder's name with one visit's id"
_UPLOAD = "upload the file again"
_WHOLE_IS_USED = "its whole content begins another file of the visit, which is used instead"
_REMOVE = "remove it from the source"
_GONE = "to drop the video, delete its copy in raw_data as well"


def _not_fetched(file: ObservedFile, refusal: Refusal, patient_id: str) -> Rejection:
    again = datetime.fromtimestamp(refusal.again_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return _rejection(
        file,
        "not_fetched",
        f"{refusal.error.cause}; asked for {refusal.tries} times, again after {again}",
        f"{refusal.error.remedy}; `eus-etl run --remake raw_videos --patient {patient_id}` asks at once",
    )


def _rejection(file: ObservedFile, reason: str, detail: str, remedy: str = "") -> Rejection:
    return Rejection(
        item=file.source_id,
        file_name="/".join(file.parts),
        reason=reason,
        detail=detail,
        remedy=remedy or None,
    )
