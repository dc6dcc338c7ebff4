import cv2
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.support.hospitals.visits import intervals
from eus_etl.domain.plots.timeline import Thumbnail, draw_timeline
from eus_etl.domain.quality.scores import REASONS
from eus_etl.domain.tables.catalog import LABELS

FAMILIES = {"station": ["Station 1", "Station 2"], "fna": ["FNA"]}
RATE_HZ = 5
GREEN, RED, BLUE = (0x4C, 0x9F, 0x70), (0xD1, 0x49, 0x5B), (0x77, 0xAA, 0xDD)
YELLOW = (0xE3, 0xC5, 0x67)
LEFT_PX, RIGHT_PX = 96, 946
"""Where the first and the last time lie."""


def frames(seconds: int, reasons: dict[int, str] | None = None, start_s: float = 0.0) -> pl.DataFrame:
    """Frames of a visit; ``reasons`` hold during these whole seconds."""
    times = np.arange(seconds * RATE_HZ) / RATE_HZ
    held = [(reasons or {}).get(int(time)) for time in times]
    return pl.DataFrame(
        {"procedure_s": times + start_s, "reasons": held}, schema_overrides={"reasons": pl.String()}
    ).with_columns(pl.col("reasons").is_not_null().alias("disturbed"), label_certain=pl.lit(value=True))


def picture(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB), np.uint8)


def columns_of(drawn: NDArray[np.uint8], color: tuple[int, int, int]) -> NDArray[np.intp]:
    """Columns that hold a bar or strip of this color."""
    alike = (np.abs(drawn.astype(int) - color).max(axis=2) <= 12).sum(axis=0)
    return np.flatnonzero(alike >= 8)


def time_of(columns: NDArray[np.intp], seconds: float) -> tuple[float, float]:
    """From when to when the columns stand, if the picture spans so many seconds."""
    scale = seconds / (RIGHT_PX - LEFT_PX)
    return (float(columns[0]) - LEFT_PX) * scale, (float(columns[-1]) + 1 - LEFT_PX) * scale


def test_bars_and_strips_stand_at_their_times() -> None:
    labels = intervals(("station", "Station 1", 10.0, 30.0))
    drawn = picture(draw_timeline(frames(100, dict.fromkeys(range(50, 60), "frozen")), labels, FAMILIES, []))
    assert time_of(columns_of(drawn, BLUE), 99.8) == pytest.approx((10, 30), abs=0.5)
    assert time_of(columns_of(drawn, RED), 99.8) == pytest.approx((50, 60), abs=0.7)
    assert time_of(columns_of(drawn, GREEN), 99.8) == pytest.approx((0, 99.8), abs=0.5)


def test_where_nothing_was_recorded_the_status_is_blank() -> None:
    visit = pl.concat([frames(20), frames(20, start_s=60.0)])
    green = columns_of(picture(draw_timeline(visit, LABELS.empty(), FAMILIES, [])), GREEN)
    gap = np.flatnonzero(np.diff(green) > 10)
    assert len(gap) == 1
    scale = 79.8 / (RIGHT_PX - LEFT_PX)
    assert (green[gap[0] : gap[0] + 2] - LEFT_PX) * scale == pytest.approx([20, 60], abs=0.7)


def test_between_frames_the_status_has_no_gap() -> None:
    green = columns_of(picture(draw_timeline(frames(20), LABELS.empty(), FAMILIES, [])), GREEN)
    assert (np.diff(green) == 1).all()


def test_each_reason_that_holds_has_a_row() -> None:
    plain, both, one = (
        picture(draw_timeline(frames(20, held), LABELS.empty(), FAMILIES, []))
        for held in ({}, {3: "frozen|blurred", 5: "blurred"}, {3: "frozen"})
    )
    row_px = one.shape[0] - plain.shape[0]
    assert row_px > 0
    assert both.shape[0] - plain.shape[0] == 2 * row_px


def test_families_without_labels_are_left_out_and_certainty_comes_with_labels() -> None:
    none = picture(draw_timeline(frames(20), LABELS.empty(), FAMILIES, []))
    one = picture(draw_timeline(frames(20), intervals(("station", "Station 1", 1.0, 3.0)), FAMILIES, []))
    reason = picture(draw_timeline(frames(20, {3: "frozen"}), LABELS.empty(), FAMILIES, []))
    row_px = reason.shape[0] - none.shape[0]
    assert one.shape[0] - none.shape[0] == 2 * row_px


def test_where_the_label_is_not_certain_its_row_is_yellow() -> None:
    doubtful = frames(100).with_columns(label_certain=~pl.col("procedure_s").is_between(40, 60))
    labels = intervals(("station", "Station 1", 0.0, 99.0))
    yellow = columns_of(picture(draw_timeline(doubtful, labels, FAMILIES, [])), YELLOW)
    assert time_of(yellow, 99.8) == pytest.approx((40, 60), abs=0.7)


def test_stop_procedure_is_in_the_picture_even_after_the_last_frame() -> None:
    within, after = (
        picture(draw_timeline(frames(50), LABELS.empty(), FAMILIES, [], end_s=end_s))
        for end_s in (25.0, 100.0)
    )
    assert time_of(columns_of(within, GREEN), 49.8)[1] == pytest.approx(49.8, abs=0.5)
    assert time_of(columns_of(after, GREEN), 100)[1] == pytest.approx(49.8, abs=0.5)
    unknown = picture(draw_timeline(frames(50), LABELS.empty(), FAMILIES, []))
    assert (within != unknown).any()


def test_the_alias_is_in_the_title() -> None:
    with_alias = picture(draw_timeline(frames(20), LABELS.empty(), FAMILIES, [], alias="Quiet-Otter-2"))
    without = picture(draw_timeline(frames(20), LABELS.empty(), FAMILIES, []))
    assert (with_alias[:24] != without[:24]).any()
    assert with_alias.shape == without.shape


def test_thumbnails_are_shown_above_and_no_more_than_fit() -> None:
    tile = np.full((64, 64), 96, np.uint8)
    without = picture(draw_timeline(frames(20), LABELS.empty(), FAMILIES, []))
    drawn = picture(
        draw_timeline(frames(20), LABELS.empty(), FAMILIES, [Thumbnail(float(n), tile) for n in range(12)])
    )
    assert drawn.shape[0] > without.shape[0] + 64
    row = (drawn == 96).all(axis=2)[60]
    assert np.count_nonzero(np.diff(row.astype(int)) == 1) == 10


def test_the_same_visit_gives_the_same_small_file() -> None:
    rng = np.random.default_rng(0)
    noise = [Thumbnail(float(n), rng.integers(0, 256, (224, 224)).astype(np.uint8)) for n in range(10)]
    visit = frames(3600, dict.fromkeys(range(0, 3600, 7), "blurred|duplicate"))
    first, again = (draw_timeline(visit, LABELS.empty(), FAMILIES, noise) for _ in range(2))
    assert first == again
    assert len(first) < 80_000


@settings(max_examples=12)
@given(
    st.lists(st.floats(-1e4, 1e5) | st.none(), max_size=20),
    st.lists(
        st.tuples(st.sampled_from(["FNA", "$x^{", "?"]), st.floats(0, 1e4), st.floats(0.001, 1e4)), max_size=5
    ),
    st.sampled_from([*REASONS, "|".join(REASONS)]),
)
def test_any_visit_can_be_drawn(
    times: list[float | None], labels: list[tuple[str, float, float]], reasons: str
) -> None:
    visit = pl.DataFrame({"procedure_s": times}, schema={"procedure_s": pl.Float64()}).with_columns(
        reasons=pl.lit(reasons), disturbed=True, label_certain=False
    )
    used = intervals(*(("fna", label, start, start + length) for label, start, length in labels))
    assert picture(draw_timeline(visit, used, FAMILIES, [])).size
