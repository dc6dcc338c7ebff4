"""The watchdog beside a real daemon: nothing to tell while it works, and what breaks is seen."""

import time
from pathlib import Path

import pytest

from benchmarks.support.hospitals.real_daemon import daemon
from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from eus_etl.commands.watch.run import look_at
from eus_etl.defs.instance import open_instance
from eus_etl.settings import AlertsConfig
from eus_etl.settings.alerts import BLOCKING, Kind

pytestmark = pytest.mark.slow

PATIENCE_S = 120


def test_a_real_daemon_is_seen_to_work_to_be_in_trouble_and_to_die(
    hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(hospital.home))
    open_instance(hospital.home).dispose()

    def seen(later_s: float = 0.0) -> set[tuple[Kind, str]]:
        config = AlertsConfig(record=Path("/nowhere/told.json"), disk_free_gb=0)
        look = look_at(hospital.configs, config, set(BLOCKING), time.time() + later_s)
        return {(problem.kind, problem.word) for problem in look.problems}

    def wait_for(expected: set[tuple[Kind, str]]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while (now := seen()) != expected:
            assert time.monotonic() < deadline, (
                f"{now}\n{(hospital.folder / 'daemon.log').read_text()[-3000:]}"
            )
            time.sleep(1)

    assert seen() == {("daemon", "dagster-daemon")}
    with daemon(hospital):
        wait_for(set())
        aside = hospital.paths.owner_file.with_name("aside")
        hospital.paths.owner_file.rename(aside)  # as if the root's disk were not mounted
        wait_for({("sensor", "eusml_videos"), ("sensor", "eusml_edits")})
        aside.rename(hospital.paths.owner_file)
        wait_for(set())
    assert seen(later_s=300) == {("daemon", "dagster-daemon")}
