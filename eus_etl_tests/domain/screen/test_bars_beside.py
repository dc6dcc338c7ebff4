"""Color bars beside a field, or over its side: no part of its region."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.support.screens.screens import HEIGHT, WIDTH, field_mask, moving_screens
from benchmarks.support.screens.varied_screens import VariedScreen, varied_screen
from eus_etl.domain.screen.bar_captions import captions_of
from eus_etl.domain.screen.bars_beside import bars_beside
from eus_etl.domain.screen.field.shapes import overlap
from eus_etl.domain.screen.motion_mask import Evidence
from eus_etl.domain.screen.region import Region, mask
from eus_etl.domain.screen.region_search import find_region
from eus_etl.settings import RegionConfig

CONFIG = RegionConfig()
BOX = np.array([[100, 50], [240, 50], [240, 200], [100, 200]], np.int32)


@pytest.mark.parametrize(
    "seed", [5005, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (3009, 5009, 6002, 6016, 6028))]
)
def test_a_bar_at_the_side_of_a_linear_field_is_no_part_of_it(seed: int) -> None:
    made = varied_screen("linear", seed)
    region = find_region(made.shown, CONFIG)
    assert (region.kind, region.doubt) == ("linear", None)
    assert overlap(inside(region, made.field.shape), made.field) > 0.985
    assert written_inside(region, made) == 0


@pytest.mark.parametrize(
    "level", [140, *(pytest.param(level, marks=pytest.mark.slow) for level in (40, 250))]
)
@pytest.mark.parametrize("left", [86, 90, 95])
def test_how_bright_a_bar_is_and_how_far_it_hangs_over_the_field_does_not_matter(
    left: int, level: int
) -> None:
    pictures = moving_screens(16, polygon=BOX)
    for picture in pictures:
        picture[60:130, left : left + 12] = level
    shown = inside(find_region(pictures, CONFIG))
    field = field_mask(BOX)
    field[60:130, left : left + 12] = False
    assert not shown[60:130, left : left + 12].any()
    assert overlap(shown, field) > 0.97


def test_a_bar_is_found_with_what_of_it_lies_over_the_field() -> None:
    pictures = moving_screens(16, polygon=BOX)
    for picture in pictures:
        picture[60:130, 92:106] = 200
    evidence = Evidence.of(pictures)
    within = field_mask(BOX)
    bars = bars_beside(evidence, evidence.still() & ~within, within)
    assert any(abs(np.subtract(box, (92, 60, 14, 70))).max() <= 2 for box in bars.boxes)
    assert bars.drawn[60:130, 92:100].all()
    assert not bars.drawn[140:, 100:240].any()
    assert not (bars.around & (bars.drawn | within)).any()


@pytest.mark.parametrize("light", [60, 110])
@pytest.mark.parametrize("side", ["left", "right"])
def test_what_is_written_at_the_ends_of_a_bar_is_cut_out_with_it(side: str, light: int) -> None:
    """Too small for a reader, and tissue shows through it."""
    size = 2 * WIDTH, 2 * HEIGHT
    pictures = [cv2.resize(picture, size) for picture in moving_screens(16, polygon=BOX)]
    drawn = np.zeros(size[::-1], np.uint8)
    for text, row in (("60", 160), ("-60", 290), ("cm/s", 306)):
        cv2.putText(drawn, text, (190, row), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255)
    for picture in pictures:
        picture[166:274, 184:210] = 200
        picture[drawn > 0] = picture[drawn > 0] // 2 + light
    field = cv2.resize(field_mask(BOX).astype(np.uint8), size) > 0
    if side == "right":
        pictures = [np.ascontiguousarray(picture[:, ::-1]) for picture in pictures]
        drawn, field = drawn[:, ::-1], field[:, ::-1]
    shown = inside(find_region([np.asarray(picture, np.uint8) for picture in pictures], CONFIG), size[::-1])
    left = shown & (drawn > 0)
    assert not cv2.erode(left.astype(np.uint8), np.ones((2, 2), np.uint8)).any()
    assert np.count_nonzero(left) < 0.05 * np.count_nonzero(drawn)
    assert np.count_nonzero(shown & field) > 0.94 * np.count_nonzero(field)


@pytest.mark.parametrize("bar", [(-1, -1, 12, 80), (WIDTH - 8, HEIGHT - 60, 12, 80)])
def test_captions_at_the_pictures_border_lie_beyond_the_bars_end(bar: tuple[int, int, int, int]) -> None:
    pictures = moving_screens(16, polygon=BOX)
    assert all(y >= bar[1] + bar[3] or y + height <= bar[1] for _, y, _, height in captions_of(bar, pictures))
    assert captions_of(bar, pictures[:3]) == []


@given(
    st.tuples(st.integers(8, 120), st.integers(8, 120)),
    st.tuples(st.integers(-20, 120), st.integers(-20, 120), st.integers(1, 20), st.integers(1, 120)),
)
def test_captions_lie_within_the_picture_whatever_the_bar(
    shape: tuple[int, int], bar: tuple[int, int, int, int]
) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (5, *shape), np.uint8)
    for x, y, width, height in captions_of(bar, list(noise)):
        assert 0 <= x < x + width <= shape[1]
        assert 0 <= y < y + height <= shape[0]


def test_a_bar_that_lies_level_has_no_captions() -> None:
    assert captions_of((90, 60, 80, 12), moving_screens(16, polygon=BOX)) == []


def test_a_still_band_as_long_as_the_field_is_no_bar() -> None:
    pictures = moving_screens(16, polygon=BOX)
    for picture in pictures:
        picture[40:50, 100:241] = 200
    evidence = Evidence.of(pictures)
    bars = bars_beside(evidence, evidence.still() & ~field_mask(BOX), field_mask(BOX))
    assert not bars.drawn[40:50, 110:230].any()


def written_inside(region: Region, made: VariedScreen) -> int:
    """Lit pixels inside that belong to what is drawn beside the field."""
    drawn = made.beside & (np.max(made.shown, axis=0) > 40)
    return int(np.count_nonzero(inside(region, made.field.shape) & drawn))


def inside(region: Region, shape: tuple[int, ...] = (HEIGHT, WIDTH)) -> NDArray[np.bool_]:
    return mask(region.polygon, shape[1], shape[0]) > 0
