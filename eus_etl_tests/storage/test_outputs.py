import os
from pathlib import Path

import pytest

from eus_etl.domain.paths import StudyPaths
from eus_etl.storage.outputs import count_files, describe, lost, not_made

TABLE = "master-dataset/Data/labels.csv"
IMAGES = "master-dataset/Frames/p/v"
COPIES = "raw_data/p"


@pytest.fixture
def paths(tmp_path: Path) -> StudyPaths:
    for name in (TABLE, f"{IMAGES}/1.jpg", f"{IMAGES}/2.jpg", f"{COPIES}/Jane Doe.mp4", f"{COPIES}/2.mp4"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("something")
    return StudyPaths(tmp_path)


@pytest.fixture
def whole(paths: StudyPaths) -> list[Path]:
    return [paths.root / name for name in (TABLE, IMAGES, COPIES)]


def test_what_nobody_touched_is_there(paths: StudyPaths, whole: list[Path]) -> None:
    assert lost(paths, describe(paths, whole)) is None


@pytest.mark.parametrize(
    ("damaged", "named"),
    [(TABLE, TABLE), (f"{IMAGES}/1.jpg", IMAGES), (f"{COPIES}/Jane Doe.mp4", COPIES)],
)
def test_a_lost_file_is_named_but_an_uploaded_name_is_not(
    paths: StudyPaths, whole: list[Path], damaged: str, named: str
) -> None:
    traces = describe(paths, whole)
    (paths.root / damaged).unlink()
    assert lost(paths, traces) == named
    assert "Jane" not in str(traces)


@pytest.mark.parametrize("damaged", [TABLE, f"{COPIES}/2.mp4"])
def test_a_file_that_was_cut_is_changed(paths: StudyPaths, whole: list[Path], damaged: str) -> None:
    traces = describe(paths, whole)
    os.truncate(paths.root / damaged, 3)
    assert lost(paths, traces) is not None


def test_another_time_alone_is_no_loss(paths: StudyPaths, whole: list[Path]) -> None:
    traces = describe(paths, whole)
    for path in (*whole, *(paths.root / IMAGES).iterdir()):
        os.utime(path, (1, 1))
    assert lost(paths, traces) is None


def test_what_computers_leave_in_folders_is_no_change(paths: StudyPaths, whole: list[Path]) -> None:
    traces = describe(paths, whole)
    for folder in (IMAGES, COPIES):
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._1.jpg"):
            (paths.root / folder / name).write_text("clutter")
    assert lost(paths, traces) is None
    assert count_files(paths.root / IMAGES) == 2


def test_a_folder_in_the_place_of_a_file_is_a_loss_and_the_reverse(
    paths: StudyPaths, whole: list[Path]
) -> None:
    traces = describe(paths, whole)
    (paths.root / TABLE).unlink()
    (paths.root / TABLE).mkdir()
    assert lost(paths, traces) == TABLE
    assert lost(paths, describe(paths, whole)) is None


def test_what_could_not_be_made_is_told_from_what_was_lost(paths: StudyPaths) -> None:
    picture = paths.timeline_picture("p")
    traces = describe(paths, [paths.root / TABLE, picture])
    assert not_made(traces) == paths.relative(picture)
    assert lost(paths, traces) is None
