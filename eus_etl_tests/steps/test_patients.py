"""The step from a label item and sheet rows to a part of ``patients.csv``."""

from pathlib import Path

import polars as pl
import pytest

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables import catalog
from eus_etl.settings import StudyConfig, load_study, shipped
from eus_etl.steps.patients import make_patient
from eus_etl.storage.tables.parts import load_part, rejected_part

PATIENT = "6f4d812e-11ee-4da7-b302-2ced2fe7edd7"
ITEM = {"pseudo_name": "Balanced-Shara-79", "Stop Procedure": "00:02:02", "biopsy": "of Quillfeather"}


@pytest.fixture
def study(tmp_path: Path) -> StudyConfig:
    config = load_study(shipped("configs") / "liver_config.yaml")
    return config.model_copy(update={"root": tmp_path / "root"})


def part(study: StudyConfig) -> pl.DataFrame:
    return load_part(StudyPaths(study.root), catalog.patients(study.patients.columns), PATIENT)


def test_item_and_sheet_are_joined(study: StudyConfig) -> None:
    result = make_patient(study, PATIENT, ITEM, [{"CAP score": "310", "Stiffness": "5.5"}])
    (row,) = part(study).to_dicts()
    assert {name: value for name, value in row.items() if value is not None} == {
        "patient_id": PATIENT,
        "pseudo_name": "Balanced-Shara-79",
        "procedure_s": 122.0,
        "cap_db_m": 310.0,
        "stiffness_kpa": 5.5,
    }
    assert dict(result.metadata) == {"values": 5, "sheet_rows": 1, "rejected": 0}
    assert not rejected_part(StudyPaths(study.root), "patients", PATIENT).exists()


def test_bad_cells_are_recorded_without_their_text(study: StudyConfig) -> None:
    result = make_patient(study, PATIENT, ITEM, [{"CAP score": "4000", "Stiffness": "ask Quillfeather"}])
    recorded = pl.read_parquet(rejected_part(StudyPaths(study.root), "patients", PATIENT))
    assert recorded.select("patient_id", "stage", "item", "reason").rows() == [
        (PATIENT, "patients", "cap_db_m", "out_of_range"),
        (PATIENT, "patients", "stiffness_kpa", "not_a_number"),
    ]
    assert "Quillfeather" not in repr(recorded.rows()) + repr(part(study).rows()) + repr(result)
    assert result.metadata["rejected"] == 2


def test_neither_item_nor_rows_give_a_row_of_the_id(study: StudyConfig) -> None:
    make_patient(study, PATIENT, None, [])
    (row,) = part(study).to_dicts()
    assert row == {**dict.fromkeys(row), "patient_id": PATIENT}


def test_the_version_follows_the_row(study: StudyConfig) -> None:
    first = make_patient(study, PATIENT, ITEM, [{"CAP score": "310"}]).version
    assert (
        make_patient(study, PATIENT, {**ITEM, "biopsy": "else"}, [{"CAP score": " 310.0"}]).version == first
    )
    assert make_patient(study, PATIENT, ITEM, [{"CAP score": "311"}]).version != first
