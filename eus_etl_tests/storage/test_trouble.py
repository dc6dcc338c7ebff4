"""Errors of the system, of databases and of libraries are told without their messages."""

import errno
import sqlite3
from pathlib import Path

import polars as pl
import pytest

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import ConfigError, DatabaseError, MachineError, UnexpectedError
from eus_etl.storage.tables.csv_cells import read_cells
from eus_etl.storage.trouble import told

ROOT, HOME = Path("/data/eusml"), Path("/data/home")
PATHS = StudyPaths(ROOT)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (PATHS.ledger("p1"), " at .eus_etl/ledger/p1.json."),
        (PATHS.raw_folder("p1") / "Jane Doe" / "Jane Doe.mp4", " at raw_data/p1."),
        (ROOT, " at the root."),
        (HOME / "history" / "runs.db", " at history/runs.db in the Dagster home."),
        (Path("/incoming/Jane Doe.mp4"), "."),
        (Path("/given/Jane Doe.mp4"), " at /given/Jane Doe.mp4."),
    ],
)
def test_a_refusal_of_the_system_names_its_place_and_what_to_do(path: Path, shown: str) -> None:
    error = PermissionError(errno.EACCES, "Permission denied", str(path))
    found = told(error, "frames of p1", PATHS, HOME, given=[Path("/given/Jane Doe.mp4")])
    assert isinstance(found, MachineError)
    assert str(found).startswith(f"frames of p1: Permission denied (PermissionError){shown} What to do")
    assert "look at its owner, its mode and `lsattr`" in str(found)
    assert ("Jane" in str(found)) == ("given" in str(path))


def test_a_database_says_only_what_databases_say(tmp_path: Path) -> None:
    file = tmp_path / "Jane Doe.db"
    file.write_bytes(b"no database at all, though it is long enough to be taken for one" * 20)
    with pytest.raises(sqlite3.Error) as raised:
        sqlite3.connect(file).execute("SELECT * FROM sqlite_master")
    found = told(raised.value, "run")
    assert isinstance(found, DatabaseError)
    assert "a database cannot be used (file is not a database)" in str(found)
    with pytest.raises(sqlite3.Error) as raised:
        sqlite3.connect(":memory:").execute("SELECT 'Jane Doe' FROM jane_doe WHERE (")
    assert "jane" not in str(told(raised.value, "run")).casefold()


def test_what_nobody_foresaw_is_told_by_its_kind_and_place() -> None:
    with pytest.raises(pl.exceptions.PolarsError) as raised:
        pl.read_csv(b"age\n1\nJane Doe\n", schema={"age": pl.Int64})
    found = told(raised.value, "labels of p1")
    assert isinstance(found, UnexpectedError)
    assert str(found).startswith("labels of p1: ComputeError outside of this package.")
    assert found.__cause__ is found.__context__ is None
    with pytest.raises(AttributeError) as inside:
        read_cells(None, [])  # type: ignore[arg-type]
    assert "AttributeError in storage/tables/csv_cells.py:" in str(told(inside.value, "x"))


def test_ours_stay_as_they_are() -> None:
    error = ConfigError("root", "there is no such folder", "name one")
    assert told(error, "run") is error
