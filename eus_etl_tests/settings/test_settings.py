"""Configuration files: what is wrong is said, with its place and what would be right."""

from pathlib import Path

import pytest
import yaml

from eus_etl.errors import ConfigError
from eus_etl.settings import load_study, shipped


def write(folder: Path, **changes: object) -> Path:
    """The shipped file of the pancreas study with some keys changed; None removes a key."""
    raw = yaml.safe_load((shipped("configs") / "eus_config.yaml").read_text())
    raw["preprocess"] = {"recipes": {"small": {"version": 1, "size_px": 64}}}
    for key, value in changes.items():
        if value is None:
            del raw[key]
        else:
            raw[key] = value
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def test_relative_paths_start_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EUS_ETL_DATA_ROOT", raising=False)
    assert load_study(write(tmp_path, root="../elsewhere")).root == tmp_path.parent / "elsewhere"


def test_the_environment_moves_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUS_ETL_DATA_ROOT", str(tmp_path / "big disk"))
    assert load_study(write(tmp_path)).root == tmp_path / "big disk" / "eusml"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frame_rate": 5}, "frame_rate: Extra inputs are not permitted"),
        (
            {"extraction": {"frame_rate_hz": float("inf")}},
            "a finite number",
        ),
        ({"timeline": {"label_margin_s": float("inf")}}, "a finite number"),
        (
            {"quality": {"frozen_min_s": float("nan")}},
            "a finite number",
        ),
        ({"extraction": {"frame_rate_hz": 0}}, "extraction.frame_rate_hz: Input should be greater than 0"),
        ({"extraction": {"frame_rate_hz": 5, "image": {"format": "bmp"}}}, "'jpg' or 'png'"),
        ({"root": None}, "root: Field required"),
        ({"study": "EUS ML"}, "study: String should match pattern"),
        (
            {"families": {"a": [{"name": "Station 1"}], "b": [{"name": "station-1"}]}},
            "is in 'b' and in 'a'",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_study(write(tmp_path, **changes))
    assert said in str(caught.value)
    assert "What to do" in str(caught.value)


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_study(write(tmp_path, root=None, title=None, colour="blue"))
    for key in ("root", "title", "colour"):
        assert key in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"), [("a: [1", "not valid YAML"), ("", "holds no keys"), ("\xff", "not valid YAML")]
)
def test_a_file_that_is_no_yaml(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=said):
        load_study(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_study(tmp_path / "none.yaml")
