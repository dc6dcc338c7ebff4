"""What nothing refers to is found, exactly; raw data is never deleted."""

import os
import time
from pathlib import Path

import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE, TinyHospital
from eus_etl.commands.upkeep.orphans import find_orphans
from eus_etl_tests.support.commands import call
from eus_etl_tests.support.hospitals.demo_run import DemoStudy

LATER = 2 * 24 * 3600.0
ORPHANS = (
    f"master-dataset/Frames/{ONE}/v000000000000/000000000001.jpg",
    "master-dataset/Frames/33333333-aaaa-4aaa-8aaa-000000000003.csv",
    "master-dataset/Preprocessed/removed_recipe/x/y/000000000001.png",
    "master-dataset/Data/parts/labels/33333333-aaaa-4aaa-8aaa-000000000003.parquet",
    "master-dataset/Data/parts/labels/.half.parquet.12-34.partial",
    f"master-dataset/Data/pictures/layouts/{ONE}/v000000000000-0.png",
    f".eus_etl/extracted/{ONE}/v000000000000/manifest.json",
    f".eus_etl/preprocessed/removed_recipe/{ONE}/v000000000000.json",
    ".eus_etl/raw/33333333-aaaa-4aaa-8aaa-000000000003.json",
)
RAW = f"raw_data/{ONE}/Kropatschek.mp4"


def add(root: Path, *files: str) -> None:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"x")


def age(root: Path) -> None:
    """Let everything be two days old."""
    then = time.time() - LATER
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def test_a_finished_study_has_none(demo_study: DemoStudy) -> None:
    assert find_orphans(demo_study.paths, time.time() + LATER) == []


def test_exactly_the_orphans_are_listed_and_deleted(made_hospital: TinyHospital) -> None:
    root = made_hospital.paths.root
    before = sorted(path for path in root.rglob("*"))
    add(root, *ORPHANS, RAW, "master-dataset/Frames/.DS_Store", f"raw_data/{ONE}/.later.mp4.part")
    kept = call("gc", "--config", made_hospital.config, "--dry-run")
    assert "0 files that nothing refers to" in kept.output, "they are not a day old"
    age(root)
    listed = call("gc", "--config", made_hospital.config, "--dry-run")
    assert listed.exit_code == 0, listed.output
    assert sorted(ORPHANS) == listed.output.splitlines()[: len(ORPHANS)]
    assert f"raw_data/{ONE}: 1 files" in listed.output
    assert "Kropatschek" not in listed.output
    assert all((root / file).exists() for file in (*ORPHANS, RAW))
    assert f"{len(ORPHANS)} files deleted" in call("gc", "--config", made_hospital.config).output
    (root / RAW).unlink()
    (root / f"raw_data/{ONE}/.later.mp4.part").unlink()
    (root / "master-dataset/Frames/.DS_Store").unlink()
    assert sorted(path for path in root.rglob("*")) == before


def test_an_image_that_no_row_lists_is_one(made_hospital: TinyHospital) -> None:
    folder = next(made_hospital.paths.frames_of_patient(ONE).iterdir())
    (folder / "999999999999.jpg").write_bytes(b"x")
    found = find_orphans(made_hospital.paths, time.time() + LATER)
    assert found == [folder / "999999999999.jpg"]


def test_nothing_is_listed_while_a_table_cannot_be_read(made_hospital: TinyHospital) -> None:
    made_hospital.paths.part("preprocess_metadata", ONE).write_bytes(b"rubbish")
    age(made_hospital.paths.root)
    result = call("gc", "--config", made_hospital.config)
    assert result.exit_code == 1
    assert "What to do: run again" in result.output
    assert any(made_hospital.paths.frames_of_patient(ONE).iterdir())


@pytest.mark.parametrize("target", ["/etc/hostname", "nowhere"])
def test_a_link_is_deleted_and_not_what_it_points_to(made_hospital: TinyHospital, target: str) -> None:
    link = made_hospital.paths.all_parts / "labels" / "link.parquet"
    link.symlink_to(target)
    os.utime(link, (1, 1), follow_symlinks=False)
    call("gc", "--config", made_hospital.config)
    assert not link.is_symlink()
