"""The key of the pseudonyms."""

import pytest

from benchmarks.support.hospitals.released_study import KEY, KEY_VARIABLE


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
