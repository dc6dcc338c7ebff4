"""CSV files as people and their programs write them."""

import pytest

from eus_etl.storage.tables.csv_cells import read_cells

HEADERS = ["Patient", "CAP score"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("said", [False, True])
def test_separators_and_encodings_are_found(separator: str, encoding: str, said: bool) -> None:
    lines = [separator.join(["Patient", " CAP  score "]), separator.join(['"Größe, 1; 2"', "310"])]
    if said:
        lines.insert(0, f"sep={separator}")
    found = read_cells("\r\n".join(lines).encode(encoding), HEADERS)
    assert found.header == ("Patient", " CAP  score ")
    assert found.rows == {2: ["Größe, 1; 2", "310"]}
    assert found.surplus == frozenset()


def test_rows_with_more_cells_than_headers_are_told() -> None:
    found = read_cells(b"Patient,CAP score\na,1\nb,3,5\nc,1,,\n", HEADERS)
    assert found.surplus == {3}


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        ("Patient,CAP score\na,1\nZQGröße,2\n".encode("cp1252"), "line 3 is not UTF-8"),
        ("Patient,CAP score\nZQ,2\n".encode("utf-16-le"), "zero bytes"),
        (b'Patient,CAP score\n"ZQ\nJane,1\n', "line 2 is not valid CSV"),
        (b'Patient,CAP score\na,1\n"ZQ"x,1\n', "line 3 is not valid CSV"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line(raw: bytes, cause: str) -> None:
    with pytest.raises(ValueError, match="line") as caught:
        read_cells(raw, HEADERS)
    assert cause in str(caught.value)
    assert "ZQ" not in str(caught.value)
