"""What the quick commands must not import: each would make a user wait for a program that is not needed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE
from eus_etl.settings import shipped

SLOW = {"dagster", "boto3", "botocore", "googleapiclient", "google.auth", "matplotlib"}
IMAGES = {"cv2", "av", "pydicom"}

# the command ends in SystemExit; what was imported by then is the last line
_WATCHED = """
import sys
from eus_etl.cli import main
try:
    main()
finally:
    print(" ".join(sys.modules))
"""


def imported_by(*arguments: str | Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("command", [[], ["run"], ["extract"], ["labels"], ["demo"]])
def test_help_imports_nothing_but_click(command: list[str]) -> None:
    modules = imported_by(*command, "--help")
    assert modules.isdisjoint(SLOW | IMAGES | {"polars", "numpy", "pydantic", "rich"})


def test_check_config_imports_no_tables() -> None:
    modules = imported_by("check-config", shipped("configs") / "eus_config.yaml")
    assert "pydantic" in modules
    assert modules.isdisjoint(SLOW | IMAGES | {"polars", "numpy", "rich"})


def test_labels_imports_no_images(tmp_path: Path) -> None:
    export, out = tmp_path / "items.json", tmp_path / "labels.csv"
    export.write_text(json.dumps([{"pk": ONE, "Start Liver 1": "00:00:12", "Stop Liver 1": "00:01:12"}]))
    modules = imported_by("labels", export, "--study", "fatty_liver", "--out", out)
    assert out.is_file()
    assert modules.isdisjoint(SLOW | IMAGES | {"numpy", "rich"})


def test_extract_leaves_images_to_the_processes_that_read_them(tmp_path: Path) -> None:
    modules = imported_by("extract", tmp_path / "none.mp4", "--out", tmp_path / "out", "--rate", "5")
    assert "eus_etl.commands.extract" in modules
    assert modules.isdisjoint(SLOW | IMAGES | {"numpy"})
