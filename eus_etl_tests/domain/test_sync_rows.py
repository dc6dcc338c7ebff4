"""Which rows of ``sync.csv`` can be used."""

import polars as pl
import pytest

from eus_etl.domain.sync_rows import doubted_videos, of_known_videos, sync_row, without_conflicts
from eus_etl.domain.tables.catalog import SYNC
from eus_etl.domain.tables.rejection import Rejection


def cells(offset_s: str | None, scale: str | None = None) -> dict[str, str | None]:
    return dict.fromkeys(SYNC.names) | {"patient_id": "p", "offset_s": offset_s, "scale": scale}


def sync(*video_ids: str | None) -> pl.DataFrame:
    return SYNC.frame({"patient_id": "p", "video_id": video, "offset_s": 1.0} for video in video_ids)


@pytest.mark.parametrize(
    ("offset_s", "scale"), [("1", None), ("-604800", "0.1"), ("0", "10"), ("1.5e1", "1")]
)
def test_what_can_be_meant_is_used(offset_s: str, scale: str | None) -> None:
    row = sync_row(2, cells(offset_s, scale))
    assert not isinstance(row, Rejection)
    assert row["offset_s"] == float(offset_s)
    assert row["scale"] == (None if scale is None else float(scale))


@pytest.mark.parametrize("bad", ["nan", "inf", "-inf", "1e999", "1,5", "ZQ"])
@pytest.mark.parametrize("column", ["offset_s", "scale"])
def test_what_is_no_finite_number_is_refused(column: str, bad: str) -> None:
    row = sync_row(7, cells("1", "1") | {column: bad})
    assert isinstance(row, Rejection)
    assert (row.item, row.reason) == ("row 7", "not_a_number")
    assert row.detail.startswith(f"{column}: ")
    assert f"{bad} " not in row.detail


@pytest.mark.parametrize(
    ("offset_s", "scale", "reason"),
    [
        (None, "1", "no_offset"),
        ("604801", None, "out_of_range"),
        ("1760000000", None, "out_of_range"),
        ("0", "0", "out_of_range"),
        ("0", "-1", "out_of_range"),
        ("0", "100", "out_of_range"),
        ("0", "1e-300", "out_of_range"),
    ],
)
def test_what_cannot_be_meant_is_refused(offset_s: str | None, scale: str | None, reason: str) -> None:
    row = sync_row(2, cells(offset_s, scale))
    assert isinstance(row, Rejection)
    assert row.reason == reason


def test_rows_that_contradict_one_another_are_refused_and_equal_ones_count_once() -> None:
    rows = {
        number: {"video_id": video, "offset_s": offset_s, "scale": scale}
        for number, video, offset_s, scale in (
            (2, None, 1.0, None),
            (3, None, 1.0, 1.0),
            (4, "a", 1.0, None),
            (5, "a", 2.0, None),
            (6, "b", 3.0, None),
        )
    }
    used, rejected = without_conflicts(rows)
    assert used == [rows[2], rows[6]]
    assert {number: row.reason for number, row in rejected.items()} == {4: "conflict", 5: "conflict"}


def test_rows_for_videos_that_are_there_no_more_are_refused() -> None:
    used, rejected = of_known_videos(sync(None, "a", "old"), ["a", "new"])
    assert used["video_id"].to_list() == [None, "a"]
    assert [row.reason for row in rejected] == ["unknown_video"]
    assert of_known_videos(sync(None, "a"), ["a"])[1] == []


@pytest.mark.parametrize(
    ("usable", "refused", "doubted"),
    [
        ([], [], set()),
        ([], [None], {"a", "b"}),
        (["a"], [None], {"b"}),
        ([], ["a"], {"a"}),
        (["a"], ["old"], {"b"}),
        ([None], ["old"], {"a", "b"}),
    ],
)
def test_a_refused_correction_casts_doubt_on_the_videos_that_it_may_have_meant(
    usable: list[str | None], refused: list[str | None], doubted: set[str]
) -> None:
    assert doubted_videos(sync(*usable), ["a", "b"], refused) == doubted
