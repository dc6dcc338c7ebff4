"""What an asset's configuration is: its code version changes with it, and with its step's format alone."""

from pathlib import Path

import pytest

from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from eus_etl.defs.assets import patient as patient_assets
from eus_etl.defs.assets.names import Asset
from eus_etl.defs.graph import study_graph
from eus_etl.steps.preprocessed_frames import job as preprocessed_job
from eus_etl.steps.preprocessed_frames import step as preprocessed_step
from eus_etl.steps.text_check import check as text_check
from eus_etl.storage import manifests
from eus_etl_tests.support.assets import CHAIN


@pytest.mark.parametrize("name", CHAIN)
def test_a_raised_format_makes_that_step_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    study = TinyHospital(tmp_path).study
    before = {spec.name: spec.code_version for spec in study_graph(study).specs}
    monkeypatch.setattr(patient_assets, f"{name.upper()}_FORMAT", 999)
    after = {spec.name: spec.code_version for spec in study_graph(study).specs}
    assert {asset for asset in before if before[asset] != after[asset]} == {name}


def test_the_formats_are_those_of_what_lies_on_the_disk() -> None:
    assert patient_assets.FRAMES_FORMAT == manifests.FORMAT
    made_of_frames = (preprocessed_job.FORMAT, text_check.FORMAT, preprocessed_step.FORMAT)
    assert made_of_frames == patient_assets.PREPROCESSED_FRAMES_FORMAT


def test_each_name_is_that_of_an_asset(tmp_path: Path) -> None:
    assert [spec.name for spec in study_graph(TinyHospital(tmp_path).study).specs] == list(Asset)
