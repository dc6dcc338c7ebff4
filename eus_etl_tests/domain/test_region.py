from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from eus_etl.domain.region import (
    Picture,
    Region,
    area_fraction,
    find_region,
    format_polygon,
    mask,
    parse_polygon,
    region_by_hand,
)
from eus_etl.settings import RegionConfig
from eus_etl_tests.screens import HEIGHT, SECTOR, WIDTH, field_mask, moving_screens, screen, speckle

CONFIG = RegionConfig()


def iou(region: Region, truth: NDArray[np.bool_]) -> float:
    found = mask(region.polygon, truth.shape[1], truth.shape[0]) > 0
    return float((found & truth).sum() / (found | truth).sum())


def test_a_moving_field_is_found_without_clock_header_bar_code_and_blinking_marks() -> None:
    region = find_region(moving_screens(24), CONFIG)
    assert (region.kind, region.found_by) == ("hull", "auto_motion")
    assert iou(region, field_mask()) > 0.93
    inside = mask(region.polygon, WIDTH, HEIGHT)
    assert not inside[:25].any()
    assert not inside[225:].any()
    assert not inside[:, 285:].any()
    assert region.solidity is not None
    assert 0.9 < region.solidity <= 1
    assert region.area_fraction == pytest.approx(np.count_nonzero(inside) / inside.size)


def test_a_large_picture_gives_the_same_region_as_its_small_copy() -> None:
    small = moving_screens(12)
    large = [np.asarray(cv2.resize(picture, None, fx=4, fy=4), np.uint8) for picture in small]
    truth = np.kron(field_mask(), np.ones((4, 4))) > 0
    assert iou(find_region(large, CONFIG), truth) > 0.93


def test_a_few_other_pictures_among_many_do_not_move_the_region() -> None:
    pictures = moving_screens(40)
    flash = [np.full((HEIGHT, WIDTH), 255, np.uint8)] * 2
    assert iou(find_region([*pictures, *flash], CONFIG), field_mask()) > 0.93


def test_a_frozen_recording_falls_back_on_what_is_lit_and_says_so() -> None:
    frozen = speckle(np.random.default_rng(1))
    region = find_region([screen(frozen, tick) for tick in range(24)], CONFIG)
    assert region.found_by == "auto_structure"
    assert iou(region, field_mask()) > 0.9


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
    "text", ["", "1,2 3,4", "1,2 3,4 5", "a,b c,d e,f", "1,2,3 4,5,6 7,8,9", "nan,1 2,2 3,3"]
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
    inside = mask(region.polygon, WIDTH, HEIGHT)
    assert inside[0, WIDTH - 1]
    assert not inside[HEIGHT - 5, 160]


def test_area_is_the_share_of_pixels() -> None:
    assert area_fraction(np.array([[0, 0], [9, 0], [9, 9], [0, 9]], np.int32), 20, 10) == 0.5
    assert area_fraction(np.empty((0, 2), np.int32), 20, 10) == 0
    assert np.array_equal(mask(SECTOR, WIDTH, HEIGHT) > 0, field_mask())


REAL = {
    # a box that the region must hold, and boxes (text, clock, logo, tick marks) that it must not touch
    "DemoBMode.mov": ((40, 60, 490, 390), [(0, 0, 640, 40), (520, 40, 640, 400)]),
    "clarius-ocular-short.mp4": (
        (280, 100, 740, 680),
        [(0, 0, 250, 960), (900, 876, 980, 960), (280, 0, 320, 75)],
    ),
    "color3d_jpeg_baseline.h264.mp4": (
        (280, 120, 400, 400),
        [(0, 0, 130, 60), (560, 0, 640, 480), (0, 450, 640, 480), (540, 405, 640, 450)],
    ),
    "Vir_prospective_file2.mp4": ((5, 5, 265, 265), []),
    "Reg_pat4Image_140024.mpeg": ((120, 30, 250, 320), [(0, 0, 40, 100), (330, 0, 370, 100)]),
}


@pytest.mark.parametrize("name", REAL)
def test_real_clips_keep_their_field_and_lose_their_text(shared: Path, name: str) -> None:
    held, lost = REAL[name]
    with av.open(str(shared / "clips" / name)) as clip:
        pictures = [np.asarray(frame.to_ndarray(format="gray"), np.uint8) for frame in clip.decode(video=0)]
    region = find_region(pictures[:: len(pictures) // 24], CONFIG)
    inside = mask(region.polygon, pictures[0].shape[1], pictures[0].shape[0]) > 0
    left, top, right, bottom = held
    assert inside[top:bottom, left:right].mean() > 0.98
    for left, top, right, bottom in lost:
        assert not inside[top:bottom, left:right].any()
