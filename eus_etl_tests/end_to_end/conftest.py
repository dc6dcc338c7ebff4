"""A finished hospital, to be edited."""

import pytest

from benchmarks.support.hospitals.tiny_hospital import TinyHospital


@pytest.fixture
def hospital(made_hospital: TinyHospital) -> TinyHospital:
    return made_hospital
