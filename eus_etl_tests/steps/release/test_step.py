"""Releases: the same bytes anywhere, whole or not at all, and nothing in them that leads back."""

from pathlib import Path

import pytest

from benchmarks.support.hospitals.released_study import (
    KEY,
    KEY_VARIABLE,
    files_of,
    put_study,
    study_with,
    visits_of,
)
from eus_etl.domain.paths import StudyPaths
from eus_etl.steps.release.step import make_release


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)


def test_the_same_inputs_give_the_same_bytes_on_another_root(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        study = study_with(tmp_path / name, patient_columns=["visit_date", "cancer_type"])
        put_study(study, visits_of(6))
        result = make_release(study, "default")
        made.append((result.version, files_of(StudyPaths(study.root).releases / result.version)))
    assert made[0] == made[1]
    print("\n".join(made[0][1]))
    for n in (
        "README.md",
        "CHANGES.md",
        "statistics.json",
        "splits.csv",
        "patients.csv",
        "labels.csv",
        "train/metadata.csv",
    ):
        print("=====", n)
        print(made[0][1][n].decode())
    again = make_release(study, "default")
    assert again.version == made[0][0]
    assert again.metadata["outcome"] == "it exists already: nothing has changed"
