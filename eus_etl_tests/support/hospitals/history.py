"""A study with a history: edits there and back, a visit that fails, a night; and all that is read of it."""

from dataclasses import dataclass

import dagster as dg
import pytest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.defs.health import failed_runs
from eus_etl.defs.keys import patients_of
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.reconcile.plan import due_plans, visits_in
from eus_etl.defs.reconcile.run_health import runs_under_way
from eus_etl.defs.status import study_status, visits_status
from eus_etl.errors import OverlapError
from eus_etl_tests.support.daemon import Daemon, plans

LATER = 4_000_000_000.0
"""A moment after everything."""


def make_history(hospital: TinyHospital, instance: dg.DagsterInstance) -> None:
    """What happens in the life of a study, after everything has been made once."""
    for stop in ("00:00:02", "00:00:01", "00:00:02"):
        hospital.items[ONE]["Stop Station 1 1"] = stop
        hospital.write_items()
        assert StudySession(hospital.study, instance).run().complete
    StudySession(hospital.study, instance).run(
        [ONE], remake="frame_table"
    )  # as before: the rest is confirmed

    def fails(*_: object, **__: object) -> None:
        raise OverlapError(f"labels of {TWO}", "two of them overlap", "correct them")

    for stop in ("00:00:01", "00:00:00"):
        hospital.items[TWO]["Stop Station 2 1"] = stop
        hospital.write_items()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("eus_etl.defs.assets.patient.make_labels", fails)
            assert StudySession(hospital.study, instance).run([TWO]).failed
    job = Daemon(hospital.study, instance).repository.get_job("eusml_nightly")
    assert job.execute_in_process(instance=instance).success


@dataclass(frozen=True)
class Read:
    """All that anyone reads of an instance.

    Attributes:
        status: what ``eus-etl status`` shows.
        asked: the runs that a sensor would ask for, and when the next one is due.
        told: problems of runs that a person is told of.
        shown: what the page shows last of each partition of each asset: counts, pictures, checks.
        counted: what the page shows in total of each asset: its partitions that are made, and that failed.
        last_event: the number of the very last event.
    """

    status: object
    asked: object
    told: object
    shown: object
    counted: object
    last_event: int | None


def all_read(hospital: TinyHospital, instance: dg.DagsterInstance, now: float) -> Read:
    """Everything that is read of the hospital's study at a moment, in seconds since 1970."""
    session = StudySession(hospital.study, instance)
    busy = visits_in(runs_under_way(session.graph, instance))
    due = due_plans(session.graph, session.state, session.patients(), busy, now)
    counted = {}
    shown = {}
    for node in session.graph.nodes.values():
        partitions = patients_of("eusml") if node.per_patient else None
        cached = get_and_update_asset_status_cache_value(instance, node.key, partitions)
        counted[node.name] = cached and (
            cached.serialized_materialized_partition_subset,
            cached.serialized_failed_partition_subset,
        )
        for partition in (ONE, TWO) if node.per_patient else (None,):
            shown[node.name, partition] = [
                _last(fetch(of, limit=1).records)
                for fetch in (instance.fetch_materializations, instance.fetch_observations)
                for of in [
                    dg.AssetRecordsFilter(node.key, asset_partitions=[partition] if partition else None)
                ]
            ]
    return Read(
        status=(visits_status(hospital.study, session), study_status(hospital.study, session)),
        asked=([(plan.patient, plan.target) for plan in due.plans], due.again_at),
        told=[(problem.line, problem.since) for problem in failed_runs(instance, now)],
        shown=shown,
        counted=counted,
        last_event=instance.event_log_storage.get_maximum_record_id(),
    )


def _last(records: object) -> object:
    assert isinstance(records, list)
    return [(record.storage_id, record.event_log_entry) for record in records]


def asked_by_a_new_daemon(hospital: TinyHospital, instance: dg.DagsterInstance) -> object:
    """What a daemon without a memory asks for."""
    return plans(Daemon(hospital.study, instance).look("eusml_edits"))
