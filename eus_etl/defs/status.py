"""The status of each visit: what is done, stale, missing or failed, and what was rejected."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl
from dagster import DagsterEventType

from eus_etl.defs.keys import PARTITION_TAG, SCOPE_TAG, TABLES
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.reconcile.outcomes import failure_text
from eus_etl.defs.reconcile.plan import wanted
from eus_etl.defs.reconcile.retry import failed_asset
from eus_etl.defs.reconcile.run_health import unfinished_runs
from eus_etl.defs.reconcile.staleness import WAITS_FOR, Why
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.not_taken import TAKEN_LATER, waiting_said
from eus_etl.steps.observation.snapshot import DRIVE_VIDEOS, aliases
from eus_etl.storage.tables.parts import all_rejected
from eus_etl.storage.tombstones import tombstones

_SILENT_S = 90.0
"""A daemon's heart beats every 30 s."""

_OF_THE_STUDY = {TABLES: "the tables"}

Standing = Literal["done", "stale", "missing", "failed", "no video"]


@dataclass(frozen=True, slots=True)
class VisitStatus:
    """One visit.

    Attributes:
        assets: asset names to their status, in the order of the graph.
        reasons: names of stale and missing assets to why they are.
        errors: asset names to the error of their failed run.
        rejected: reasons to the number of times they were recorded.
        uploads: of these, those of uploads that are not taken.
    """

    patient_id: str
    alias: str | None
    assets: Mapping[str, Standing]
    reasons: Mapping[str, str]
    errors: Mapping[str, str]
    rejected: Mapping[str, int]
    uploads: Mapping[str, int]

    @property
    def without_upload(self) -> bool:
        """Whether no upload has been given to it."""
        return "no video" in self.assets.values()

    @property
    def attention(self) -> tuple[Standing, str, str]:
        """The visit's state, the first asset that needs attention, and why; empty where none does."""
        order: tuple[Standing, ...] = ("failed", "stale", "missing")
        for standing in order:
            for asset, own in self.assets.items():
                why = self.errors.get(asset) or self.reasons.get(asset, "")
                # what only waits for another asset is not where to look
                if own == standing and not why.startswith(WAITS_FOR):
                    return standing, asset, why
        if self.without_upload:
            return "no video", "", _said(self.uploads) or "no upload fits it"
        return "done", "", _said(self.rejected)

    @property
    def is_problem(self) -> bool:
        """Whether a person should look: something is not done, or was rejected."""
        return self.attention[0] != "done" or bool(self.rejected)


def visits_status(study: StudyConfig, session: StudySession) -> list[VisitStatus]:
    """The status of every visit that the instance knows, by patient id."""
    state, graph = session.state, session.graph
    nodes = graph.made(per_patient=True)
    failed_runs = {node.key: state.failed(node.key) for node in nodes}
    recorded = all_rejected(StudyPaths(study.root))
    rejected, uploads = _counts(recorded), _counts(recorded.filter(stage=DRIVE_VIDEOS))
    names = aliases(study)
    visits = []
    for patient in session.patients():
        possible = {node.key for node in wanted(graph, state, patient)}
        reasons = state.reasons(patient)
        assets: dict[str, Standing] = {}
        errors: dict[str, str] = {}
        stale: dict[str, str] = {}
        for node in nodes:
            name, reason = node.name, reasons.get(node.key)
            if node.key not in possible:
                assets[name] = "no video"
            elif (run_id := failed_runs[node.key].get(patient)) and (error := _error(session, run_id, name)):
                assets[name] = "failed"
                errors[name] = error
            elif reason is None:
                assets[name] = "done"
            elif reason.why is Why.MISSING:
                assets[name] = "missing"
                stale[name] = str(reason)
            else:
                assets[name] = "stale"
                stale[name] = str(reason)
        visits.append(
            VisitStatus(
                patient_id=patient,
                alias=names.get(patient),
                assets=assets,
                reasons=stale,
                errors=errors,
                rejected=rejected.get(patient, {}),
                uploads=uploads.get(patient, {}),
            )
        )
    return visits


@dataclass(frozen=True, slots=True)
class StudyStatus:
    """What concerns no single visit.

    Attributes:
        study: its name.
        home: the Dagster home that was read.
        tables: names of the study's assets that are not current, to why.
        unassigned: reasons to how many files, items and rows could be given to no visit.
        unassigned_uploads: of these, those of files.
        forgotten: how many visits were forgotten.
        waits: in words, how many uploads wait to be taken, and why.
        runs: what is queued or worked on (visits by alias or id, ``the tables``), to which of the two.
        is_idle: whether no daemon was seen lately: then nothing takes up what is queued.
        half_forgotten: of these, those of which something may be left: it was interrupted.
    """

    study: str
    home: str
    tables: Mapping[str, str]
    unassigned: Mapping[str, int]
    unassigned_uploads: Mapping[str, int]
    forgotten: int = 0
    half_forgotten: int = 0
    waits: Sequence[str] = ()
    runs: Mapping[str, str] = field(default_factory=dict)
    is_idle: bool = False


def study_status(study: StudyConfig, session: StudySession) -> StudyStatus:
    """The status of the study's tables, and what is unassigned."""
    paths = StudyPaths(study.root)
    recorded = all_rejected(paths).filter(pl.col("patient_id").is_null())
    forgotten = tombstones(paths)
    beats = session.state.instance.get_daemon_heartbeats().values()
    last_beat = max((beat.timestamp for beat in beats), default=0.0)
    return StudyStatus(
        study=study.study,
        home=session.state.instance.root_directory,
        tables={key.path[-1]: str(reason) for key, reason in session.state.reasons(None).items()},
        unassigned=_counts(recorded).get(None, {}),
        unassigned_uploads=_counts(recorded.filter(stage=DRIVE_VIDEOS)).get(None, {}),
        forgotten=len(forgotten),
        half_forgotten=sum(not stone.finished for stone in forgotten),
        waits=waiting_said(_waiting(paths), None),
        runs=_runs(study, session),
        is_idle=time.time() - last_beat > _SILENT_S,
    )


def _waiting(paths: StudyPaths) -> Mapping[str, int]:
    """Reasons why uploads wait that end by themselves, to how many wait, at the last observation."""
    rows = all_rejected(paths).filter(pl.col("stage") == DRIVE_VIDEOS, pl.col("reason").is_in(TAKEN_LATER))
    return dict(rows.group_by("reason").len().sort("reason").iter_rows())


def _runs(study: StudyConfig, session: StudySession) -> Mapping[str, str]:
    names, found = aliases(study), {}
    for record in unfinished_runs(session.graph, session.state.instance):
        run = record.dagster_run
        visit = run.tags.get(PARTITION_TAG)
        what = (
            (names.get(visit) or visit)
            if visit
            else _OF_THE_STUDY.get(run.tags.get(SCOPE_TAG, ""), run.job_name)
        )
        found[what] = "in progress" if run.status.value in ("STARTED", "CANCELING") else "queued"
    return found


def _counts(rows: pl.DataFrame) -> Mapping[str | None, Mapping[str, int]]:
    counted: dict[str | None, dict[str, int]] = {}
    counts = rows.group_by("patient_id", "reason").len().sort("patient_id", "reason", nulls_last=True)
    for patient, reason, count in counts.iter_rows():
        counted.setdefault(patient, {})[reason] = count
    return counted


def _said(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counts.items())


def _error(session: StudySession, run_id: str, asset: str) -> str | None:
    """Why a run failed to make an asset; None if it did not get that far."""
    records = session.state.instance.get_records_for_run(
        run_id, of_type=DagsterEventType.STEP_FAILURE
    ).records
    events = [record.event_log_entry.dagster_event for record in records]
    texts = [failure_text(event) for event in events if event and failed_asset(event) == asset]
    if not events:
        return f"run {run_id} ended before it was finished: run it again"
    return "; ".join(texts) or None
