import cv2
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.support.hospitals.visits import RATE_HZ, grid_of
from benchmarks.support.screens.screens import (
    HEIGHT,
    SECTOR,
    WIDTH,
    Picture,
    colored,
    field_mask,
    screen,
    speckle,
)
from eus_etl.domain.quality.scores import (
    REASONS,
    SCORES,
    assess_frames,
    frozen_lengths,
    robust_log_z,
    shares_of_usual,
    still_lengths,
)
from eus_etl.domain.screen.appearance import Screen
from eus_etl.domain.screen.region import NO_POLYGON, Polygon
from eus_etl.domain.tables.catalog import FRAME_TABLE
from eus_etl.settings import QualityConfig

CONFIG = QualityConfig()
CLEAN = 40
LEVELS = st.just(0.0) | st.floats(1e-3, 20)


def sequence(count: int = CLEAN, seed: int = 2) -> list[Picture]:
    """Clean screens, BGR, whose field changes while the clock ticks."""
    rng = np.random.default_rng(seed)
    return [colored(screen(speckle(rng), tick)) for tick in range(count)]


def assess(
    pictures: list[Picture],
    polygon: Polygon = SECTOR,
    decode_error: list[int] | None = None,
    screen: Screen = "ultrasound",
) -> pl.DataFrame:
    damaged = np.isin(np.arange(len(pictures)), decode_error or [])
    times_s = np.arange(len(pictures)) / RATE_HZ
    return assess_frames(grid_of(pictures), polygon, times_s, damaged, CONFIG, screen)


def rows_with(assessed: pl.DataFrame, reason: str) -> list[int]:
    has = assessed["reasons"].fill_null("").str.split("|").list.contains(reason)
    return np.flatnonzero(has.to_numpy()).tolist()


def test_clean_frames_have_scores_and_no_reason() -> None:
    assessed = assess(sequence())
    assert assessed["reasons"].null_count() == CLEAN
    changes = ("motion", "motion_share")
    assert assessed.select(changes).null_count().row(0) == (1, 1)  # nothing is before the first frame
    assert assessed.drop(*changes, "reasons").null_count().sum_horizontal().item() == 0
    assert assessed["static_s"].to_list() == [0.0] * CLEAN


def test_a_freeze_is_found_behind_a_ticking_clock_with_the_picture_that_froze() -> None:
    pictures = sequence()
    frozen = speckle(np.random.default_rng(9))
    for tick in range(10, 20):
        pictures[tick] = colored(screen(frozen, tick))
    assessed = assess(pictures)
    assert rows_with(assessed, "frozen") == list(range(10, 20))
    assert rows_with(assessed, "duplicate") == list(range(11, 20))
    assert assessed["static_s"][10:20].to_list() == pytest.approx([9 / RATE_HZ] * 10)


def test_a_pair_of_equal_frames_is_a_duplicate_but_not_frozen() -> None:
    pictures = sequence()
    pictures[15] = pictures[14].copy()
    assessed = assess(pictures)
    assert rows_with(assessed, "duplicate") == [15]
    assert rows_with(assessed, "frozen") == []


def test_a_reencoded_repeat_is_a_duplicate_and_a_probe_at_rest_is_not() -> None:
    rng = np.random.default_rng(4)
    pictures = sequence()
    noise = rng.normal(0, 1, pictures[0].shape)
    pictures[15] = np.asarray(np.clip(pictures[14] + noise, 0, 255), np.uint8)
    at_rest = [
        np.asarray(np.clip(pictures[0] + rng.normal(0, 1, noise.shape), 0, 255), np.uint8) for _ in range(20)
    ]
    assert rows_with(assess(pictures), "duplicate") == [15]
    assert rows_with(assess(at_rest), "duplicate") == []


def test_a_freeze_that_an_encoder_refreshes_is_one_freeze() -> None:
    pictures = sequence()
    frozen = colored(screen(speckle(np.random.default_rng(9))))
    refreshed = np.asarray(np.clip(frozen.astype(int) + 3 * (frozen > 40), 0, 255), np.uint8)
    for tick in range(10, 18):
        pictures[tick] = refreshed if tick >= 14 else frozen
    assert rows_with(assess(pictures), "frozen") == list(range(10, 18))


def test_a_probe_at_rest_is_not_frozen() -> None:
    rng = np.random.default_rng(5)
    pictures = sequence()
    rest = colored(screen(speckle(rng)))
    for tick in range(10, 30):
        moved = rest.astype(int) + rng.integers(-3, 4, rest.shape) * (rest > 0)
        pictures[tick] = np.asarray(np.clip(moved, 0, 255), np.uint8)
    assessed = assess(pictures)
    assert 0.1 < assessed["motion"][15] < 0.15 * assessed["motion"][5]
    assert rows_with(assessed, "frozen") == []


def test_defocus_is_blurred() -> None:
    pictures = sequence()
    for tick in range(5, 9):
        soft = cv2.GaussianBlur(speckle(np.random.default_rng(tick)), (0, 0), 4)
        pictures[tick] = colored(screen(np.asarray(soft, np.uint8), tick))
    assert rows_with(assess(pictures), "blurred") == [5, 6, 7, 8]


def test_color_in_the_field_is_color_mode_and_color_beside_it_is_not() -> None:
    pictures = sequence()
    pictures[20][100:130, 140:170] = (0, 0, 220)
    pictures[25][5:20, 5:60] = (0, 0, 220)
    assessed = assess(pictures)
    assert rows_with(assessed, "color_mode") == [20]
    assert rows_with(assessed, "optical_view") == []


def test_black_frames_are_no_signal_alone_with_and_without_a_header() -> None:
    empty = np.zeros((HEIGHT, WIDTH), np.uint8)
    pictures = [colored(screen(empty, tick)) for tick in range(8)] + sequence()
    assessed = assess(pictures)
    assert assessed["reasons"][:8].to_list() == ["no_signal"] * 8
    assert assessed["reasons"][8:].null_count() == CLEAN


def test_an_optical_view_has_no_other_reason() -> None:
    pictures = sequence()
    for tick in range(10, 20):
        pictures[tick] = np.full((HEIGHT, WIDTH, 3), (60, 90, 200), np.uint8)
    # its contrast is that of a real picture, not of an even screen
    pictures[10][::2] = (30, 40, 120)
    for tick in range(11, 20):
        pictures[tick] = pictures[10].copy()
    assessed = assess(pictures)
    assert assessed["reasons"][10:20].to_list() == ["optical_view"] * 10


def test_a_damaged_frame_keeps_its_other_reasons_in_the_order_of_the_vocabulary() -> None:
    pictures = sequence()
    pictures[15] = pictures[14].copy()
    assessed = assess(pictures, decode_error=[15, 17])
    assert assessed["reasons"][15] == "duplicate|decode_error"
    assert assessed["reasons"][17] == "decode_error"


def test_a_dark_sector_is_low_contact_and_not_blurred() -> None:
    pictures = sequence()
    for tick in range(10, 16):
        pictures[tick][:, 165:] //= 10
    assessed = assess(pictures)
    assert assessed["reasons"].to_list() == [
        "low_contact" if 10 <= tick < 16 else None for tick in range(CLEAN)
    ]


def test_a_screen_of_two_pictures_adds_its_reason_to_every_other() -> None:
    pictures = sequence()
    pictures[15] = pictures[14].copy()
    assessed = assess(pictures, screen="split")
    assert assessed["reasons"][15] == "duplicate|split_layout"
    assert set(assessed["reasons"]) == {"split_layout", "duplicate|split_layout"}


@pytest.mark.parametrize("level", [0, 230])
def test_a_page_of_text_is_nothing_else_but_may_be_damaged(level: int) -> None:
    page = np.full((HEIGHT, WIDTH, 3), level, np.uint8)
    cv2.putText(page, "REPORT", (30, 120), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255 - level,) * 3, 2)
    if level:
        page[150:, :] = (10, 20, 200)
    pictures = [page] * 12
    assert set(assess(pictures, NO_POLYGON, screen="report")["reasons"]) == {"report_screen"}
    damaged = assess(pictures, SECTOR, decode_error=[3], screen="report")["reasons"]
    assert damaged.to_list() == ["report_screen"] * 3 + ["report_screen|decode_error"] + ["report_screen"] * 8


def test_without_a_region_the_whole_picture_is_scored() -> None:
    black = [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 6
    assert assess(black, NO_POLYGON)["reasons"].to_list() == ["no_signal"] * 6
    assert assess(sequence(), NO_POLYGON)["reasons"].null_count() == CLEAN


def test_scores_follow_the_region_not_the_screen() -> None:
    pictures = [np.zeros((HEIGHT, WIDTH, 3), np.uint8) for _ in range(3)]
    for picture in pictures:
        picture[field_mask()] = 90
        picture[:25] = 255
    inside = assess(pictures)
    assert inside["brightness"].to_list() == pytest.approx([90] * 3, abs=0.5)
    assert inside["contrast"].to_list() == pytest.approx([0] * 3, abs=0.5)
    assert inside["color_fraction"].max() == 0


def test_a_small_region_is_scored_by_the_cells_that_it_cuts() -> None:
    picture = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    thin = np.array([[50, 50], [90, 50], [90, 58], [50, 58]], np.int32)
    assert assess([picture], thin)["brightness"].to_list() == pytest.approx([120], abs=0.5)


def test_one_frame_is_assessed_too() -> None:
    assert assess(sequence(1))["reasons"].to_list() == [None]


def test_scores_and_vocabulary_are_those_of_the_tables() -> None:
    assert set(SCORES) < set(FRAME_TABLE.names)
    (meaning,) = (column.meaning for column in FRAME_TABLE.columns if column.name == "reasons")
    assert ", ".join(REASONS) in meaning


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.data())
def test_still_lengths_agree_with_a_walk(changes: list[float], data: st.DataObject) -> None:
    steps = data.draw(st.lists(st.floats(0, 2), min_size=len(changes), max_size=len(changes)))
    motion = np.array([np.nan, *changes[1:]])
    video_s = np.cumsum(steps)
    expected = []
    for frame in range(len(motion)):
        first = last = frame
        while first > 0 and motion[first] < 0.5:
            first -= 1
        while last + 1 < len(motion) and motion[last + 1] < 0.5:
            last += 1
        expected.append(video_s[last] - video_s[first])
    assert still_lengths(motion, video_s, 0.5) == pytest.approx(expected)


@given(st.lists(st.floats(0, 20), min_size=1, max_size=60))
def test_a_refreshed_freeze_is_never_shorter_than_its_still_parts(changes: list[float]) -> None:
    motion, video_s = np.array([np.nan, *changes[1:]]), np.arange(len(changes)) / RATE_HZ
    frozen = frozen_lengths(motion, video_s, np.ones(len(motion), np.bool_), 0.1)
    strict = still_lengths(motion, video_s, 0.1)
    assert (frozen >= strict).all()
    assert frozen.max() <= video_s[-1]
    if not (motion < 0.1).any():
        assert frozen.max() == 0


@given(
    st.lists(st.tuples(LEVELS, st.floats(0, 1.5), st.booleans()), min_size=1, max_size=40),
)
def test_shares_of_usual_agree_with_a_walk(frames: list[tuple[float, float, bool]]) -> None:
    motion = np.array([np.nan, *(change for change, _, _ in frames[1:])])
    video_s = np.round(np.cumsum([step for _, step, _ in frames]), 3)
    ordinary = np.array([flag for _, _, flag in frames])
    kept = ordinary & np.array([False, *ordinary[:-1]]) & ~np.isnan(motion)
    shares = shares_of_usual(motion, video_s, ordinary)
    for frame, share in enumerate(shares):
        near = np.sort(motion[kept & (np.abs(video_s - video_s[frame]) <= 1 + 1e-9)])
        usual = near[int(0.9 * (len(near) - 1))] if len(near) else 0.0
        if not kept[frame] or usual == 0:
            assert np.isnan(share)
        else:
            assert share == pytest.approx(motion[frame] / usual)


def test_times_that_go_back_are_endured() -> None:
    shares = shares_of_usual(
        np.array([np.nan, 2.0, 2.0, 0.1]), np.array([0, 5, 4, 4.2]), np.ones(4, np.bool_)
    )
    assert shares[1:].tolist() == pytest.approx([1, 1, 0.05])


def test_still_lengths_of_nothing_are_nothing() -> None:
    assert still_lengths(np.empty(0), np.empty(0), 0.1).size == 0


def test_robust_z_ignores_outliers_and_what_is_not_ordinary() -> None:
    values = np.exp(np.linspace(-1, 1, 101))
    ordinary = np.ones(101, np.bool_)
    middle = robust_log_z(values, ordinary)
    assert middle[50] == 0
    assert middle[75] == pytest.approx(1 / 1.4826, rel=0.05)
    spoiled = np.append(values, [1e-9] * 30)
    kept = robust_log_z(spoiled, np.append(ordinary, [False] * 30))
    assert kept[:101] == pytest.approx(middle)
    assert np.isnan(robust_log_z(values, ~ordinary)).all()
