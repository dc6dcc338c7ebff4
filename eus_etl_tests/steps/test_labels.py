"""The step from a label item to its part of ``labels.csv``."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import LABELS, REJECTED
from eus_etl.settings import StudyConfig, load_study, shipped
from eus_etl.steps.labels import make_labels
from eus_etl.steps.result import Check
from eus_etl.storage.tables.parts import load_part, rejected_part

PATIENT = "ba3f892a-9844-4be9-81b7-8c9f08d6b971"
GOOD = {"Start FNA 1": "00:00:03", "Stop FNA 1": "00:00:09", "Stop Procedure": "00:01:00"}
DOUBTFUL = {
    **GOOD,
    "Start FNA 2": "00:00:01",
    "Stop FNA 2": "00:00:02",
    "Start Tumor 1": "seen by Quillfeather",
    "Start Gallbladder 1": "00:00:05",
    "Stop Gallbladder 1": "00:00:06",
    "biopsy": "Adenocarcinoma of Quillfeather",
}


@pytest.fixture
def study(tmp_path: Path) -> StudyConfig:
    config = load_study(shipped("configs") / "eus_config.yaml")
    return config.model_copy(update={"root": tmp_path / "root"})


def rejected(study: StudyConfig) -> pl.DataFrame:
    path = rejected_part(StudyPaths(study.root), "labels", PATIENT)
    return pl.read_parquet(path) if path.is_file() else REJECTED.empty()


def test_each_doubtful_interval_is_recorded_with_its_reason(study: StudyConfig) -> None:
    result = make_labels(study, PATIENT, DOUBTFUL)
    part = load_part(StudyPaths(study.root), LABELS, PATIENT)
    assert dict(result.metadata) == {
        "intervals": 4,
        "ok": 1,
        "suspect": 1,
        "rejected": 2,
        "procedure_s": 60.0,
    }
    assert part["status"].to_list() == ["suspect", "ok", "rejected", "rejected"]
    assert rejected(study).select("item", "reason").rows() == [
        ("FNA 2", "stale_rerun"),
        ("Tumor 1", "no_stop|bad_time"),
        ("Gallbladder 1", "unknown_label"),
    ]
    assert rejected(study)["detail"].to_list()[0].startswith("used, with doubt, from 1 s to 2 s: ")
    assert rejected(study)["remedy"].null_count() == 0
    assert result.checks == (Check("no_problem_unseen", True, "4 intervals, 0 unexplained, 0 not recorded"),)


def test_no_free_text_comes_out(study: StudyConfig) -> None:
    result = make_labels(study, PATIENT, DOUBTFUL)
    written = b"".join(path.read_bytes() for path in study.root.rglob("*.parquet"))
    shown = repr(load_part(StudyPaths(study.root), LABELS, PATIENT).rows()) + repr(rejected(study).rows())
    for text in ("Quillfeather", "Adenocarcinoma"):
        assert text not in repr(result) + shown
        assert text.encode() not in written


def test_no_item_gives_an_empty_part(study: StudyConfig) -> None:
    result = make_labels(study, PATIENT, None)
    assert StudyPaths(study.root).part("labels", PATIENT).is_file()
    assert load_part(StudyPaths(study.root), LABELS, PATIENT).is_empty()
    assert result.metadata["intervals"] == 0
    assert all(check.passed for check in result.checks)


def test_a_corrected_item_takes_its_record_away(study: StudyConfig) -> None:
    doubtful = make_labels(study, PATIENT, DOUBTFUL)
    good = make_labels(study, PATIENT, GOOD)
    assert rejected(study).is_empty()
    assert good.version != doubtful.version


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"Stop FNA 1": "00:00:10"}, False),
        ({"Stop Procedure": "00:02:00"}, False),
        ({"cancer": True, "Date": "2026-10-05"}, True),
    ],
)
def test_the_version_changes_with_what_frames_are_labelled_by(
    study: StudyConfig, change: Mapping[str, object], same: bool
) -> None:
    before = make_labels(study, PATIENT, GOOD).version
    assert (make_labels(study, PATIENT, {**GOOD, **change}).version == before) is same
