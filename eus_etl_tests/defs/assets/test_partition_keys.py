"""Partition keys that a person typed: none that no source has shown makes anything, or breaks anything."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.defs.graph import study_graph
from eus_etl.defs.instance import open_instance
from eus_etl.defs.keys import patients_of
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.status import visits_status
from eus_etl.defs.triggers.sensors import edits_sensor

TYPED = ["../../../../escaped", "/etc/escaped", "Jane Doe", "_study", "11111111-aaaa-4aaa-8aaa-00000000000a"]


@pytest.fixture(scope="module")
def hospital(finished_hospital: Path, tmp_path_factory: pytest.TempPathFactory) -> TinyHospital:
    """A hospital whose visits are made, with keys that somebody typed."""
    folder = tmp_path_factory.mktemp("deep") / "a" / "b" / "c"
    shutil.copytree(finished_hospital, folder)
    hospital = TinyHospital(folder)
    with open_instance(hospital.home) as instance:
        instance.add_dynamic_partitions(str(patients_of("eusml").name), TYPED)
    return hospital


def files_around(hospital: TinyHospital) -> set[Path]:
    """All files near the hospital but those of Dagster's home."""
    above = hospital.folder.parents[2]
    return {path for path in above.rglob("*") if hospital.home not in path.parents}


@pytest.mark.parametrize("key", [TYPED[0], *(pytest.param(key, marks=pytest.mark.slow) for key in TYPED[1:])])
def test_an_unknown_key_is_refused_by_every_asset(hospital: TinyHospital, key: str) -> None:
    before = files_around(hospital)
    graph = study_graph(hospital.study)
    with open_instance(hospital.home) as instance:
        for spec in graph.specs:
            if spec.per_patient:
                done = dg.materialize(
                    graph.assets(),
                    selection=[graph.key(spec.name)],
                    partition_key=key,
                    instance=instance,
                    raise_on_error=False,
                )
                (failure,) = done.get_step_failure_events()
                error = failure.step_failure_data.error
                assert error is not None
                assert "no source has shown a visit with this id" in str(error)
                assert f": {key}" not in str(error.message)
    assert files_around(hospital) == before


def test_an_unknown_key_breaks_no_command_and_no_sensor(hospital: TinyHospital) -> None:
    before = files_around(hospital)
    with open_instance(hospital.home) as instance:
        session = StudySession(hospital.study, instance)
        report = session.run()
        assert report.complete
        assert report.made == []
        assert session.patients() == [ONE, TWO]
        assert [visit.patient_id for visit in visits_status(hospital.study, session)] == [ONE, TWO]
        sensor = edits_sensor(study_graph(hospital.study), None)
        tick = sensor.evaluate_tick(dg.build_sensor_context(instance))
        assert not tick.run_requests
    assert files_around(hospital) == before
