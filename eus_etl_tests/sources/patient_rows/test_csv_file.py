"""Patient rows in CSV files: headers, blank rows, encodings, and columns that must not be kept."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.errors import SourceError, SourceUnavailableError
from eus_etl.sources.patient_rows.base import PatientRow, PatientRowSource, RowScan, select_rows
from eus_etl.sources.patient_rows.csv_file import CsvRows

Read = Callable[[str | bytes], RowScan]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def write_and_read(content: str | bytes) -> RowScan:
        path = tmp_path / "Quillfeather.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        source: PatientRowSource = CsvRows(path, "Patient", ["CAP score", "Stiffness"])
        return source.read()

    return write_and_read


def test_columns_are_found_by_their_headers(read: Read) -> None:
    found = read("Name,Stiffness, CAP   score ,Patient\nQuillfeather, 5.5 ,310,Coming-Ola-52\n")
    assert found.rows == (PatientRow("Coming-Ola-52", {"CAP score": "310", "Stiffness": "5.5"}, 2),)
    assert found.headers == ("Name", "Stiffness", "CAP score", "Patient")
    assert "Quillfeather" not in repr(found)


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_byte_order_mark_and_line_ends(read: Read, prefix: bytes, newline: str) -> None:
    text = newline.join(["Patient,CAP score,Stiffness", "Größe-1,310,5", ""])
    assert read(prefix + text.encode()).rows == (
        PatientRow("Größe-1", {"CAP score": "310", "Stiffness": "5"}, 2),
    )


def test_blank_short_and_long_rows(read: Read) -> None:
    found = read(
        'Patient,CAP score,Stiffness,Name\n\n,,,\na,310\nb,,6,x,,,\n ,, ,Quillfeather\n,300,,\n"c\nd",1,2,\n'
    )
    assert [(row.key, tuple(row.cells.values()), row.number) for row in found.rows] == [
        ("a", ("310", ""), 4),
        ("b", ("", "6"), 5),
        ("", ("300", ""), 7),
        ("c\nd", ("1", "2"), 8),
    ]


def test_a_row_with_more_cells_than_headers_is_refused(read: Read) -> None:
    found = read("Patient,CAP score,Stiffness\nQuiet-Otter-10,310,5,5\nb,300,6\n")
    assert [row.key for row in found.rows] == ["b"]
    assert found.surplus == (2,)


def test_a_sheet_as_excel_saves_it(read: Read) -> None:
    text = "Patient;CAP score;Stiffness\r\nGröße-1;310;5,5\r\n"
    for encoding in ("utf-8-sig", "utf-16"):
        assert read(text.encode(encoding)).rows == (
            PatientRow("Größe-1", {"CAP score": "310", "Stiffness": "5,5"}, 2),
        )


def test_a_sheet_without_rows(read: Read) -> None:
    assert read("Patient,CAP score,Stiffness\n").rows == ()


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (
            "Patient,Stiffness,Name\na,5,x\n",
            "0 columns 'CAP score' among its 3",
        ),
        ("Patient,CAP score,Stiffness,CAP  score\na,1,2,3\n", "2 columns 'CAP score'"),
        (
            "Quillfeather;1;2\n",
            "the first row holds none of the headers 'CAP score', 'Patient', 'Stiffness'",
        ),
        ("", "0 columns 'Patient' among its 0"),
        ("Patient,CAP score,Stiffness\nGröße,1,2\n".encode("cp1252"), "not UTF-8"),
        ('Patient,CAP score,Stiffness\na,"1,2\nb,3,4\n', "not valid CSV"),
        ("Patient,CAP score,Stiffness\na," + "9" * 200_000 + ",2\n", "not valid CSV"),
    ],
)
def test_what_is_not_the_sheet_is_an_error(read: Read, content: str | bytes, cause: str) -> None:
    with pytest.raises(SourceError) as caught:
        read(content)
    assert cause in str(caught.value)
    assert caught.value.subject == "sources.patient_rows"
    assert "Quillfeather" not in str(caught.value)


def test_a_file_that_is_not_there_may_come_back(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailableError, match="No such file") as caught:
        CsvRows(tmp_path / "Quillfeather.csv", "Patient", []).read()
    assert "Quillfeather" not in str(caught.value)


cell = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6)


@given(st.lists(st.tuples(cell, cell, cell), max_size=8))
def test_cells_read_back_whatever_they_hold(rows: list[tuple[str, str, str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("Stiffness", "other", "Patient"), *rows])
    text.seek(0)
    found = select_rows(csv.reader(text, strict=True), "Patient", ["Stiffness"])
    assert [(row.key, row.cells["Stiffness"]) for row in found.rows] == [
        (key.strip(), value.strip()) for value, _, key in rows if key.strip() or value.strip()
    ]
