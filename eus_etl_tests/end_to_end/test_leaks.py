"""Nothing that names a person leaves its place: logs, events, output and tables hold ids only.

Uploaded names, which hold surnames, may stand in ``raw_data``, ``videos.csv``, ``rejected.csv``, the parts of
these, and the pipeline's own notes on files. Free text of doctors may stand nowhere at all.
"""

import json
import re
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from eus_etl.sample.plan import DOCTOR
from eus_etl.settings import CsvFileSource, JsonFileSource
from eus_etl_tests.support.hospitals.demo_run import Demo, DemoStudy, run_command
from eus_etl_tests.support.uploads import MAY_NAME_UPLOADS

_PIXELS = (".jpg", ".png")


@pytest.fixture(scope="module")
def names(demo: Demo) -> re.Pattern[str]:
    """Finds people: names and record numbers on screens and in sheets, and the doctor's name."""
    people: set[str] = {DOCTOR}
    for study in demo.studies.values():
        written = study.truth("text_boxes").filter("identity")["text"]
        shown = written.filter(written.str.contains("[A-Za-z]")).str.strip_prefix("ID ")
        people |= {*shown, *sheet(study)["Name"]}
    parts = {part for person in people for part in person.split()}
    assert len(parts) > 25
    return re.compile("|".join(rf"(?<![0-9.]){re.escape(part)}(?![0-9])" for part in parts))


@pytest.fixture(scope="module")
def free_texts(demo: Demo) -> re.Pattern[str]:
    """Finds what doctors typed: ``biopsy`` of the items, remarks of the sheet."""
    texts: set[str] = set()
    for study in demo.studies.values():
        items = json.loads(items_file(study).read_bytes())
        texts |= {item["biopsy"]["S"] for item in items if "biopsy" in item}
        texts |= set(sheet(study)["Remarks"].drop_nulls())
    assert len(texts) >= 4
    return re.compile("|".join(map(re.escape, texts)))


def test_the_page_and_its_logs_hold_no_names(
    demo: Demo, names: re.Pattern[str], free_texts: re.Pattern[str]
) -> None:
    home = demo.root / "dagster_home"
    files = [file for file in home.rglob("*") if file.is_file()]
    assert len([file for file in files if file.suffix == ".db"]) > 10
    for file in files:
        texts = database_texts(file) if file.suffix == ".db" else [text_of(file)]
        for text in texts:
            assert not names.search(text), file.name
            assert not free_texts.search(text), file.name


def test_the_page_knows_the_visits(demo: Demo) -> None:
    events = [*database_texts(demo.root / "dagster_home" / "history" / "runs" / "index.db")]
    for study in demo.studies.values():
        for patient in study.truth("visits")["patient_id"]:
            assert any(patient in text for text in events)


def test_the_output_of_commands_holds_no_names(demo: Demo, names: re.Pattern[str], tmp_path: Path) -> None:
    said = [demo.output]
    for study in demo.studies.values():
        labels = tmp_path / f"{study.name}.csv"
        for arguments in (
            ("status", "--config", study.config),
            ("labels", items_file(study), "--study", study.name, "--out", labels),
        ):
            done = run_command(*arguments)
            assert done.exit_code == 0, done.output
            said.append(done.output)
        said.append(labels.read_text())
    for text in said:
        assert not names.search(text)


def test_extracting_a_bad_file_names_it_by_the_path_that_was_given_and_by_nothing_else(
    demo: Demo, names: re.Pattern[str], tmp_path: Path
) -> None:
    study = demo.studies["eusml"]
    (bad,) = study.truth("files").filter(pl.col("bad_kind") == "unreadable")["file"]
    upload = demo.root / "incoming" / study.name / "videos" / bad
    assert names.search(str(upload))
    done = run_command("extract", upload, "--out", tmp_path / "out", "--rate", "all")
    assert done.exit_code == 1
    assert f"eus-etl: {upload}: " in done.output
    assert not names.search(done.output.replace(str(upload), ""))


def test_tables_and_state_hold_no_names_except_where_uploads_are_listed(
    demo_study: DemoStudy, names: re.Pattern[str]
) -> None:
    root = demo_study.study.root
    named = set()
    for file in root.rglob("*"):
        place = file.relative_to(root).as_posix()
        if names.search(place) or (file.is_file() and names.search(text_of(file))):
            named.add(place)
    stray = {place for place in named if not place.startswith(MAY_NAME_UPLOADS)}
    assert not stray
    # the search does find what is there
    assert "master-dataset/Data/videos.csv" in named


def test_free_text_is_nowhere_below_the_root(demo_study: DemoStudy, free_texts: re.Pattern[str]) -> None:
    assert free_texts.search(items_file(demo_study).read_text() + sheet(demo_study).write_csv())
    for file in demo_study.study.root.rglob("*"):
        assert not (file.is_file() and free_texts.search(text_of(file))), file.name


def items_file(study: DemoStudy) -> Path:
    """The items as the hospital exported them."""
    source = study.study.sources.label_items
    assert isinstance(source, JsonFileSource)
    return source.path


def sheet(study: DemoStudy) -> pl.DataFrame:
    """The sheet as the hospital keeps it."""
    source = study.study.sources.patient_rows
    assert isinstance(source, CsvFileSource)
    return pl.read_csv(source.path, infer_schema=False)


def text_of(file: Path) -> str:
    """What a file says, as text; nothing of pixels."""
    if file.suffix in _PIXELS:
        return ""
    if file.suffix == ".parquet":
        table = pl.read_parquet(file)
        return table.write_csv() + str(pl.read_parquet_metadata(file))
    return file.read_bytes().decode("utf-8", "replace")


def database_texts(file: Path) -> Iterator[str]:
    """Every value of every table of an SQLite database; compressed ones are unpacked."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - names of its own tables
                for value in row:
                    if isinstance(value, bytes):
                        yield _unpacked(value).decode("utf-8", "replace")
                    elif value is not None:
                        yield str(value)


def _unpacked(value: bytes) -> bytes:
    try:
        return zlib.decompress(value)
    except zlib.error:
        return value
