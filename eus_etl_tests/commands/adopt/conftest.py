"""A hospital whose root earlier scripts filled."""

import shutil
from pathlib import Path

import pytest

from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from eus_etl_tests.support.hospitals.old_roots import old_root


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hospital with an old root, not to be changed."""
    hospital = TinyHospital(tmp_path_factory.mktemp("old") / "hospital")
    old_root(hospital)
    return hospital.folder


@pytest.fixture
def hospital(filled: Path, tmp_path: Path) -> TinyHospital:
    """A copy of it."""
    shutil.copytree(filled, tmp_path / "hospital")
    return TinyHospital(tmp_path / "hospital")
