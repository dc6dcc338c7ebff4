"""Fixtures that every test may use."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from benchmarks.support.hospitals.hasty_databases import databases_in_a_hurry
from benchmarks.support.places import SHARED
from eus_etl_tests.support.hospitals.demo_run import STUDIES, Demo, DemoStudy, make_demo

# no test fails because the machine is busy
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    """Hide the settings of whoever runs the tests from every test and every process that one starts."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("DAGSTER_HOME", "EUS_ETL_CONFIGS", "EUS_ETL_DATA_ROOT"):
            environment.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_waiting() -> Iterator[None]:
    """Wait neither for the disk under Dagster's databases nor for files to stop changing."""
    with pytest.MonkeyPatch.context() as patch, databases_in_a_hurry():
        patch.setattr("eus_etl.storage.files.stable_read.QUIET_S", 0.0)
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real clips, odd media and label items beside the checkout; only the authors have it."""
    if not SHARED.is_dir():
        pytest.skip("needs the authors' real clips; made ones cover the same faults, there is nothing to do")
    return SHARED


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A finished run of the demo, made once for all processes that share this test run; read-only."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished_demo"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "exit_code").exists():
            make_demo(folder)
    return Demo(folder)


@pytest.fixture(scope="session", params=list(STUDIES))
def demo_study(request: pytest.FixtureRequest, demo: Demo) -> DemoStudy:
    """Each study of the finished demo."""
    return demo.studies[request.param]
