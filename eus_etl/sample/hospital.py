"""The synthetic hospital: an incoming area as the real sources give it, and the truth about it.

This module writes; what there is to write is planned in ``eusml`` and ``fatty_liver``.
"""

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from eus_etl.sample import true_records, true_videos
from eus_etl.sample.encode import set_modified, write_sound, write_video
from eus_etl.sample.eusml import plan_eusml
from eus_etl.sample.fatty_liver import plan_fatty_liver
from eus_etl.sample.items import item_of
from eus_etl.sample.phantom import pictures
from eus_etl.sample.plan import DOCTOR, BadFile, Cast, StudyPlan, Visit
from eus_etl.sample.rows import sheet_of
from eus_etl.sample.true_videos import Stored

Progress = Callable[[str, int, int], None]

_WORKERS = 2


@dataclass(frozen=True, slots=True)
class HospitalVisit:
    """One visit's ids, and what there is of it."""

    patient_id: str
    alias: str | None
    has_item: bool
    has_video: bool


@dataclass(frozen=True, slots=True)
class HospitalStudy:
    """One study's part of the hospital.

    Attributes:
        videos: folder of uploaded files, nested.
        items: label items, a JSON list in DynamoDB's attribute-value form.
        rows: the patient sheet, CSV.
        truth: folder of truth tables, each a Parquet file named as the function that makes it in
            ``true_videos`` and ``true_records``; and ``sync.csv``, the corrections that a person would write.
        visits: in the plan's order: the same place is the same kind of visit for every seed.
    """

    study: str
    videos: Path
    items: Path
    rows: Path
    truth: Path
    visits: tuple[HospitalVisit, ...]


@dataclass(frozen=True, slots=True)
class Hospital:
    """The synthetic hospital below ``folder``."""

    folder: Path
    eusml: HospitalStudy
    fatty_liver: HospitalStudy
    identities: tuple[str, ...]

    @property
    def studies(self) -> tuple[HospitalStudy, ...]:
        """Both studies."""
        return self.eusml, self.fatty_liver


def make_hospital(folder: Path, *, seed: int = 7, progress: Progress | None = None) -> Hospital:
    """Make the incoming area and the truth of both studies below ``folder``.

    What a former call made there is replaced. The same seed gives the same ids, pixels, items and truth.
    Files have the times of their recording, so that none counts as still being written.

    Args:
        folder: created if missing.
        seed: of everything that is drawn.
        progress: called with study, videos made and videos in all, after each video.

    Raises:
        FileExistsError: an incoming area is there that no former call made.
    """
    rng = random.Random(seed)
    cast = Cast(rng)
    plans = (plan_eusml(cast), plan_fatty_liver(cast))
    made = [_make_study(folder, plan, seed, progress) for plan in plans]
    return Hospital(folder, made[0], made[1], _identities(plans))


def planted_identities(hospital: Hospital) -> tuple[str, ...]:
    """Every invented name, record number and free text planted in pixels, file names, items and sheet.

    None of them may turn up in a log, an event, or a table but those that hold uploaded names. The surname
    is in each uploaded file's path.
    """
    return hospital.identities


def _make_study(folder: Path, plan: StudyPlan, seed: int, progress: Progress | None) -> HospitalStudy:
    incoming, truth = folder / "incoming" / plan.study, folder / "truth" / plan.study
    if incoming.exists() and not truth.exists():
        raise FileExistsError(f"{incoming} is not a synthetic hospital's: name another folder")
    for former in (incoming, truth):
        shutil.rmtree(former, ignore_errors=True)
    # truth first: it marks the incoming area as ours, also after an interruption
    for new in (truth, incoming):
        new.mkdir(parents=True)
    study = HospitalStudy(
        plan.study,
        incoming / "videos",
        incoming / "items.json",
        incoming / "patients.csv",
        truth,
        tuple(_summary(visit) for visit in plan.visits if visit.patient_id),
    )
    _write_recordings(study.videos, plan, seed, progress)
    for bad in plan.bad_files:
        _write_bad(study.videos, bad, plan, seed)
    _write_tables(study, plan)
    return study


def _write_recordings(videos: Path, plan: StudyPlan, seed: int, progress: Progress | None) -> None:
    recordings = plan.recordings()

    def write(number: int) -> None:
        visit, recording = recordings[number]
        path = videos / recording.file
        rng = np.random.default_rng([seed, *plan.study.encode(), number])
        frames = pictures(visit, recording, rng)
        write_video(path, recording, visit.size, frames, visit.clock_start(recording))
        set_modified(path, visit.clock_start(recording) + timedelta(seconds=recording.duration_s))

    for _, recording in recordings:
        (videos / recording.file).parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_WORKERS) as pool:
        for done, _ in enumerate(pool.map(write, range(len(recordings))), 1):
            if progress is not None:
                progress(plan.study, done, len(recordings))


def _write_bad(videos: Path, bad: BadFile, plan: StudyPlan, seed: int) -> None:
    path = videos.joinpath(*bad.parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    if bad.copy_of is not None:
        shutil.copyfile(videos / bad.copy_of, path)
    elif bad.kind == "audio_only":
        write_sound(path)
    else:
        path.write_bytes(b"" if bad.kind == "empty" else np.random.default_rng(seed).bytes(50_000))
    set_modified(path, max(visit.started_at for visit in plan.visits))


def _write_tables(study: HospitalStudy, plan: StudyPlan) -> None:
    items = [item for item in map(item_of, plan.visits) if item is not None]
    study.items.write_text(json.dumps(items, indent=1, ensure_ascii=False), encoding="utf-8")
    study.rows.write_text(sheet_of(plan), encoding="utf-8")
    for path in (study.items, study.rows):
        set_modified(path, max(visit.started_at for visit in plan.visits))
    stored = {
        path.relative_to(study.videos).as_posix(): _stored(path)
        for path in study.videos.rglob("*")
        if path.is_file()
    }
    for make in (true_videos.frames, true_videos.files):
        make(plan, stored).write_parquet(study.truth / f"{make.__name__}.parquet")
    for make_of_plan in (
        true_videos.text_boxes,
        true_videos.layouts,
        true_records.intervals,
        true_records.problems,
        true_records.patients,
        true_records.bad_cells,
        true_records.visits,
    ):
        make_of_plan(plan).write_parquet(study.truth / f"{make_of_plan.__name__}.parquet")
    true_records.sync(plan).write_csv(study.truth / "sync.csv")


def _stored(path: Path) -> Stored:
    data = path.read_bytes()
    return Stored(hashlib.md5(data, usedforsecurity=False).hexdigest(), len(data))


def _summary(visit: Visit) -> HospitalVisit:
    return HospitalVisit(visit.patient_id or "", visit.alias, visit.item is not None, bool(visit.recordings))


def _identities(plans: Sequence[StudyPlan]) -> tuple[str, ...]:
    found = {DOCTOR}
    for plan in plans:
        for visit in (*plan.visits, *plan.nobody):
            person = visit.person
            found |= {person.name, person.given, person.surname, person.record}
            if visit.item and visit.item.biopsy:
                found.add(visit.item.biopsy)
        for row in plan.rows:
            found |= {row.name, *row.name.split()} | ({row.remark} if row.remark else set())
    return tuple(sorted(found))
