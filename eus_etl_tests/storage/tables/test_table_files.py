import datetime
import math
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.tables.catalog import SYNC
from eus_etl.domain.tables.schema import Column, Table
from eus_etl.errors import ConfigError
from eus_etl.storage.tables.csv_cells import read_cells
from eus_etl.storage.tables.table_files import plain_text, read_correction, write_csv

ROWS = Table(
    "rows",
    "a row",
    (
        Column("text", pl.String(), "text"),
        Column("number", pl.Float64(), "number"),
        Column("flag", pl.Boolean(), "flag"),
        Column("day", pl.Date(), "day"),
    ),
)


@given(
    st.lists(
        st.tuples(
            st.none() | st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
            st.none() | st.booleans(),
            st.none() | st.dates(datetime.date(1900, 1, 1)),
        )
    )
)
def test_csv_reads_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[object, ...]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    frame = pl.DataFrame(rows, ROWS.schema, orient="row")
    write_csv(frame, path)
    back = pl.read_csv(path, schema=ROWS.schema, encoding="utf8")
    text = pl.Series("text", [cell if cell is None else plain_text(cell) for cell in back["text"]], pl.String)
    assert back.with_columns(text).to_dicts() == frame.to_dicts()


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1+1", "'+1+1"),
        ("-x", "'-x"),
        ("@x", "'@x"),
        ("'=x", "''=x"),
        ("'x", "'x"),
        ("x=1", "x=1"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(tmp_path: Path, text: str, cell: str) -> None:
    path = tmp_path / "rows.csv"
    write_csv(pl.DataFrame([(text, -1.5, None, None)], ROWS.schema, orient="row"), path)
    (row,) = read_cells(path.read_bytes(), ROWS.names).rows.values()
    assert row == [cell, "-1.5", "", ""]
    assert plain_text(cell) == text


def test_a_cell_that_was_copied_from_a_csv_of_ours_is_read_as_meant(tmp_path: Path) -> None:
    (tmp_path / "sync.csv").write_text("patient_id,offset_s\n'-Odd-Alias,'-2.5\n")
    written = read_correction(tmp_path / "sync.csv", SYNC)
    assert written is not None
    assert (written.rows[2]["patient_id"], written.rows[2]["offset_s"]) == ("-Odd-Alias", "-2.5")


def test_csv_follows_the_contract(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        [('say "a, b"', 1 / 3, True, datetime.date(2026, 10, 5)), (None, None, None, None)],
        ROWS.schema,
        orient="row",
    )
    write_csv(frame, tmp_path / "rows.csv")
    text = (tmp_path / "rows.csv").read_bytes().decode()
    assert text == 'text,number,flag,day\n"say ""a, b""",0.3333333333333333,true,2026-10-05\n,,,\n'
    assert math.isclose(float("0.3333333333333333"), 1 / 3, rel_tol=0)


def test_correction_with_fewer_columns_is_filled_with_nulls(tmp_path: Path) -> None:
    (tmp_path / "sync.csv").write_text("patient_id,offset_s\n p1 ,2.5\n")
    written = read_correction(tmp_path / "sync.csv", SYNC)
    assert written is not None
    row = written.rows[2]
    assert (row["patient_id"], row["offset_s"], row["scale"]) == ("p1", "2.5", None)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("patient_id,ZQofset\np1,2\n", "the headers of columns 2 are unknown"),
        ("ZQJane,2\n", "the headers of columns 1, 2 are unknown"),
        ("patient_id,offset_s,offset_s\np1,1,2\n", "several columns offset_s"),
        ('patient_id,offset_s\na,1\n"ZQQUOTE Jane,1\nx,2', "line 3 is not valid CSV"),
    ],
)
def test_a_wrong_correction_is_named_by_line_and_column_alone(tmp_path: Path, text: str, cause: str) -> None:
    (tmp_path / "sync.csv").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_correction(tmp_path / "sync.csv", SYNC)
    assert str(caught.value).startswith("sync.csv: ")
    assert cause in str(caught.value)
    assert "ZQ" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "\n\n", " , \n"])
def test_a_blank_correction_is_told_from_one_that_has_headers_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sync.csv"
    assert read_correction(path, SYNC) is None
    path.write_text(text)
    assert read_correction(path, SYNC) is None
    path.write_text("patient_id,offset_s\n")
    written = read_correction(path, SYNC)
    assert written is not None
    assert not written.rows
