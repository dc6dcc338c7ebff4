import os
import shutil
from pathlib import Path

import pytest

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import SnapshotLostError
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.source_snapshots import Inventory


def test_what_was_stored_is_found_by_another_reader(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path)
    held: dict[str, dict[str, object]] = {"p1": {"a": 1}, "p2": {"name": "\udcff"}}
    Inventory(paths, "label_items").store(held, {"p1": "v1", "p2": "v2"})
    found = Inventory(paths, "label_items")
    assert found.versions == {"p1": "v1", "p2": "v2"}
    assert found.load("p1") == {"a": 1}
    assert found.load("p2") == {"name": "\udcff"}
    assert found.load("p3") is None
    assert Inventory(paths, "patient_rows").versions == {}


def test_an_unchanged_observation_writes_nothing(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path)
    inventory = Inventory(paths, "label_items")
    inventory.store({"p1": {"a": 1}}, {"p1": "v1"})
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    mark = inventory.mark()
    Inventory(paths, "label_items").store({"p1": {"a": 1}}, {"p1": "v1"})
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert Inventory(paths, "label_items").mark() == mark


def test_only_what_changed_is_written_and_what_vanished_goes(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path)
    first = Inventory(paths, "label_items")
    first.store({"p1": {"a": 1}, "p2": {"a": 2}}, {"p1": "v1", "p2": "v2"})
    mark = first.mark()
    (snapshot,) = (paths.inventory / "label_items").glob("p2-*")
    before = snapshot.stat().st_mtime_ns
    first.store({"p2": {"a": 2}, "p3": {"a": 3}}, {"p2": "v2", "p3": "v3"})
    found = Inventory(paths, "label_items")
    assert found.mark() != mark
    assert found.load("p1") is None
    assert found.load("p3") == {"a": 3}
    assert snapshot.stat().st_mtime_ns == before
    assert not list((paths.inventory / "label_items").glob("p1*"))


def test_killed_before_the_index_it_holds_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = StudyPaths(tmp_path)
    Inventory(paths, "label_items").store({"p1": {"a": "old"}}, {"p1": "v1"})

    def killed(path: Path, data: bytes) -> None:
        if path.name == "versions.json":
            raise KeyboardInterrupt
        write_atomically(path, data)

    with monkeypatch.context() as patch:
        patch.setattr("eus_etl.storage.source_snapshots.write_atomically", killed)
        with pytest.raises(KeyboardInterrupt):
            Inventory(paths, "label_items").store({"p1": {"a": "new"}}, {"p1": "v2"})
    found = Inventory(paths, "label_items")
    assert (found.versions, found.load("p1")) == ({"p1": "v1"}, {"a": "old"})


HELD: dict[str, dict[str, object]] = {"p1": {"a": 1}, "p2": {"a": 2}}
VERSIONS = {"p1": "v1", "p2": "v2"}


@pytest.fixture
def stored(tmp_path: Path) -> StudyPaths:
    paths = StudyPaths(tmp_path)
    Inventory(paths, "label_items").store(HELD, VERSIONS)
    return paths


def damage(file: Path, how: str) -> None:
    match how:
        case "deleted":
            file.unlink()
        case "cut":
            os.truncate(file, 30)
        case "turned":
            data = bytearray(file.read_bytes())
            data[-3] ^= 1
            file.write_bytes(data)


@pytest.mark.parametrize("how", ["deleted", "cut", "turned"])
def test_a_lost_snapshot_is_an_error_for_its_visit_alone_and_is_written_again(
    stored: StudyPaths, how: str
) -> None:
    damage(stored.inventory / "label_items" / "p1-v1.json", how)
    found = Inventory(stored, "label_items")
    for look in (found.load, found.require):
        with pytest.raises(SnapshotLostError, match=r"p1: what label_items had"):
            look("p1")
    assert not found.is_whole
    assert found.load("p2") == {"a": 2}
    found.store(HELD, VERSIONS)
    again = Inventory(stored, "label_items")
    assert again.load("p1") == {"a": 1}
    assert again.is_whole


@pytest.mark.parametrize("how", ["deleted", "cut", "turned"])
def test_a_lost_index_is_told_by_the_snapshots_and_is_written_again(stored: StudyPaths, how: str) -> None:
    index = stored.inventory / "label_items" / "versions.json"
    damage(index, how)
    found = Inventory(stored, "label_items")
    assert found.versions == VERSIONS
    assert found.load("p1") == {"a": 1}
    assert not found.is_whole
    with pytest.raises(SnapshotLostError, match="p3"):
        found.require("p3")  # nobody can tell
    found.store(HELD, VERSIONS)
    assert Inventory(stored, "label_items").is_whole
    Inventory(stored, "label_items").require("p3")


def test_when_all_is_lost_nobody_can_tell(stored: StudyPaths) -> None:
    shutil.rmtree(stored.inventory)
    with pytest.raises(SnapshotLostError):
        Inventory(stored, "label_items").require("p1")
