"""Rows that are read as one: whatever happened to the files, they are what reading each file gives."""

import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import LABELS
from eus_etl.errors import OutputLostError
from eus_etl.storage.files.marks import MarkedFile, marks_in
from eus_etl.storage.tables import gathered
from eus_etl.storage.tables.gathered import Gathered, gather
from eus_etl.storage.tables.table_files import scan_tables

VISITS = ["p1", "p2", "p3", "p4", "p5"]


def write(paths: StudyPaths, visit: str, occurrences: list[int]) -> Path:
    file = paths.part("labels", visit)
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"patient_id": visit, "label": "Station 1", "occurrence": number} for number in occurrences]
    aside = file.with_suffix(".new")
    LABELS.frame(rows).write_parquet(aside)
    aside.replace(file)
    return file


def read(paths: StudyPaths) -> Gathered:
    return gather(paths, "labels", marked(paths), LABELS)


def marked(paths: StudyPaths) -> list[MarkedFile]:
    folder = paths.parts("labels")
    names = marks_in(str(folder), ".parquet").items()
    return [MarkedFile(paths.relative(folder / name), *mark) for name, mark in names]


def one_by_one(paths: StudyPaths) -> pl.DataFrame:
    return scan_tables(sorted(paths.parts("labels").glob("*.parquet")), LABELS).collect()


@pytest.fixture
def paths(tmp_path: Path) -> StudyPaths:
    paths = StudyPaths(tmp_path)
    for number, visit in enumerate(VISITS):
        write(paths, visit, list(range(number)))
    return paths


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read one by one."""
    seen: list[Path] = []

    def told(files: list[Path], *arguments: object, **more: object) -> pl.LazyFrame:
        seen.extend(files)
        return scan_tables(files, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(gathered, "scan_tables", told)
    return seen


Edits = st.lists(
    st.lists(
        st.tuples(st.sampled_from(VISITS), st.none() | st.lists(st.integers(0, 9), max_size=3)), max_size=4
    ),
    max_size=4,
)


@settings(max_examples=30)
@given(edits=Edits)
def test_any_edits_give_what_reading_each_file_gives(
    tmp_path_factory: pytest.TempPathFactory, edits: list[list[tuple[str, list[int] | None]]]
) -> None:
    paths = StudyPaths(tmp_path_factory.mktemp("root"))
    for visit in VISITS:
        write(paths, visit, [1])
    read(paths)
    for edit in edits:
        for visit, occurrences in edit:
            if occurrences is None:
                paths.part("labels", visit).unlink(missing_ok=True)
            else:
                write(paths, visit, occurrences)
        found, expected = read(paths), one_by_one(paths)
        assert found.scan().collect().equals(expected)
        for chosen in (VISITS[1:4], VISITS[::2], VISITS[-1:]):
            of_chosen = expected.filter(pl.col("patient_id").is_in(chosen))
            assert found.load(chosen, LABELS.names).equals(of_chosen)


def test_only_what_changed_is_opened(paths: StudyPaths, opened: list[Path]) -> None:
    read(paths)
    opened.clear()
    read(paths)
    assert opened == []
    changed = write(paths, "p3", [7])
    assert read(paths).load(["p3"], ["occurrence"])["occurrence"].to_list() == [7]
    assert set(opened) == {changed}


def test_scattered_changes_are_read_in_one_go(
    paths: StudyPaths, opened: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathered, "MANY_RUNS", 2)
    read(paths)
    for visit in ("p1", "p3", "p5"):
        write(paths, visit, [7])
    assert read(paths).scan().collect().equals(one_by_one(paths))


@pytest.mark.parametrize("ending", [".parquet", ".json"])
@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        lambda file: os.truncate(file, 0),
        lambda file: os.truncate(file, file.stat().st_size - 3),
        lambda file: file.write_bytes(flipped(file.read_bytes())),
    ],
)
def test_what_is_kept_may_be_lost(paths: StudyPaths, ending: str, damage: Callable[[Path], object]) -> None:
    read(paths)
    damage(paths.gathered("labels").with_suffix(ending))
    assert read(paths).scan().collect().equals(one_by_one(paths))


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_other_columns_are_read_again(paths: StudyPaths) -> None:
    read(paths)
    fewer = type(LABELS)(LABELS.name, LABELS.row, LABELS.columns[:3])
    assert gather(paths, "labels", marked(paths), fewer).scan().collect().columns == fewer.names


def test_large_files_are_read_one_by_one(paths: StudyPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathered, "SMALL_BYTES", 10)
    found = read(paths)
    assert not paths.gathered("labels").exists()
    assert found.scan().collect().equals(one_by_one(paths))
    assert found.load(["p2", "p4"], LABELS.names)["patient_id"].to_list() == ["p2", "p4", "p4", "p4"]


def test_a_file_that_cannot_be_read_is_named_and_counts_as_missing(paths: StudyPaths) -> None:
    read(paths)
    damaged = paths.part("labels", "p4")
    os.truncate(damaged, 40)
    with pytest.raises(OutputLostError, match=r"labels/p4.parquet"):
        read(paths)
    assert not damaged.exists()
