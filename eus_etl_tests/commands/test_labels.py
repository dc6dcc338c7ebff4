"""The intervals of a whole export of label items."""

import json
from pathlib import Path

import pytest

from eus_etl.commands.labels import labels_from_export
from eus_etl.domain.tables.catalog import LABELS
from eus_etl.errors import SourceError
from eus_etl.settings import StudyConfig, load_study, shipped

PATIENT = "ba3f892a-9844-4be9-81b7-8c9f08d6b971"
ITEM = {
    "pk": PATIENT,
    "Start FNA 1": "00:00:03",
    "Stop FNA 1": "00:00:09",
    "Start FNA 2": "00:00:01",
    "Stop FNA 2": "00:00:02",
    "Start Tumor 1": "seen by Quillfeather",
    "Start Gallbladder 1": "00:00:05",
    "Stop Gallbladder 1": "00:00:06",
    "Stop Procedure": "00:01:00",
    "biopsy": "Adenocarcinoma of Quillfeather",
}


@pytest.fixture
def study() -> StudyConfig:
    return load_study(shipped("configs") / "eus_config.yaml")


def test_an_export_of_both_studies(study: StudyConfig, shared: Path) -> None:
    sample = shared / "labels" / "labeller_items_sample.json"
    intervals, scan = labels_from_export(sample, study)
    assert intervals.schema == LABELS.schema
    assert intervals["patient_id"].n_unique() == len(scan.items) == 2
    assert intervals.height == 12
    assert intervals["status"].unique().to_list() == ["ok"]
    liver, _ = labels_from_export(sample, load_study(shipped("configs") / "liver_config.yaml"))
    assert liver.select("label", "start_s", "stop_s").rows() == [
        ("Liver", 12.0, 72.0),
        ("Liver", 76.0, 122.0),
    ]


def test_an_export_with_bad_items(study: StudyConfig, tmp_path: Path) -> None:
    path = tmp_path / "items.json"
    path.write_text(json.dumps([ITEM, {"pk": "a/b"}]), encoding="utf-8")
    intervals, scan = labels_from_export(path, study)
    assert intervals.height == 4
    assert [bad.reason for bad in scan.rejected] == ["unsafe_pk"]
    path.write_text("[]", encoding="utf-8")
    assert labels_from_export(path, study)[0].is_empty()
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(SourceError):
        labels_from_export(path, study)
