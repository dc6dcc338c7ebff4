import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.tables.catalog import SYNC
from eus_etl.domain.timeline import (
    label_uncertainty,
    needs_sync,
    place_videos,
    procedure_time,
    recording_length,
)
from eus_etl.errors import ConfigError
from eus_etl.settings import TimelineConfig

LOSSLESS = TimelineConfig()
LOSSY = TimelineConfig(recorder_splits_without_loss=False)
Row = tuple[str, str | None, float | None]


def videos(*rows: Row) -> pl.DataFrame:
    """Rows of file name, recording time, duration; the video's id is its file name."""
    return pl.DataFrame(
        [(name, name, recorded, length) for name, recorded, length in rows],
        schema={
            "video_id": pl.String,
            "file_name": pl.String,
            "recorded_at": pl.String,
            "duration_s": pl.Float64,
        },
        orient="row",
    )


def placed(config: TimelineConfig, *rows: Row) -> list[tuple[object, ...]]:
    columns = ("video_id", "timeline_start_s", "gap_s", "timeline_source")
    return place_videos(videos(*rows), config).select(columns).rows()


def at(minute: int, second: int = 0) -> str:
    return f"2024-03-05T08:{minute:02}:{second:02}+00:00"


def test_without_times_files_lie_end_to_end_in_natural_order() -> None:
    assert placed(
        LOSSLESS, ("part10.mp4", None, 5.0), ("part9.mp4", None, 60.0), ("Part1.mp4", None, 10.0)
    ) == [
        ("Part1.mp4", 0.0, None, "assumed"),
        ("part9.mp4", 10.0, 0.0, "assumed"),
        ("part10.mp4", 70.0, 0.0, "assumed"),
    ]


def test_without_times_and_a_lossy_recorder_only_the_first_has_a_place() -> None:
    assert placed(LOSSY, ("a", None, 10.0), ("b", None, 10.0)) == [
        ("a", 0.0, None, "assumed"),
        ("b", None, None, "none"),
    ]


def test_stated_times_order_files_and_keep_gaps_and_overlaps() -> None:
    assert placed(
        LOSSY, ("a", at(10), 60.0), ("b", at(5), 120.0), ("c", at(10, 30), 60.0), ("d", at(10), 1.0)
    ) == [
        ("b", 0.0, None, "stated"),
        ("a", 300.0, 180.0, "stated"),
        ("d", 300.0, -60.0, "stated"),
        ("c", 330.0, 29.0, "stated"),
    ]


def test_zones_are_compared_as_instants() -> None:
    assert placed(LOSSY, ("a", "2024-03-05T14:00:10+05:30", 5.0), ("b", at(30), 5.0)) == [
        ("b", 0.0, None, "stated"),
        ("a", 10.0, 5.0, "stated"),
    ]


def test_a_file_without_a_time_follows_the_one_that_its_name_follows() -> None:
    mixed: tuple[Row, ...] = (("1", at(0), 50.0), ("2", None, 30.0), ("3", at(5), 10.0))
    assert placed(LOSSLESS, *mixed) == [
        ("1", 0.0, None, "stated"),
        ("2", 50.0, 0.0, "assumed"),
        ("3", 300.0, 220.0, "stated"),
    ]
    assert placed(LOSSY, *mixed) == [
        ("1", 0.0, None, "stated"),
        ("2", None, None, "none"),
        ("3", 300.0, None, "stated"),
    ]


def test_what_is_stated_relative_to_an_assumed_place_counts_as_assumed() -> None:
    assert placed(LOSSLESS, ("1", None, 20.0), ("2", at(0), 30.0), ("3", at(1), 10.0)) == [
        ("1", 0.0, None, "assumed"),
        ("2", 20.0, 0.0, "assumed"),
        ("3", 80.0, 30.0, "assumed"),
    ]


def test_after_a_video_of_unknown_length_nothing_can_be_assumed() -> None:
    assert placed(LOSSLESS, ("1", None, None), ("2", None, 30.0)) == [
        ("1", 0.0, None, "assumed"),
        ("2", None, None, "none"),
    ]


def test_a_visit_without_videos_is_an_empty_timeline() -> None:
    assert placed(LOSSLESS) == []


names = st.text("ab12.é_", min_size=1, max_size=6)
times = st.one_of(st.none(), st.integers(0, 59).map(at))
rows = st.lists(
    st.tuples(names, times, st.one_of(st.none(), st.floats(0.1, 1e4))),
    unique_by=lambda row: row[0],
    max_size=8,
)


@given(rows, st.booleans(), st.randoms())
def test_placing_is_independent_of_the_order_given_and_loses_no_video(
    listed: list[Row], lossless: bool, random: object
) -> None:
    config = LOSSLESS if lossless else LOSSY
    here = place_videos(videos(*listed), config)
    random.shuffle(listed)  # type: ignore[attr-defined]  # hypothesis types it as object
    assert place_videos(videos(*listed), config).equals(here)
    assert sorted(here["video_id"]) == sorted(name for name, _, _ in listed)
    assert here["order"].to_list() == list(range(len(listed)))
    if listed:
        assert here["timeline_start_s"][0] == 0
    unplaced = here.filter(pl.col("timeline_source") == "none")
    assert unplaced["timeline_start_s"].null_count() == unplaced.height
    assert here["timeline_start_s"].null_count() == unplaced.height
    recorded = {name: time for name, time, _ in listed if time}
    stated = [recorded[video] for video in here["video_id"] if video in recorded]
    assert stated == sorted(stated)


def test_length_of_a_recording_is_its_last_end() -> None:
    table = pl.DataFrame({"timeline_start_s": [0.0, 50.0, None], "duration_s": [100.0, 20.0, 500.0]})
    assert recording_length(table) == 100.0
    assert recording_length(table.filter(pl.col("timeline_start_s").is_null())) is None


def frames(*rows: tuple[str, str, float | None]) -> pl.DataFrame:
    schema = {"patient_id": pl.String, "video_id": pl.String, "timeline_s": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def sync(*rows: tuple[str, str | None, float | None, float | None]) -> pl.DataFrame:
    names = ("patient_id", "video_id", "offset_s", "scale")
    return SYNC.frame(dict(zip(names, row, strict=True)) for row in rows)


def test_a_row_for_the_video_beats_one_for_the_visit_and_others_are_left_alone() -> None:
    table = frames(("p", "v1", 10.0), ("p", "v2", 10.0), ("q", "v1", 10.0), ("p", "v1", None))
    corrections = sync(("p", None, 4.0, 2.0), ("p", "v2", 1.0, None), ("r", None, 99.0, None))
    timed = procedure_time(table, corrections)
    assert timed["procedure_s"].to_list() == [3.0, 9.0, 10.0, None]
    assert timed.drop("procedure_s").equals(table)


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=20), st.floats(-1e4, 1e4), st.floats(0.5, 2.0))
def test_procedure_time_is_the_inverse_of_the_correction(
    timeline: list[float], offset_s: float, scale: float
) -> None:
    timed = procedure_time(
        frames(*(("p", "v", time) for time in timeline)), sync(("p", None, offset_s, scale))
    )
    back = (timed["procedure_s"] * scale + offset_s).to_list()
    assert back == pytest.approx(timeline, abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "cause"),
    [
        ([("p", None, None, 1.0)], "no offset_s"),
        ([("p", None, 1.0, 0.0)], "scale 0.0"),
        ([("p", None, 1.0, -1.0)], "scale -1.0"),
        ([("p", None, 1.0, float("nan"))], "scale nan"),
        ([("p", "v", 1.0, 1.0), ("p", "v", 2.0, 1.0)], "2 rows for v"),
        ([("p", None, 1.0, 1.0), ("p", None, 2.0, 1.0)], "2 rows for all"),
    ],
)
def test_an_invalid_correction_is_refused(
    rows: list[tuple[str, str | None, float | None, float | None]], cause: str
) -> None:
    with pytest.raises(ConfigError, match=cause):
        procedure_time(frames(("p", "v", 1.0)), sync(*rows))
    procedure_time(frames(("other", "v", 1.0)), sync(*rows))


def test_uncertainty_is_the_margin_and_the_unexplained_difference() -> None:
    assert label_uncertainty(1800.0, 1770.0, synced=False, config=LOSSLESS) == 32.0
    assert label_uncertainty(1770.0, 1800.0, synced=False, config=LOSSLESS) == 32.0
    assert label_uncertainty(1800.0, 1770.0, synced=True, config=LOSSLESS) == 2.0
    assert label_uncertainty(None, 1770.0, synced=True, config=LOSSLESS) == 2.0
    assert label_uncertainty(None, 1770.0, synced=False, config=LOSSLESS) is None
    assert label_uncertainty(1800.0, None, synced=False, config=LOSSLESS) is None


def test_a_visit_is_flagged_beyond_the_configured_share() -> None:
    assert needs_sync(1000.0, 979.0, synced=False, config=LOSSLESS)
    assert not needs_sync(1000.0, 980.0, synced=False, config=LOSSLESS)
    assert needs_sync(979.0, 1000.0, synced=False, config=LOSSLESS)
    assert not needs_sync(1000.0, 1.0, synced=True, config=LOSSLESS)
    assert not needs_sync(None, 1.0, synced=False, config=LOSSLESS)
