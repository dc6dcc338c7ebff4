"""The shape of the asset graph: a snapshot of both studies, and a third study from one YAML file."""

import shutil
from pathlib import Path

import dagster as dg
import pytest
import yaml

from eus_etl.definitions import load_definitions
from eus_etl.defs.study import build_study_definitions
from eus_etl.settings import load_study, shipped, study_files

GRAPH = {
    "drive_videos": set(),
    "label_items": set(),
    "patient_rows": set(),
    "sync_rows": set(),
    "region_rows": set(),
    "known_screens": set(),
    "unassigned": set(),
    "raw_videos": {"drive_videos"},
    "labels": {"label_items"},
    "patients": {"label_items", "patient_rows"},
    "frames": {"raw_videos"},
    "regions": {"frames", "region_rows", "known_screens"},
    "frame_table": {"raw_videos", "frames", "regions", "labels", "sync_rows"},
    "preprocessed_frames": {"frames", "regions"},
    "timeline": {"label_items", "labels", "frame_table", "preprocessed_frames"},
    "labels_csv": {"labels"},
    "patients_csv": {"patients"},
    "videos_csv": {"raw_videos", "frames"},
    "preprocess_metadata_csv": {"preprocessed_frames", "regions", "frame_table"},
    "rejected_csv": {
        "unassigned",
        "raw_videos",
        "labels",
        "patients",
        "frames",
        "regions",
        "frame_table",
        "preprocessed_frames",
    },
    "dataset": {"frame_table", "preprocessed_frames", "patients"},
    "release": {"labels_csv", "patients_csv", "preprocess_metadata_csv", "rejected_csv", "dataset"},
}
CHECKS = {
    ("raw_videos", "videos_open"),
    ("labels", "no_problem_unseen"),
    ("frames", "images_equal_rows"),
    ("regions", "every_layout_has_a_region"),
    ("frame_table", "frames_equal_rows"),
    ("frame_table", "labels_inside_recording"),
    ("frame_table", "synchronised"),
    ("preprocessed_frames", "images_equal_rows"),
    ("preprocessed_frames", "no_readable_text"),
}
WHOLE_STUDY = {name for name in GRAPH if name.endswith("_csv")} | {
    "dataset",
    "release",
    "known_screens",
    "unassigned",
}


def assert_graph(definitions: dg.Definitions, study: str) -> None:
    graph = definitions.resolve_asset_graph()
    keys = {key for key in graph.get_all_asset_keys() if key.path[0] == study}
    found = {key.path[1]: {parent.path[1] for parent in graph.get(key).parent_keys} for key in keys}
    assert found == GRAPH
    partitioned = {key.path[1] for key in keys if graph.get(key).partitions_def is not None}
    assert partitioned == GRAPH.keys() - WHOLE_STUDY
    checks = {
        (key.asset_key.path[1], key.name) for key in graph.asset_check_keys if key.asset_key.path[0] == study
    }
    assert checks == CHECKS
    assert all(graph.get(key).description for key in keys)


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EUS_ETL_CONFIGS", raising=False)
    monkeypatch.delenv("EUS_ETL_DATA_ROOT", raising=False)


@pytest.mark.usefixtures("no_environment")
@pytest.mark.parametrize("study", ["eusml", "fatty_liver"])
def test_both_shipped_studies_have_the_whole_graph(study: str) -> None:
    assert_graph(load_definitions(), study)


@pytest.mark.usefixtures("no_environment")
def test_each_study_has_its_job_and_sensors() -> None:
    definitions = load_definitions()
    assert {sensor.name for sensor in definitions.sensors or []} == {
        "eusml_videos",
        "eusml_edits",
        "fatty_liver_videos",
        "fatty_liver_edits",
    }
    for study in ("eusml", "fatty_liver"):
        assert definitions.resolve_job_def(f"{study}_visit").partitions_def is not None


def test_a_third_study_is_one_yaml_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = yaml.safe_load((shipped("configs") / "liver_config.yaml").read_text())
    raw |= {
        "study": "thyroid",
        "title": "Thyroid ultrasound",
        "root": "data",
        "families": {"side": [{"name": "Left"}, {"name": "Right"}]},
        "preprocess": {"recipes": {"tiny": {"version": 1, "size_px": 64}}},
    }
    (tmp_path / "thyroid.yaml").write_text(yaml.safe_dump(raw))
    assert_graph(build_study_definitions(load_study(tmp_path / "thyroid.yaml")), "thyroid")
    monkeypatch.setenv("EUS_ETL_CONFIGS", str(tmp_path))
    assert_graph(load_definitions(), "thyroid")


def test_the_recipes_file_is_no_study() -> None:
    assert [path.name for path in study_files(shipped("configs"))] == ["eus_config.yaml", "liver_config.yaml"]


def test_a_broken_file_unloads_its_own_study_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(shipped("configs"), tmp_path / "configs")
    (tmp_path / "configs" / "._eus_config.yaml").write_bytes(b"\0\5\26\7")
    (tmp_path / "configs" / "eus_config.yaml").write_text("study: eusml\nroot: [")
    again = (tmp_path / "configs" / "liver_config.yaml").read_text()
    (tmp_path / "configs" / "liver_copy.yaml").write_text(again)
    monkeypatch.setenv("EUS_ETL_CONFIGS", str(tmp_path / "configs"))
    definitions = load_definitions()
    assert "eus_config.yaml: is not valid YAML at line" in capsys.readouterr().err
    assert_graph(definitions, "fatty_liver")
    sensors = {sensor.name: sensor for sensor in definitions.sensors or []}
    assert sensors.keys() == {
        "fatty_liver_videos",
        "fatty_liver_edits",
        "eus_config_not_loaded",
        "liver_copy_not_loaded",
    }
    for name, said in (
        ("eus_config", "is not valid YAML at line"),
        ("liver_copy", "another file describes"),
    ):
        skipped = sensors[f"{name}_not_loaded"](dg.build_sensor_context())
        assert isinstance(skipped, dg.SkipReason)
        assert said in str(skipped.skip_message)
