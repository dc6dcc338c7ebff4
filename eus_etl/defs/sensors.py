"""The sensors of a study: one starts visits for new videos, one makes anew what edits touch."""

from collections.abc import Iterable

import dagster as dg
from pydantic import BaseModel

from eus_etl.defs.due import RUNS_A_TICK, answered, due_edits, visit_run
from eus_etl.defs.graph import StudyGraph
from eus_etl.defs.names import patients_of
from eus_etl.defs.observed import changed_versions, events, unassigned_event
from eus_etl.defs.patient_assets import CHAIN
from eus_etl.defs.state import StudyState
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import EusEtlError
from eus_etl.steps.connections import connect
from eus_etl.steps.observe import observe, videos_mark
from eus_etl.steps.observed import DRIVE_VIDEOS, SOURCES
from eus_etl.steps.result import version_of
from eus_etl.storage.ownership import claim_root

EVENTS_A_TICK = 1000
"""The first look at a large table is spread over some ticks."""

LISTING_LIMIT_S = 30.0
"""A tick has a minute; what it could not list or hash waits for the next one."""


def videos_sensor(graph: StudyGraph) -> dg.SensorDefinition:
    """Starts one run of the whole chain for each visit whose files are new, replaced or removed.

    A visit is due when ``raw_videos`` was made from another listing and no run has been started for the
    present one since it was reported. So a tick that dies anywhere loses nothing and starts nothing twice.
    """
    study = graph.study
    chain = dg.define_asset_job(
        f"{study.study}_visit",
        selection=dg.AssetSelection.assets(*(graph.key(name) for name in CHAIN)),
        description=f"{study.title}: one visit, from raw videos to preprocessed frames.",
    )

    @dg.sensor(
        name=f"{study.study}_videos",
        job=chain,
        minimum_interval_seconds=study.sources.poll_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="New, replaced and removed videos start one run of their visit's whole chain.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        cursor = _Cursor.read(context.cursor)
        try:
            claim_root(StudyPaths(study.root), study.study)
            sources = connect(study, listing_limit_s=LISTING_LIMIT_S)
            mark = videos_mark(study, sources)
            mark = None if mark is None else version_of(mark, study.timeline.fingerprint())
            if mark is not None and mark == cursor.seen:
                return dg.SkipReason("nothing new")
            seen = observe(study, sources, DRIVE_VIDEOS)
        except EusEtlError as error:
            return dg.SkipReason(str(error))
        state = StudyState(context.instance, StudyPaths(study.root), graph.nodes)
        changed = changed_versions(state, study.study, seen)
        unanswered = [
            patient
            for patient in seen.versions
            if patient not in changed and not answered(graph, state, patient)
        ]
        due = [*changed, *unanswered][:RUNS_A_TICK]
        reported = {patient: changed[patient] for patient in due if patient in changed}
        state.assume(graph.key(DRIVE_VIDEOS), reported)
        requests = [visit_run(graph, state, patient, cursor.number + 1) for patient in due]
        everything = len(due) == len(changed) + len(unanswered)
        return dg.SensorResult(
            asset_events=list(events(study.study, DRIVE_VIDEOS, reported)),
            dynamic_partitions_requests=_new_partitions(context.instance, study.study, due),
            run_requests=requests,
            skip_reason=None if requests else f"{len(seen.versions)} visits, nothing new",
            cursor=_Cursor(
                number=cursor.number + bool(requests), seen=mark if mark and everything else ""
            ).model_dump_json(),
        )

    return sensor


def edits_sensor(graph: StudyGraph) -> dg.SensorDefinition:
    """Reports edits of items, rows and corrections, and starts runs for whatever is stale.

    Stale is what was made from other inputs or another configuration, however that came about. New,
    replaced and removed videos are the other sensor's; a visit that is under way is looked at when it
    is done; what failed is not tried again with the same inputs.
    """
    study = graph.study

    @dg.sensor(
        name=f"{study.study}_edits",
        target=dg.AssetSelection.assets(*(graph.key(spec.name) for spec in graph.specs)),
        minimum_interval_seconds=study.sources.poll_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Edits of items, rows, corrections and configuration make anew what they touch.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        state = StudyState(context.instance, StudyPaths(study.root), graph.nodes)
        cursor = _Cursor.read(context.cursor)
        found, patients, failures = _observe_records(graph, state)
        # changes with every event of the instance and with the study's configuration
        last_event = context.instance.event_log_storage.get_maximum_record_id()
        seen = version_of(last_event, [spec.code_version for spec in graph.specs])
        if not found and seen == cursor.seen:
            return dg.SkipReason("; ".join(failures) or "nothing has happened")
        number = cursor.number + 1
        known = {*context.instance.get_dynamic_partitions(str(patients_of(study.study).name)), *patients}
        requests = due_edits(graph, state, sorted(known), number)
        return dg.SensorResult(
            asset_events=found,
            dynamic_partitions_requests=_new_partitions(context.instance, study.study, patients),
            run_requests=requests,
            skip_reason=None if requests else "; ".join([*failures, f"{len(found)} changes reported"]),
            cursor=_Cursor(number=number, seen=seen).model_dump_json(),
        )

    return sensor


class _Cursor(BaseModel):
    """What a sensor remembers.

    Attributes:
        number: how often it has asked for runs.
        seen: what it had seen when it had last answered everything; empty where it has to look again.
    """

    number: int = 0
    seen: str = ""

    @staticmethod
    def read(text: str | None) -> "_Cursor":
        return _Cursor.model_validate_json(text) if text else _Cursor()


def _observe_records(
    graph: StudyGraph, state: StudyState
) -> tuple[list[dg.AssetMaterialization], set[str], list[str]]:
    """New versions of items, rows and corrections, whose they are, and which sources could not be seen."""
    study = graph.study
    found: list[dg.AssetMaterialization] = []
    patients: set[str] = set()
    failures: list[str] = []
    for source in (source for source in SOURCES if source != DRIVE_VIDEOS):
        try:
            claim_root(StudyPaths(study.root), study.study)
            changed = changed_versions(state, study.study, observe(study, connect(study), source))
        except EusEtlError as error:
            failures.append(str(error))
            continue
        taken = dict(list(changed.items())[: EVENTS_A_TICK - len(found)])
        state.assume(graph.key(source), taken)
        found += events(study.study, source, taken)
        patients |= taken.keys()
    unassigned = unassigned_event(state, study)
    return [*found, *([unassigned] if unassigned else [])], patients, failures


def _new_partitions(
    instance: dg.DagsterInstance, study: str, patients: Iterable[str]
) -> list[dg.AddDynamicPartitionsRequest]:
    partitions = patients_of(study)
    known = set(instance.get_dynamic_partitions(str(partitions.name)))
    new = sorted(set(patients) - known)
    return [partitions.build_add_request(new)] if new else []
