from pathlib import Path

import av
import cv2
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.grid import CellGrid, codes_with_motion, measure
from eus_etl.domain.quality import REASONS, SCORES, assess_frames, robust_log_z, still_lengths
from eus_etl.domain.region import NO_POLYGON, Polygon, find_region
from eus_etl.domain.tables import FRAMES
from eus_etl.settings import GridConfig, QualityConfig, RegionConfig
from eus_etl_tests.screens import HEIGHT, SECTOR, WIDTH, Picture, colored, field_mask, screen, speckle
from eus_etl_tests.visits import RATE_HZ, grid_of

CONFIG = QualityConfig()
CLEAN = 40


def sequence(count: int = CLEAN, seed: int = 2) -> list[Picture]:
    """Clean screens, BGR, whose field changes while the clock ticks."""
    rng = np.random.default_rng(seed)
    return [colored(screen(speckle(rng), tick)) for tick in range(count)]


def assess(
    pictures: list[Picture], polygon: Polygon = SECTOR, decode_error: list[int] | None = None
) -> pl.DataFrame:
    damaged = np.isin(np.arange(len(pictures)), decode_error or [])
    return assess_frames(grid_of(pictures), polygon, np.arange(len(pictures)) / RATE_HZ, damaged, CONFIG)


def rows_with(assessed: pl.DataFrame, reason: str) -> list[int]:
    has = assessed["reasons"].fill_null("").str.split("|").list.contains(reason)
    return np.flatnonzero(has.to_numpy()).tolist()


def test_clean_frames_have_scores_and_no_reason() -> None:
    assessed = assess(sequence())
    assert assessed["reasons"].null_count() == CLEAN
    assert assessed["motion"].null_count() == 1  # nothing is before the first frame
    assert assessed.drop("motion", "reasons").null_count().sum_horizontal().item() == 0
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


def test_an_optical_view_stands_alone() -> None:
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
    assert set(SCORES) < set(FRAMES.names)
    (meaning,) = (column.meaning for column in FRAMES.columns if column.name == "reasons")
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


def grid_of_clip(path: Path, rate_hz: float) -> tuple[CellGrid, list[float], list[Picture]]:
    codes, times, pictures = [], [], []
    before, due_s = None, 0.0
    with av.open(str(path)) as clip:
        for frame in clip.decode(video=0):
            video_s = float(frame.time or 0) - float(clip.start_time or 0) / 1e6
            if video_s < due_s - 1e-6:
                continue
            due_s = (round(video_s * rate_hz) + 1) / rate_hz
            picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            cells = measure(picture, GridConfig())
            codes.append(codes_with_motion(cells, before))
            before = cells
            times.append(video_s)
            pictures.append(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8))
    assert before is not None
    return CellGrid(0, before.geometry, np.stack(codes)), times, pictures


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("Cov_convex_volpecelli_sonographic_v1.mov", 0.02),
        ("Reg_pat4Image_140024.mpeg", 0.02),
        ("Vir_prospective_file2.mp4", 0.0),
        ("clarius-ocular-short.mp4", 0.0),
        ("color3d_jpeg_baseline.mjpeg.avi", 0.0),
    ],
)
def test_clean_real_clips_are_not_flagged(shared: Path, name: str, most: float) -> None:
    grid, times, pictures = grid_of_clip(shared / "clips" / name, RATE_HZ)
    region = find_region(pictures, RegionConfig())
    assessed = assess_frames(grid, region.polygon, np.array(times), np.zeros(len(times), np.bool_), CONFIG)
    assert len(times) - assessed["reasons"].null_count() <= most * len(times)


def test_a_real_clip_is_in_color_mode_while_its_doppler_box_pulses(shared: Path) -> None:
    grid, times, pictures = grid_of_clip(shared / "clips" / "DemoBMode.mov", RATE_HZ)
    region = find_region(pictures[::2], RegionConfig())
    assessed = assess_frames(grid, region.polygon, np.array(times), np.zeros(len(times), np.bool_), CONFIG)
    assert set(assessed["reasons"]) == {"color_mode", None}
    assert len(rows_with(assessed, "color_mode")) > 10
