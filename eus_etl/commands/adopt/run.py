"""Adopting a root that earlier scripts filled: match, rename, compare, then mark it as ours.

Everything is examined before anything changes, nothing is deleted, and the mark is written last: after a
kill, adopt again. Videos are matched in ``videos``, tables compared in ``tables``.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from eus_etl.commands.adopt.report import RAW_COUNTS, AdoptReport
from eus_etl.commands.adopt.tables import compare_labels, compare_patients
from eus_etl.commands.adopt.videos import Progress, VideoPlan, count_by_visit, move_videos, plan_videos
from eus_etl.domain.legacy.differences import COMPARED, DIFFERENCES
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import ConfigError, ForeignRootError, PermanentError, RootClaimedError
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.all_sources import observe_all
from eus_etl.steps.observation.connect import connect
from eus_etl.steps.observation.snapshot import DRIVE_VIDEOS, matcher, observed_files
from eus_etl.storage.files.atomic import sync_file_system
from eus_etl.storage.files.folders import make_folder
from eus_etl.storage.files.listing import is_clutter
from eus_etl.storage.files.locks import file_lock
from eus_etl.storage.files.rename import free_name, move
from eus_etl.storage.root_owner import is_claimed, mark_root
from eus_etl.storage.source_snapshots import Inventory


@dataclass(frozen=True, slots=True)
class _Plan:
    videos: VideoPlan
    tables: Mapping[Path, Path]
    report: AdoptReport


def adopt_root(study: StudyConfig, *, dry_run: bool = False, progress: Progress | None = None) -> AdoptReport:
    """Take over the study's root: after this a run fetches, makes and writes as if the root were its own.

    Raw videos that the sources hold are renamed to where a run expects them; other raw files go to
    ``legacy/raw_data``; old tables and frames go to ``master-dataset/Data/legacy``, and what they say is
    compared with today's. ``sync.csv`` and ``regions.csv`` stay.

    Args:
        study: the configuration.
        dry_run: find and compare everything, change nothing.
        progress: called while raw files are matched.

    Raises:
        ConfigError: there is no root.
        RootClaimedError: the root is already ours.
        ForeignRootError: part of the root is on another disk, so that renaming is impossible.
        SourceUnavailableError, SourceError: a source cannot be read; nothing was changed.
        PermanentError: a file may not be read or renamed; adopting again continues from there.
    """
    paths = StudyPaths(study.root)
    if not paths.root.is_dir():
        raise ConfigError("root", "there is no such folder", "name the folder that the scripts filled")
    with nullcontext() if dry_run else _alone(paths):
        if is_claimed(paths):
            raise RootClaimedError(
                study.study,
                "its root already belongs to this package",
                "use `eus-etl run`; there is nothing to adopt",
            )
        with _scratch(paths, dry_run) as scratch:
            plan = _plan(study, study.model_copy(update={"root": scratch}), dry_run, progress or _silent)
        if not dry_run:
            _carry_out(study, plan)
    return plan.report


@contextmanager
def _alone(paths: StudyPaths) -> Iterator[None]:
    """No other command adopts the root meanwhile; no instance works on it, whose leases would tell."""
    file = paths.state / "locks" / "adopt"
    make_folder(file.parent)
    with file_lock(file):
        yield


@contextmanager
def _scratch(paths: StudyPaths, dry_run: bool) -> Iterator[Path]:
    """A root for what the sources hold now; gone afterwards. An observation also records what it rejects
    among the study's tables, where the old ones still are."""
    if dry_run:
        with TemporaryDirectory(prefix="eus_etl_") as folder:
            yield Path(folder)
        return
    shutil.rmtree(paths.adopting, ignore_errors=True)  # a killed process's
    try:
        yield paths.adopting
    finally:
        shutil.rmtree(paths.adopting, ignore_errors=True)


def _plan(study: StudyConfig, observed: StudyConfig, dry_run: bool, progress: Progress) -> _Plan:
    """Examine the sources as ``observed`` (the study with a scratch root), then the old root."""
    paths, seen = StudyPaths(study.root), StudyPaths(observed.root)
    progress("looking at the sources", 0, 0)
    observations, failures = observe_all(observed, connect(observed))
    for failure in failures:
        raise failure.error
    match = matcher(observed)
    patients = Inventory(seen, DRIVE_VIDEOS).versions
    videos = plan_videos(paths, {patient: observed_files(seen, patient) for patient in patients}, progress)
    moves = _table_moves(paths)
    _refuse_other_disks(study, [*videos.moved, *videos.aside, *moves])
    notes: list[str] = []
    compared = [*compare_labels(study, seen, match, notes), *compare_patients(study, seen, match, notes)]
    report = AdoptReport(
        study=study.study,
        dry_run=dry_run,
        visits=RAW_COUNTS.frame(count_by_visit(paths, videos, match)),
        put_aside=Counter(videos.aside.values()),
        tables_moved=Counter(paths.relative(_area(paths, source)) for source in moves),
        unassigned={o.source: o.rejected for o in observations if o.rejected},
        compared=COMPARED.frame(
            {
                "patient_id": patient,
                "table": table,
                "agree": comparison.agree,
                "differ": len(comparison.differences),
            }
            for patient, table, comparison in compared
        ),
        differences=DIFFERENCES.frame(row for _, _, found in compared for row in found.differences),
        notes=tuple(notes),
    )
    return _Plan(videos, moves, report)


def _carry_out(study: StudyConfig, plan: _Plan) -> None:
    paths = StudyPaths(study.root)
    try:
        for source, target in plan.tables.items():
            move(source, target)
        move_videos(paths, plan.videos)
        sync_file_system(paths.root)  # the mark must not reach the disk before the renames
    except OSError as error:
        raise PermanentError(
            study.study,
            f"a file of the root cannot be renamed ({error.strerror})",
            "let your user write to all of the root, then adopt again: it continues from there",
        ) from error
    mark_root(paths, study.study)


def _table_moves(paths: StudyPaths) -> dict[Path, Path]:
    """Where old tables, frames and releases are moved: everything that would make the root foreign."""
    kept = {paths.sync_csv, paths.regions_csv, paths.legacy_tables}
    entries = sorted(paths.data.iterdir()) if paths.data.is_dir() else []
    wanted = {
        entry: paths.legacy_tables / entry.name
        for entry in entries
        if entry not in kept and not is_clutter(entry.name)
    }
    for folder in (paths.frames, paths.preprocessed):
        if folder.is_dir():
            wanted[folder] = paths.legacy_tables / folder.name
    if paths.releases.is_dir():
        wanted[paths.releases] = paths.legacy / paths.releases.name
    moves: dict[Path, Path] = {}
    for source, target in wanted.items():
        moves[source] = free_name(target, moves.values())
    return moves


def _area(paths: StudyPaths, source: Path) -> Path:
    return paths.data if source.parent == paths.data else source


def _refuse_other_disks(study: StudyConfig, sources: Iterable[Path]) -> None:
    disk = study.root.stat().st_dev
    if any(source.lstat().st_dev != disk for source in sources):
        raise ForeignRootError(
            study.study,
            "part of its root is on another disk, and adopting only renames",
            "move raw_data and master-dataset onto the root's disk, or move the old data away",
        )


def _silent(_what: str, _done: int, _total: int) -> None:
    pass
