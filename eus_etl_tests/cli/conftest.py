"""A hospital without a Dagster home."""

from pathlib import Path

import pytest

from benchmarks.support.hospitals.tiny_hospital import TinyHospital


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyHospital:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return TinyHospital(tmp_path)
