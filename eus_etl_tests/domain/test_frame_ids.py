import io
import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.frame_ids import frame_stem, frame_stems, hash_id, is_bare_video_id, video_id_of
from eus_etl.domain.tables import catalog
from eus_etl.domain.tables.schema import TEXT, Column, Table

NUMBERS = ["012345678901", "123456e78901", "0e0000000000", "1e9999999999", "000000000000"]
"""Hex digits that a CSV reader takes for a number, and gives back as another text or as infinity."""
TABLES = [value for value in vars(catalog).values() if isinstance(value, Table)]


def test_spellings_of_the_data_contract() -> None:
    assert frame_stem(0, 0) == "000000000000"
    assert frame_stem(48600, 0) == "000000048600"
    assert frame_stem(48600, 2) == "000000048600-2"
    assert frame_stem(-33, 0) == "m000000000033"
    assert frame_stem(-33, 1) == "m000000000033-1"
    assert frame_stem(1234567890123456, 0) == "1234567890123456"


@given(st.lists(st.tuples(st.integers(-(2**62), 2**62), st.integers(0, 99)), min_size=1, max_size=30))
def test_columns_agree_with_single_stems_and_distinct_frames_have_distinct_stems(
    frames: list[tuple[int, int]],
) -> None:
    table = pl.DataFrame(frames, schema={"pts": pl.Int64, "repeat": pl.Int64}, orient="row")
    stems = table.select(frame_stems(pl.col("pts"), pl.col("repeat"))).to_series().to_list()
    assert stems == [frame_stem(pts, repeat) for pts, repeat in frames]
    assert len(set(stems)) == len(set(frames))


@pytest.mark.parametrize("digits", NUMBERS)
def test_an_id_is_read_back_from_a_csv_as_the_text_that_it_is(digits: str) -> None:
    video_id = video_id_of(digits + "0" * 20)
    ids = {
        "video_id": video_id,
        "frame_id": f"{video_id}/{frame_stem(0, 0)}",
        "layout_id": f"{video_id}-0",
        "dhash": hash_id(digits),
    }
    text = pl.DataFrame([ids]).write_csv()
    assert pl.read_csv(io.StringIO(text)).to_dicts() == [ids]
    assert all(not looks_like_a_number(cell) for cell in ids.values())
    assert looks_like_a_number(digits)


def looks_like_a_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def of_digits(column: Column) -> bool:
    return column.dtype == TEXT and ("hex" in column.meaning or "hash" in column.meaning)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_no_column_holds_bare_digits_but_whole_checksums(table: Table) -> None:
    # whole checksums are compared with those of other programs; one in a million is a number
    whole = {"md5", "sha256", "subject_id"}
    bare = {column.name for column in table.columns if of_digits(column)} - whole
    meant = {column.name: column.meaning for column in table.columns}
    assert all(re.search(r"\b[a-z] and\b", meant[name]) for name in bare - {"signature"})


def test_a_bare_video_id_is_told_from_all_else() -> None:
    assert all(is_bare_video_id(digits) for digits in NUMBERS)
    others = ["", "v012345678901", "01234567890", "0123456789012", "1.23e+11", "ABCDEF012345", "a first part"]
    assert not any(is_bare_video_id(text) for text in others)
