from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.support.screens.real_fields import spread_pictures
from benchmarks.support.screens.sample_screens import sample_screen
from benchmarks.support.screens.screens import HEIGHT, SECTOR, WIDTH, moving_screens, screen, speckle
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.screen.overlays import NO_MARKS, Boxes, boxes_mask, find_marks, format_boxes, parse_boxes
from eus_etl.domain.screen.region import NO_POLYGON
from eus_etl.domain.screen.region_search import find_region
from eus_etl.sample.fields import FieldKind
from eus_etl.settings import RegionConfig

BOXES = st.lists(
    st.tuples(st.integers(0, 4000), st.integers(0, 4000), st.integers(1, 400), st.integers(1, 400)),
    max_size=8,
)


def stored(picture: Picture) -> Picture:
    _, encoded = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, 90))
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)


def crosses(pictures: list[Picture], places: list[tuple[int, int]]) -> list[Picture]:
    drawn = []
    for picture in pictures:
        own = picture.copy()
        for place in places:
            cv2.drawMarker(own, place, 255, cv2.MARKER_CROSS, 11)
        drawn.append(stored(own))
    return drawn


def centres(boxes: Boxes) -> list[tuple[float, float]]:
    return sorted((x + width / 2, y + height / 2) for x, y, width, height in boxes)


def test_calipers_are_found_where_they_are_and_nothing_without_them() -> None:
    places = [(120, 140), (180, 110)]
    assert find_marks([stored(one) for one in moving_screens(16)], SECTOR) == NO_MARKS
    found = find_marks(crosses(moving_screens(16), places), SECTOR)
    assert found.insets == ()
    assert np.allclose(centres(found.boxes), places, atol=2)
    assert all(8 <= side <= 16 for box in found.boxes for side in box[2:])


def test_what_moves_or_lies_outside_the_region_is_not_a_mark() -> None:
    outside = crosses(moving_screens(16), [(30, 60)])
    assert find_marks(outside, SECTOR) == NO_MARKS
    moving = [crosses([one], [(120 + 3 * n, 140)])[0] for n, one in enumerate(moving_screens(16))]
    assert find_marks(moving, SECTOR) == NO_MARKS


def test_a_measured_distance_is_a_row_of_small_boxes() -> None:
    drawn = []
    for picture in moving_screens(16):
        own = picture.copy()
        cv2.line(own, (120, 100), (200, 170), 255, 1)
        drawn.append(own)
    boxes = find_marks(drawn, SECTOR).boxes
    assert len(boxes) > 3
    assert max(max(width, height) for _, _, width, height in boxes) <= 24
    line = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.line(line, (120, 100), (200, 170), 255, 1)
    covered = boxes_mask(boxes, WIDTH, HEIGHT)
    assert (covered[line > 0] > 0).mean() > 0.9
    assert np.count_nonzero(covered) < 0.5 * 80 * 70


@pytest.mark.parametrize("moves", [False, True])
@pytest.mark.parametrize(
    "kind", ["linear", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("convex", "radial"))]
)
def test_an_inset_is_found_with_its_box(kind: FieldKind, moves: bool) -> None:
    sample = sample_screen(kind, 100)
    assert find_marks(sample.shown, region_of(sample.shown)) == NO_MARKS
    height, width = sample.field.shape
    x, y, wide, high = width // 2 - width // 10, height // 2, width // 6, height // 6
    rng = np.random.default_rng(5)
    shown = []
    for picture in sample.shown:
        inset = np.full((high, wide), 20.0)
        cv2.circle(inset, (wide // 2, high // 2), high // 4, 180, 2)
        if moves:
            inset = rng.normal(190, 25, (high, wide))
        own = picture.copy()
        own[y : y + high, x : x + wide] = np.clip(inset, 0, 255)
        shown.append(stored(own))
    ((left, top, found_wide, found_high),) = find_marks(shown, region_of(shown)).insets
    found = (left, top, left + found_wide, top + found_high)
    assert np.abs(np.array(found) - (x, y, x + wide, y + high)).max() <= 6


def region_of(pictures: list[Picture]) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return find_region(pictures, RegionConfig()).polygon


def test_few_pictures_or_no_region_give_nothing() -> None:
    marked = crosses(moving_screens(16), [(120, 140)])
    assert find_marks(marked[:3], SECTOR) == NO_MARKS
    assert find_marks(marked, NO_POLYGON) == NO_MARKS


def test_still_speckle_has_no_sharp_marks() -> None:
    still = stored(screen(speckle(np.random.default_rng(2), level=50)))
    assert find_marks([still] * 8, SECTOR).boxes == ()


REAL_MARKS = {
    # the clip's marks inside its field: how many, and the columns in which they lie
    "clarius-ocular-short.mp4": (17, 20, (988, 1000)),
    "Cov_convex_volpecelli_sonographic_v1.mov": (6, 8, (0, 449)),
    "DemoBMode.mov": (10, 26, (24, 504)),  # the line of the transducer's face; the color bar is cut out
    "Reg_pat4Image_140024.mpeg": (0, 0, (0, 0)),
    "Vir_prospective_file2.mp4": (0, 0, (0, 0)),
    "color3d_jpeg_baseline.h264.mp4": (0, 0, (0, 0)),
    "color3d_jpeg_baseline.mjpeg.avi": (0, 0, (0, 0)),
    "examples_ybr_color.dcm": (0, 0, (0, 0)),
}


@pytest.mark.parametrize("clip", REAL_MARKS)
def test_marks_of_real_clips_are_what_their_machines_drew(shared: Path, clip: str) -> None:
    least, most, (left, right) = REAL_MARKS[clip]
    pictures = spread_pictures(shared / "clips" / clip, 48)
    found = find_marks(pictures, region_of(pictures))
    assert least <= len(found.boxes) <= most
    assert all(left <= x and x + width <= right for x, _, width, _ in found.boxes)
    assert found.insets == ()


@given(BOXES)
def test_boxes_read_back_as_written(boxes: list[tuple[int, int, int, int]]) -> None:
    assert parse_boxes(format_boxes(tuple(boxes))) == tuple(boxes)


def test_boxes_are_masked_to_their_last_pixel() -> None:
    drawn = boxes_mask(((2, 3, 4, 1),), 10, 6)
    assert drawn.sum() == 4 * 255
    assert drawn[3, 2:6].all()
