"""What the doctor says of broker and workers; with real ones where the test is slow."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from benchmarks.support.servers.postgres import PASSWORD, PASSWORD_VARIABLE, postgres
from benchmarks.support.servers.redis_server import RedisServer, redis_server
from eus_etl.commands.doctor.cluster import (
    Here,
    examine_broker,
    examine_cluster,
    examine_places,
    examine_pool,
    examine_worker,
)
from eus_etl.commands.doctor.finding import Finding
from eus_etl.commands.watch.of_cluster import silent_workers
from eus_etl.defs.cluster.sight import Code, Sight, code_now, look_around, note_file, study_digest
from eus_etl.defs.instance import open_instance
from eus_etl.settings import shipped
from eus_etl.storage.root_owner import claim_root
from eus_etl_tests.support.hospitals.examined import tree

CODE = Code(sources="abc", versions={"Python": "3.11.7", "av": "18.0.0"})
PLACES = "max_concurrent_runs: 4"
HERE = Here(database="one", study="as here", code=CODE, note="seen")


def sight(**changes: object) -> Sight:
    same = {
        "time_s": 0.0,
        "code": CODE,
        "database": "one",
        "places": 2,
        "study": "as here",
        "note": "seen",
        "writable": True,
    }
    return Sight.model_validate(same | changes)


@pytest.mark.parametrize(
    ("changes", "off_s", "check", "found"),
    [
        ({"note": None}, 0.0, "root", "does not see"),
        ({"note": "of another file system"}, 0.0, "root", "does not see"),
        ({"writable": False}, 0.0, "root", "may not write"),
        ({"study": None}, 0.0, "study", "no file of this study"),
        ({"study": "edited"}, 0.0, "study", "differs"),
        ({"database": "two"}, 0.0, "database", "another database"),
        ({"code": Code(sources="abd", versions=CODE.versions)}, 0.0, "code", "eus_etl itself"),
        (
            {"code": Code(sources="abc", versions={"Python": "3.11.7", "av": "18.1.0"})},
            0.0,
            "code",
            "av 18.1.0 for 18.0.0",
        ),
        ({}, 1.2, "clock", "1.2 s ahead"),
        ({}, -60.0, "clock", "60.0 s behind"),
    ],
)
def test_whatever_a_worker_sees_otherwise_is_a_problem(
    changes: dict[str, object], off_s: float, check: str, found: str
) -> None:
    (finding,) = examine_worker("worker@there", sight(**changes), off_s, HERE)
    assert finding.outcome == "problem"
    assert finding.check == f"{check} of worker@there"
    assert found in finding.found
    assert finding.remedy


def test_a_worker_that_sees_the_same_is_ok() -> None:
    (finding,) = examine_worker("worker@there", sight(), -0.9, HERE)
    assert (finding.outcome, finding.check) == ("ok", "worker@there")


def test_a_broker_that_forgets_or_drops_is_warned_of() -> None:
    keeps = {"aof_enabled": "1", "maxmemory_policy": "noeviction", "redis_version": "7.0.15"}
    assert examine_broker(keeps).outcome == "ok"
    assert "appendonly" in examine_broker(keeps | {"aof_enabled": "0"}).remedy
    assert "noeviction" in examine_broker(keeps | {"maxmemory_policy": "allkeys-lru"}).remedy


@pytest.mark.parametrize(
    ("places", "at_once", "outcome"), [(4, 4, "ok"), (4, 8, "warning"), (4, -1, "warning")]
)
def test_the_queue_lets_as_many_runs_go_as_there_are_places(places: int, at_once: int, outcome: str) -> None:
    finding = examine_places(2, places, at_once)
    assert finding.outcome == outcome
    assert outcome == "ok" or "max_concurrent_runs: 4" in finding.remedy


@pytest.mark.parametrize(("places", "decoding", "wanted"), [(8, 3, 7), (3, 2, 3), (8, 7, None), (8, 8, None)])
def test_a_pool_that_was_sized_for_fewer_workers_is_warned_of(
    places: int, decoding: int, wanted: int | None
) -> None:
    found = list(examine_pool(places, decoding))
    assert [finding.outcome for finding in found] == ["warning"] * (wanted is not None)
    assert all(f"concurrency set decoding {wanted}`" in finding.remedy for finding in found)


def test_a_machine_reads_the_note_of_its_own_root_and_nothing_else(hospital: TinyHospital) -> None:
    def look(study: str, note: str) -> Sight:
        return look_around(study, note, configs=hospital.configs, code=CODE, database="one", places=1)

    claim_root(hospital.paths, "eusml")
    note_file(hospital.paths, "note").write_text("written there")
    seen = look("eusml", "note")
    assert (seen.note, seen.writable, seen.study) == ("written there", True, study_digest(hospital.study))
    secret = hospital.folder / "secret"
    secret.write_text("not to be read")
    assert look("eusml", f"x/../../../../{secret.name}").note is None
    assert look("eusml", "other").note is None
    assert look("fatty_liver", "note").study is None


def test_a_study_is_the_same_wherever_its_root_is_mounted(
    hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = study_digest(hospital.study)
    monkeypatch.setenv("EUS_ETL_DATA_ROOT", "/elsewhere")
    assert study_digest(hospital.study) == before
    monkeypatch.delenv("EUS_ETL_DATA_ROOT")
    hospital.configure(extraction={"frame_rate_hz": 3})
    assert study_digest(hospital.study) != before


def test_code_is_told_by_its_sources_and_packages() -> None:
    code = code_now()
    assert code == code_now()
    assert {"Python", "dagster", "av", "polars"} <= set(code.versions)


def test_one_machine_has_no_such_checks(hospital: TinyHospital) -> None:
    assert list(examine_cluster(hospital.study, hospital.home)) == []
    assert not hospital.home.exists()
    open_instance(hospital.home).dispose()
    assert list(examine_cluster(hospital.study, hospital.home)) == []


@pytest.mark.slow
def test_real_workers_are_asked(hospital: TinyHospital, monkeypatch: pytest.MonkeyPatch) -> None:
    redis_folder = hospital.folder / "redis"
    redis_folder.mkdir()
    with postgres() as database, redis_server(redis_folder) as broker:
        monkeypatch.setenv(PASSWORD_VARIABLE, PASSWORD)
        monkeypatch.setenv("EUS_ETL_POSTGRES_HOST", "127.0.0.1")
        monkeypatch.setenv("EUS_ETL_BROKER", broker.url())
        text = shipped("deploy/celery/dagster.celery.yaml").read_text(encoding="utf-8")
        for home in (hospital.home, hospital.folder / "other_home"):
            home.mkdir()
            (home / "dagster.yaml").write_text(
                text.replace("5432", str(database.port)).replace("max_concurrent_runs: 8", PLACES)
            )
        open_instance(hospital.home).dispose()

        def look() -> dict[str, Finding]:
            found = list(examine_cluster(hospital.study, hospital.home))
            assert all(bool(finding.remedy) == (finding.outcome != "ok") for finding in found)
            assert broker.url() not in str(found)
            return {finding.check: finding for finding in found}

        assert look()["workers"].found == "none answers"
        assert told(hospital) == ["service: workers: 0 answer, with 0 of 4 places"]
        good = {"DAGSTER_HOME": str(hospital.folder / "other_home"), "EUS_ETL_CONFIGS": str(hospital.configs)}
        elsewhere = good | {"EUS_ETL_DATA_ROOT": str(hospital.folder / "elsewhere")}
        with working(hospital, "good", good), working(hospital, "bad", elsewhere):
            until(lambda: look()["workers"].found.startswith("2 with 4 places"))
            assert "not marked" in look()["root of all workers"].found
            claim_root(hospital.paths, "eusml")
            assert told(hospital) == []
            before = tree(hospital.study.root)
            found = look()
            assert {name: left for name, left in tree(hospital.study.root).items() if left[1]} == {
                name: left for name, left in before.items() if left[1]
            }
            (good_worker,) = [check for check in found if check.startswith("good@")]
            assert found[good_worker].outcome == "ok"
            assert found[f"root of bad@{good_worker.partition('@')[2]}"].outcome == "problem"
            assert found["broker"].outcome == found["database"].outcome == "ok"
            broker.kill()
            assert told(hospital) == ["service: broker: does not answer"]
            broker.start()
            is_killed_and_started_again(broker, look)


def told(hospital: TinyHospital) -> list[str]:
    """What the watchdog has to tell of workers and broker."""
    return [problem.line for problem in silent_workers(hospital.home)]


def is_killed_and_started_again(broker: RedisServer, look: Callable[[], dict[str, Finding]]) -> None:
    broker.kill()
    found = look()
    assert "does not answer" in found["broker"].found
    assert "workers" not in found
    broker.start()
    until(lambda: look().get("workers", found["broker"]).found.startswith("2 with"))


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 180
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(1)


@contextmanager
def working(hospital: TinyHospital, name: str, environment: dict[str, str]) -> Iterator[None]:
    """A worker of this name, until the block ends."""
    command = [str(Path(sys.executable).with_name("eus-etl")), "worker", "--name", name, "--places", "2"]
    with (hospital.folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
