import polars as pl
import pytest

from benchmarks.support.hospitals.visits import PATIENT, intervals
from eus_etl.domain.frame_table import (
    build_frame_table,
    intervals_outside,
    labelled_seconds,
    reason_counts,
    synchronised,
)
from eus_etl.domain.quality.scores import SCORES
from eus_etl.domain.tables.catalog import EXTRACTED, LABELS, SYNC, VIDEOS, frame_table
from eus_etl.errors import OverlapError
from eus_etl.settings import TimelineConfig

FAMILIES = ["station", "position"]
ONE, TWO = "vaaaaaaaaaaaa", "vbbbbbbbbbbbb"
LABELLED = intervals(
    ("station", "Station 1", 2.0, 4.0), ("station", "Station 2", 4.0, 7.0), ("position", "D 1", 3.0, 12.0)
)


def videos(*starts_s: float | None, duration_s: float = 10.0) -> pl.DataFrame:
    return VIDEOS.frame(
        {
            "patient_id": PATIENT,
            "video_id": video_id,
            "order": order,
            "timeline_start_s": start_s,
            "duration_s": duration_s,
        }
        for order, (video_id, start_s) in enumerate(zip((ONE, TWO), starts_s, strict=False))
    )


def extracted(video_id: str, times_s: list[float]) -> pl.DataFrame:
    return EXTRACTED.frame(
        {
            "frame_id": f"{PATIENT}/{video_id}/{number:012d}",
            "patient_id": PATIENT,
            "video_id": video_id,
            "frame_index": number,
            "video_s": video_s,
        }
        for number, video_s in enumerate(times_s)
    )


def scores(frames: pl.DataFrame, reasons: dict[int, str] | None = None) -> pl.DataFrame:
    named = [(reasons or {}).get(row) for row in range(frames.height)]
    return frames.select(
        "frame_id",
        pl.Series("reasons", named, dtype=pl.String),
        *(pl.lit(1.0).alias(score) for score in SCORES),
    )


def sync(*rows: tuple[str | None, float, float | None]) -> pl.DataFrame:
    return SYNC.frame(
        {"patient_id": PATIENT, "video_id": video_id, "offset_s": offset_s, "scale": scale}
        for video_id, offset_s, scale in rows
    )


def build(
    frames: pl.DataFrame,
    placed: pl.DataFrame,
    *,
    labels: pl.DataFrame = LABELLED,
    synced: pl.DataFrame | None = None,
    procedure_s: float | None = 10.0,
    reasons: dict[int, str] | None = None,
) -> pl.DataFrame:
    return build_frame_table(
        frames,
        scores(frames, reasons),
        placed,
        labels,
        sync() if synced is None else synced,
        procedure_s,
        FAMILIES,
        TimelineConfig(),
    )


def test_a_label_holds_from_its_start_up_to_but_not_at_its_stop() -> None:
    frames = extracted(ONE, [0.0, 1.999, 2.0, 3.0, 3.999, 4.0, 6.999, 7.0])
    table = build(frames, videos(0.0))
    one, two = "Station 1", "Station 2"
    assert table["station"].to_list() == [None, None, one, one, one, two, two, None]
    assert table["position"].to_list() == [None] * 3 + ["D 1"] * 5
    assert table["border_s"].to_list() == pytest.approx([2.0, 0.001, 0, 0, 0.001, 0, 0.001, 0])


def test_the_columns_are_those_of_the_study() -> None:
    table = build(extracted(ONE, [0.0, 1.0]), videos(0.0))
    assert dict(table.schema) == frame_table(FAMILIES).schema


def test_a_sync_row_moves_labels_and_makes_them_certain() -> None:
    frames = extracted(ONE, [float(second) for second in range(20)])
    placed = videos(0.0, duration_s=20.0)
    table = build(frames, placed, synced=sync((None, 4.0, 2.0)))
    assert table["procedure_s"][:5].to_list() == [-2.0, -1.5, -1.0, -0.5, 0.0]
    assert table.filter(pl.col("station") == "Station 1")["video_s"].to_list() == [8.0, 9.0, 10.0, 11.0]
    assert set(table["label_uncertainty_s"]) == {2.0}
    unsynced = build(frames, placed)
    assert set(unsynced["label_uncertainty_s"]) == {12.0}
    assert not unsynced["label_certain"].any()
    far = build(extracted(ONE, [30.0]), videos(0.0, duration_s=40.0), synced=sync((ONE, 0.0, None)))
    assert far["label_certain"].to_list() == [True]


def test_only_the_videos_that_sync_names_are_synchronised() -> None:
    frames = pl.concat([extracted(ONE, [0.0]), extracted(TWO, [0.0])])
    placed = videos(0.0, 10.0)
    table = build(frames, placed, synced=sync((TWO, 1.0, None)))
    assert table["label_uncertainty_s"].to_list() == [2.0 + 10.0, 2.0]
    assert synchronised(placed, sync((TWO, 1.0, None))) == [False, True]
    assert synchronised(placed, sync((None, 1.0, None))) == [True, True]


def test_without_stop_procedure_no_label_is_certain() -> None:
    table = build(extracted(ONE, [0.0, 9.5]), videos(0.0), procedure_s=None)
    assert table["label_uncertainty_s"].null_count() == 2
    assert table["label_certain"].to_list() == [False, False]


def test_a_video_without_a_place_keeps_its_frames_without_labels() -> None:
    frames = pl.concat([extracted(TWO, [1.0, 3.0]), extracted(ONE, [1.0, 3.0])])
    table = build(frames, videos(0.0, None))
    assert table["video_id"].to_list() == [ONE, ONE, TWO, TWO]
    assert table["station"].to_list() == [None, "Station 1", None, None]
    assert table["procedure_s"].to_list() == [1.0, 3.0, None, None]
    assert table["label_certain"].to_list() == [False] * 4


def test_rows_are_in_time_order_by_video() -> None:
    frames = pl.concat([extracted(TWO, [0.0, 1.0]), extracted(ONE, [0.0, 0.5])]).reverse()
    table = build(frames, videos(0.0, 10.0))
    assert table["timeline_s"].to_list() == [0.0, 0.5, 10.0, 11.0]
    assert table.height == frames.height


def test_any_reason_disturbs() -> None:
    table = build(extracted(ONE, [0.0, 1.0, 2.0]), videos(0.0), reasons={1: "frozen|blurred", 2: "frozen"})
    assert table["status"].to_list() == ["ok", "disturbed", "disturbed"]
    assert table["disturbed"].to_list() == [False, True, True]
    assert reason_counts(table) == {"frozen": 2, "blurred": 1}


def test_a_frame_counts_until_the_next_one_and_the_last_to_the_end() -> None:
    table = build(extracted(ONE, [0.0, 2.0, 5.0, 6.5]), videos(0.0, duration_s=8.0))
    assert labelled_seconds(table, videos(0.0, duration_s=8.0), FAMILIES) == {
        ("position", "D 1"): pytest.approx(3.0),
        ("station", "Station 1"): pytest.approx(3.0),
        ("station", "Station 2"): pytest.approx(3.0),
    }


def test_intervals_that_no_frame_can_show_are_counted() -> None:
    table = build(extracted(ONE, [4.0, 5.0, 6.0]), videos(0.0))
    assert intervals_outside(table, LABELLED) == 1  # Station 1 stops at 4
    assert intervals_outside(table, LABELLED.with_columns(pl.lit("rejected").alias("status"))) == 0
    assert intervals_outside(table.clear(), LABELLED) == 3


def test_no_frames_and_no_labels_give_an_empty_table() -> None:
    table = build(EXTRACTED.empty(), videos(), labels=LABELS.empty())
    assert table.height == 0
    assert reason_counts(table) == {}
    assert labelled_seconds(table, videos(), FAMILIES) == {}


def test_used_intervals_that_overlap_are_refused() -> None:
    overlapping = intervals(("station", "Station 1", 0.0, 5.0), ("station", "Station 2", 4.0, 6.0))
    with pytest.raises(OverlapError, match=PATIENT):
        build(extracted(ONE, [0.0]), videos(0.0), labels=overlapping)
