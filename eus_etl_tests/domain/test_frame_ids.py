import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.frame_ids import frame_stem, frame_stems


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
