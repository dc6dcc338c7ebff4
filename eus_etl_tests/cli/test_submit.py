"""`eus-etl run --submit`: the queue does the work, where a daemon takes runs from it."""

import re
import time

import dagster as dg
import pytest

from benchmarks.support.hospitals.real_daemon import daemon
from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.defs.instance import open_instance
from eus_etl.defs.keys import PARTITION_TAG, TERMINAL_TAG
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.reconcile.run_health import UNDER_WAY
from eus_etl_tests.support.commands import call

PATIENCE_S = 300.0


@pytest.fixture
def hospital(made_hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch) -> TinyHospital:
    monkeypatch.setenv("DAGSTER_HOME", str(made_hospital.home))
    return made_hospital


def test_without_a_daemon_nothing_is_submitted(hospital: TinyHospital) -> None:
    hospital.items[ONE]["Stop Station 1 1"] = "00:00:02"
    hospital.write_items()
    with open_instance(hospital.home) as instance:
        before = len(instance.get_runs())
        refused = call("run", "--config", hospital.config, "--submit")
        assert refused.exit_code == 1
        assert (
            "no daemon takes runs from the queue: none was ever seen. What to do: start it" in refused.output
        )
        assert len(instance.get_runs()) == before


@pytest.mark.slow
def test_the_daemon_does_what_is_submitted(hospital: TinyHospital) -> None:
    with open_instance(hospital.home) as instance, daemon(hospital):
        # its first run, asked for by a sensor
        hospital.items[ONE]["Stop Station 1 1"] = "00:00:02"
        hospital.write_items()
        deadline = time.monotonic() + PATIENCE_S
        while not is_settled(hospital, instance):
            assert time.monotonic() < deadline, (hospital.folder / "daemon.log").read_text()[-3000:]
            time.sleep(1)
        asked = (
            "run",
            "--config",
            hospital.config,
            "--submit",
            "--wait",
            "--remake",
            "frames",
            "--patient",
            TWO,
        )
        done = call(*asked)
        assert done.exit_code == 0, done.output
        ids = re.findall(r"run ([0-9a-f-]{36}) of (\S+|the tables):", done.output)
        first = instance.get_run_by_id(ids[0][0])
        assert first is not None
        assert ids[0][1] == TWO
        assert (first.status, first.tags[PARTITION_TAG]) == (dg.DagsterRunStatus.SUCCESS, TWO)
        assert TERMINAL_TAG not in first.tags
        (record,) = instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey(["eusml", "frames"]), asset_partitions=[TWO]), limit=1
        ).records
        assert record.run_id == first.run_id
        assert is_settled(hospital, instance)


def is_settled(hospital: TinyHospital, instance: dg.DagsterInstance) -> bool:
    """Whether the daemon has run something, nothing is under way, and all is made."""
    runs = instance.get_runs()
    if all(TERMINAL_TAG in run.tags for run in runs) or any(run.status in UNDER_WAY for run in runs):
        return False
    session = StudySession(hospital.study, instance)
    return not any(map(session.plan, (ONE, TWO, None)))
