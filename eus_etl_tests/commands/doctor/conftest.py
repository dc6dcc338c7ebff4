"""A hospital to be examined."""

from pathlib import Path

import pytest

from benchmarks.support.hospitals.tiny_hospital import TinyHospital


@pytest.fixture
def hospital(tmp_path: Path) -> TinyHospital:
    return TinyHospital(tmp_path)
