import json
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import ForeignRootError, RootFormatError
from eus_etl.storage import root_owner
from eus_etl.storage.files.atomic import write_first
from eus_etl.storage.root_owner import FORMAT, claim_root, upgrade_root


def test_empty_root_becomes_ours_and_stays(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path / "root")
    claim_root(paths, "eusml")
    claim_root(paths, "eusml")
    assert paths.owner_file.is_file()


@pytest.mark.parametrize(
    "foreign",
    ["master-dataset/Data/labels.csv", "master-dataset/Frames/p1.csv", "raw_data/p1/a.mp4", "releases/1/x"],
)
def test_foreign_data_stops_and_is_left_as_it_is(tmp_path: Path, foreign: str) -> None:
    paths = StudyPaths(tmp_path)
    file = tmp_path / foreign
    file.parent.mkdir(parents=True)
    file.write_bytes(b"theirs")
    with pytest.raises(ForeignRootError, match=r"empty folder as root.*`eus-etl adopt`") as refused:
        claim_root(paths, "eusml")
    # what lies there may bear an uploaded name
    assert "p1" not in str(refused.value)
    assert file.read_bytes() == b"theirs"
    assert not paths.owner_file.exists()


def test_hand_written_corrections_are_not_foreign(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path)
    paths.data.mkdir(parents=True)
    paths.sync_csv.write_text("patient_id,offset_s\n")
    claim_root(paths, "eusml")


def test_root_of_another_study_is_refused(tmp_path: Path) -> None:
    claim_root(StudyPaths(tmp_path), "eusml")
    with pytest.raises(ForeignRootError, match="eusml"):
        claim_root(StudyPaths(tmp_path), "fatty_liver")


def test_of_several_that_find_a_root_free_at_once_one_study_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody's mark is replaced: each process watches the file that it found or wrote."""
    paths, all_found_it_free = StudyPaths(tmp_path / "root"), threading.Barrier(6)
    marks: list[os.stat_result] = []

    def write(path: Path, data: bytes) -> bool:
        all_found_it_free.wait(10)
        return write_first(path, data)

    def claim(study: str) -> str | None:
        try:
            claim_root(paths, study)
        except ForeignRootError:
            return None
        marks.append(paths.owner_file.stat())
        return study

    monkeypatch.setattr(root_owner, "write_first", write)
    with ThreadPoolExecutor(6) as threads:
        claimed = Counter(threads.map(claim, ["eusml", "fatty_liver"] * 3))
    assert claimed in (Counter({"eusml": 3, None: 3}), Counter({"fatty_liver": 3, None: 3}))
    assert len({mark.st_ino for mark in marks}) == 1
    assert list(paths.owner_file.parent.glob(".*.partial")) == []


@pytest.mark.parametrize("earlier", range(1, FORMAT))
def test_a_root_of_an_earlier_version_is_refused_until_it_is_upgraded(tmp_path: Path, earlier: int) -> None:
    paths = StudyPaths(tmp_path)
    claim_root(paths, "eusml")
    written = paths.owner_file.read_bytes()
    paths.owner_file.write_text(json.dumps({"study": "eusml", "format": earlier}))
    with pytest.raises(RootFormatError, match=f"format {earlier}.*`eus-etl upgrade"):
        claim_root(paths, "eusml")
    with pytest.raises(ForeignRootError, match="belongs to study 'eusml'"):
        upgrade_root(paths, "fatty_liver")
    upgrade_root(paths, "eusml")
    assert paths.owner_file.read_bytes() == written
    claim_root(paths, "eusml")


@pytest.mark.parametrize("later", [FORMAT + 1, None, "1", 0])
def test_a_root_of_a_later_version_is_refused(tmp_path: Path, later: object) -> None:
    paths = StudyPaths(tmp_path)
    claim_root(paths, "eusml")
    mark = json.dumps({"study": "eusml", "format": later})
    paths.owner_file.write_text(mark)
    for attempt in (claim_root, upgrade_root):
        with pytest.raises(RootFormatError, match="use the version of this package that wrote it"):
            attempt(paths, "eusml")
    assert paths.owner_file.read_text() == mark


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "._labels.csv", "desktop.ini"])
def test_what_computers_leave_does_not_make_a_root_foreign(tmp_path: Path, name: str) -> None:
    paths = StudyPaths(tmp_path)
    paths.data.mkdir(parents=True)
    (paths.data / name).write_bytes(b"theirs")
    claim_root(paths, "eusml")
    assert (paths.data / name).read_bytes() == b"theirs"
