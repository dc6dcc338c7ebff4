from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.support.screens.real_fields import FIELDS, FOUND, TEXTS, spread_pictures
from benchmarks.support.screens.sample_screens import sample_screen
from benchmarks.support.screens.screens import (
    HEIGHT,
    SECTOR,
    WIDTH,
    field_mask,
    moving_screens,
    screen,
    speckle,
)
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.screen.field_shapes import filled, overlap
from eus_etl.domain.screen.overlays import boxes_mask, find_marks
from eus_etl.domain.screen.region import (
    Region,
    area_fraction,
    find_region,
    format_polygon,
    mask,
    parse_polygon,
    region_by_hand,
)
from eus_etl.sample.fields import FieldKind
from eus_etl.settings import RegionConfig

CONFIG = RegionConfig()

known_screen = lru_cache(sample_screen)


def test_a_moving_field_is_found_without_clock_header_bar_code_and_blinking_marks() -> None:
    region = find_region(moving_screens(24), CONFIG)
    assert (region.kind, region.found_by) == ("hull", "auto_motion")
    assert overlap(inside(region), field_mask()) > 0.93
    shown = inside(region)
    assert not shown[:25].any()
    assert not shown[225:].any()
    assert not shown[:, 285:].any()
    assert region.solidity is not None
    assert 0.9 < region.solidity <= 1
    assert region.area_fraction == pytest.approx(np.count_nonzero(shown) / shown.size)


def test_a_large_picture_gives_the_same_region_as_its_small_copy() -> None:
    small = moving_screens(12)
    large = [np.asarray(cv2.resize(picture, None, fx=4, fy=4), np.uint8) for picture in small]
    truth = np.kron(field_mask(), np.ones((4, 4))) > 0
    assert overlap(inside(find_region(large, CONFIG), truth.shape), truth) > 0.93


def test_a_few_other_pictures_among_many_do_not_move_the_region() -> None:
    pictures = moving_screens(40)
    flash = [np.full((HEIGHT, WIDTH), 255, np.uint8)] * 2
    assert overlap(inside(find_region([*pictures, *flash], CONFIG)), field_mask()) > 0.93


def test_a_frozen_recording_falls_back_to_what_is_lit_and_reports_it() -> None:
    frozen = speckle(np.random.default_rng(1))
    region = find_region([screen(frozen, tick) for tick in range(24)], CONFIG)
    assert region.found_by == "auto_structure"
    assert overlap(inside(region), field_mask()) > 0.9


@pytest.mark.parametrize("pictures", [[], [np.zeros((HEIGHT, WIDTH), np.uint8)] * 5])
def test_where_nothing_is_shown_there_is_no_region(pictures: list[Picture]) -> None:
    region = find_region(pictures, CONFIG)
    assert not region.found
    assert (region.kind, region.found_by) == ("none", "none")


def test_text_alone_is_no_region() -> None:
    empty = np.zeros((HEIGHT, WIDTH), np.uint8)
    assert not find_region([screen(empty, tick) for tick in range(24)], CONFIG).found


@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000)), min_size=3, max_size=12),
)
def test_a_polygon_reads_back_as_written(corners: list[tuple[int, int]]) -> None:
    polygon = np.array(corners, np.int32)
    assert np.array_equal(parse_polygon(format_polygon(polygon)), polygon)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,2 3,4",
        "1,2 3,4 5",
        "a,b c,d e,f",
        "1,2,3 4,5,6 7,8,9",
        "nan,1 2,2 3,3",
        "1,inf 2,2 3,3",
        "1,1e999 2,2 3,3",
    ],
)
def test_what_is_no_polygon_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"corner|pairs"):
        parse_polygon(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0,0 400,0 400,200", "outside the picture of 320x240"),
        ("-1,0 100,0 100,100", "outside the picture"),
        ("10,10 20,20 30,30", "no area"),
    ],
)
def test_a_region_by_hand_must_fit_the_picture(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        region_by_hand(text, WIDTH, HEIGHT)


def test_a_region_by_hand_may_be_concave_and_reach_the_border() -> None:
    region = region_by_hand("0,0 320,0 320,240 160,120 0,240", WIDTH, HEIGHT)
    assert (region.kind, region.found_by, region.solidity) == ("polygon", "regions.csv", None)
    assert inside(region)[0, WIDTH - 1]
    assert not inside(region)[HEIGHT - 5, 160]


def test_area_is_the_share_of_pixels() -> None:
    assert area_fraction(np.array([[0, 0], [9, 0], [9, 9], [0, 9]], np.int32), 20, 10) == 0.5
    assert area_fraction(np.empty((0, 2), np.int32), 20, 10) == 0
    assert np.array_equal(mask(SECTOR, WIDTH, HEIGHT) > 0, field_mask())


@pytest.mark.parametrize("corner", [(60, 50), (230, 50), (60, 170), (230, 170)])
def test_text_in_a_corner_of_the_field_is_not_taken_in_by_a_fitted_outline(corner: tuple[int, int]) -> None:
    box = np.array([[60, 50], [260, 50], [260, 190], [60, 190]], np.int32)
    plain = find_region(moving_screens(24, polygon=box), CONFIG)
    assert plain.kind == "linear"
    assert overlap(inside(plain), field_mask(box)) > 0.97
    left, top = corner
    pictures = moving_screens(24, polygon=box)
    for picture in pictures:
        picture[top : top + 20, left : left + 30] = 0
        cv2.putText(picture, "DOE", (left, top + 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 230, 1)
    region = find_region(pictures, CONFIG)
    assert region.kind != "linear"
    # what a convex outline cannot avoid is found as a mark
    letters = (pictures[0] == 230) & field_mask(box) & inside(region)
    marked = boxes_mask(find_marks(pictures, region.polygon).boxes, WIDTH, HEIGHT) > 0
    assert not (letters & ~marked).any()


def test_confidence_falls_from_a_fitted_field_to_a_hull_to_a_frozen_screen() -> None:
    fitted = find_region(known_screen("convex", 100).shown, CONFIG)
    hull = find_region(moving_screens(24), CONFIG)
    frozen = find_region(known_screen("convex", 100, frozen=True).shown, CONFIG)
    assert fitted.confidence > 0.9 > 0.8 >= hull.confidence > 0.6
    assert 0 < frozen.confidence <= 0.5
    assert Region().confidence == 0
    assert region_by_hand("0,0 300,0 300,200", WIDTH, HEIGHT).confidence == 1


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("linear", "linear"),
        pytest.param("convex", "sector", marks=pytest.mark.slow),
        pytest.param("radial", "sector", marks=pytest.mark.slow),
    ],
)
def test_sample_screens_give_their_field_exactly_and_no_text(kind: FieldKind, found: str) -> None:
    overlaps = []
    for seed in range(100, 104):
        sample = known_screen(kind, seed)
        region = find_region(sample.shown, CONFIG)
        assert (region.kind, region.found_by) == (found, "auto_motion")
        overlaps.append(overlap(inside(region, sample.field.shape), sample.field))
        assert texts_inside(region, sample.texts, sample.field.shape) == 0
    assert np.median(overlaps) >= 0.99
    assert min(overlaps) >= 0.985


@pytest.mark.parametrize("kind", ["linear", "convex", "radial"])
def test_a_frozen_sample_screen_gives_its_field_without_text(kind: FieldKind) -> None:
    sample = known_screen(kind, 100, frozen=True)
    region = find_region(sample.shown, CONFIG)
    assert region.found_by == "auto_structure"
    assert overlap(inside(region, sample.field.shape), sample.field) > 0.93
    assert texts_inside(region, sample.texts, sample.field.shape) == 0


@pytest.mark.parametrize("gap_px", [4, 8, 20])
def test_a_bright_header_over_a_frozen_field_is_no_part_of_it(gap_px: int) -> None:
    frozen = screen(speckle(np.random.default_rng(1)))
    frozen[: 38 - gap_px, 20:300] = 60
    region = find_region([frozen] * 6, CONFIG)
    assert region.found_by == "auto_structure"
    assert not inside(region)[: 38 - gap_px].any()
    assert overlap(inside(region), field_mask()) > 0.9


@pytest.mark.parametrize("clip", FOUND)
def test_real_clips_give_the_polygons_that_were_judged_by_eye(shared: Path, clip: str) -> None:
    pictures = spread_pictures(shared / "clips" / clip, CONFIG.sample_frames)
    region, shape = find_region(pictures, CONFIG), pictures[0].shape
    assert region.found_by == "auto_motion"
    assert overlap(inside(region, shape), filled(FOUND[clip], shape)) >= 0.98
    assert texts_inside(region, TEXTS[clip], shape) == 0
    # little of the screen is inside, whatever is missed of the field
    field = filled(FIELDS[clip], shape)
    assert np.count_nonzero(inside(region, shape) & ~field) < 0.04 * np.count_nonzero(field)
    assert overlap(inside(region, shape), field) > 0.89


@pytest.mark.parametrize("clip", FOUND)
def test_a_still_picture_of_a_real_clip_gives_no_text_beside_the_field(shared: Path, clip: str) -> None:
    pictures = spread_pictures(shared / "clips" / clip, 3)
    region, shape = find_region(pictures[1:2], CONFIG), pictures[0].shape
    assert region.found_by == "auto_structure"
    assert region.confidence <= 0.5
    # the machine's small mark that touches the field's corner is lit as the field is
    touching = [(15, 48, 14, 14)] if clip == "DemoBMode.mov" else []
    assert texts_inside(region, [box for box in TEXTS[clip] if box not in touching], shape) == 0


def test_by_hand_and_found_outlines_of_the_clips_are_of_the_same_clips() -> None:
    assert set(FIELDS) == set(TEXTS) == set(FOUND)
    for clip, corners in FOUND.items():
        field, found = (filled(each, (1000, 1300)) for each in (FIELDS[clip], corners))
        assert overlap(field, found) > 0.89


def inside(region: Region, shape: tuple[int, ...] = (HEIGHT, WIDTH)) -> NDArray[np.bool_]:
    return mask(region.polygon, shape[1], shape[0]) > 0


def texts_inside(region: Region, boxes: Iterable[tuple[int, int, int, int]], shape: tuple[int, ...]) -> int:
    """Pixels of text boxes that lie inside."""
    shown = inside(region, shape)
    return sum(
        int(np.count_nonzero(shown[max(0, y) : y + height, max(0, x) : x + width]))
        for x, y, width, height in boxes
    )
