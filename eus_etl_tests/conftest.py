"""Fixtures that every test may use."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import settings

from benchmarks.support.hospitals.hasty_databases import databases_in_a_hurry
from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from benchmarks.support.places import SHARED
from eus_etl.defs.assets.factory import _RETRIES
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl_tests.support.hospitals.demo_run import STUDIES, Demo, DemoStudy, make_demo
from eus_etl_tests.support.made_once import MadeOnce

# no test fails because the machine is busy
settings.register_profile("fast", deadline=None, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=500)
settings.load_profile("fast")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow whatever looks at the demo, or at material that a fresh checkout does not have.

    Making the demo takes as long as two hundred other tests; real clips are larger than made ones.
    """
    for item in items:
        if isinstance(item, pytest.Function) and {"demo", "shared"} & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    """Hide the settings of whoever runs the tests from every test and every process that one starts."""
    with pytest.MonkeyPatch.context() as environment:
        for name in ("DAGSTER_HOME", "EUS_ETL_CONFIGS", "EUS_ETL_DATA_ROOT"):
            environment.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_waiting() -> Iterator[None]:
    """Wait neither for disks under databases, nor for files to stop changing, nor before a retry."""
    with pytest.MonkeyPatch.context() as patch, databases_in_a_hurry():
        at_once = dg.RetryPolicy(max_retries=_RETRIES.max_retries, delay=0)
        patch.setattr("eus_etl.defs.assets.factory._RETRIES", at_once)
        patch.setattr("eus_etl.storage.files.stable_read.QUIET_S", 0.0)
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real clips, odd media and label items beside the checkout; only the authors have it."""
    if not SHARED.is_dir():
        pytest.skip("needs the authors' real clips; made ones cover the same faults, there is nothing to do")
    return SHARED


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """Makes folders that all processes of this test run share."""
    return MadeOnce(tmp_path_factory)


@pytest.fixture(scope="session")
def demo(made_once: MadeOnce) -> Demo:
    """A finished run of the demo; read-only."""
    return Demo(made_once("finished_demo", make_demo))


def _make_tiny_hospital(folder: Path) -> None:
    hospital = TinyHospital(folder / "hospital")
    with open_instance(hospital.home) as instance:
        report = StudySession(hospital.study, instance).run()
    assert report.complete, report.failed
    assert report.videos_decoded == 2


@pytest.fixture(scope="session")
def finished_hospital(made_once: MadeOnce) -> Path:
    """The folder of a tiny hospital whose visits are all made; read-only."""
    return made_once("finished_hospital", _make_tiny_hospital) / "hospital"


@pytest.fixture
def made_hospital(finished_hospital: Path, tmp_path: Path) -> TinyHospital:
    """A copy of the finished hospital, to be changed."""
    shutil.copytree(finished_hospital, tmp_path / "hospital")
    return TinyHospital(tmp_path / "hospital")


@pytest.fixture(scope="session", params=list(STUDIES))
def demo_study(request: pytest.FixtureRequest, demo: Demo) -> DemoStudy:
    """Each study of the finished demo."""
    return demo.studies[request.param]
