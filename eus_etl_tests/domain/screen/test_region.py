from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.support.screens.real_fields import CLIPS, REAL_FIELDS, GreyClip, spread_pictures
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
from benchmarks.support.screens.varied_screens import KINDS as VARIED
from benchmarks.support.screens.varied_screens import VariedKind, varied_screen
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.screen.field.shapes import overlap
from eus_etl.domain.screen.overlays import boxes_mask, find_marks
from eus_etl.domain.screen.region import (
    Region,
    area_fraction,
    format_polygon,
    mask,
    parse_polygon,
    region_by_hand,
)
from eus_etl.domain.screen.region_search import find_region
from eus_etl.sample.fields import FieldKind
from eus_etl.settings import RegionConfig
from eus_etl.steps.text_reader.on_screen import words_on_screen
from eus_etl.steps.text_reader.processes import SeparateReader

CONFIG = RegionConfig()

known_screen = lru_cache(sample_screen)
grey_clip = lru_cache(maxsize=1)(GreyClip.of)


def test_a_moving_field_is_found_without_clock_header_bar_code_and_blinking_marks() -> None:
    region = find_region(moving_screens(24), CONFIG)
    assert (region.kind, region.found_by) == ("sector", "auto_motion")
    assert overlap(inside(region), field_mask()) > 0.9
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
    assert overlap(inside(find_region(large, CONFIG), truth.shape), truth) > 0.9


def test_a_few_other_pictures_among_many_do_not_move_the_region() -> None:
    pictures = moving_screens(40)
    flash = [np.full((HEIGHT, WIDTH), 255, np.uint8)] * 2
    assert overlap(inside(find_region([*pictures, *flash], CONFIG)), field_mask()) > 0.9


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
def test_text_in_a_corner_of_the_field_is_marked_or_cut_out(corner: tuple[int, int]) -> None:
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
    letters = (pictures[0] == 230) & field_mask(box)
    marked = boxes_mask(find_marks(pictures, region.polygon).boxes, WIDTH, HEIGHT) > 0
    assert not (letters & inside(region) & ~marked).any()
    read = find_region(pictures, CONFIG, [(left, top + 4, 24, 12)])
    assert not (letters & inside(read)).any()


def test_confidence_falls_from_a_fitted_field_to_a_hull_to_a_frozen_screen() -> None:
    fitted = find_region(known_screen("convex", 100).shown, CONFIG)
    blob = np.array([[160, 30], [290, 100], [190, 120], [160, 210], [130, 120], [30, 100]], np.int32)
    hull = find_region(moving_screens(24, polygon=blob), CONFIG)
    assert hull.kind == "hull"
    assert hull.doubt is not None
    frozen = find_region(known_screen("convex", 100, frozen=True).shown, CONFIG)
    assert fitted.confidence > 0.9 > 0.8 >= hull.confidence > 0.5
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


@pytest.mark.parametrize(
    "rate_hz", [5.0, *(pytest.param(rate, marks=pytest.mark.slow) for rate in (1.0, None))]
)
@pytest.mark.parametrize("clip", REAL_FIELDS)
def test_real_clips_give_the_field_drawn_by_hand(shared: Path, clip: str, rate_hz: float | None) -> None:
    real, whole = REAL_FIELDS[clip], grey_clip(shared / REAL_FIELDS[clip].video)
    pictures = whole.kept(rate_hz, CONFIG.sample_frames)
    words = words_on_screen(SeparateReader(), clip, pictures)
    region, shape = find_region(pictures, CONFIG, words), pictures[0].shape
    field, bright = real.mask(shape), np.max(whole.frames, axis=0)
    found = inside(region, shape)
    covered = clip.startswith("c42")  # a name hangs over the field: it is cut out, with what is behind it
    assert overlap(found, field) >= (0.9 if covered else 0.97)
    lit = field & (cv2.medianBlur(bright, 3) > 8)
    assert np.count_nonzero(lit & ~found) <= (0.1 if covered else 0.01) * np.count_nonzero(lit)
    assert region.doubt is None or len(pictures) == 1 or covered
    # a unit in dim letters on the field, which no reader reads
    written = real.beside_mask(shape) & (bright > 100) & found
    assert np.count_nonzero(written) <= (300 if "emo" in clip else 8)


@pytest.mark.parametrize("clip", CLIPS)
def test_a_still_picture_of_a_real_clip_is_in_doubt(shared: Path, clip: str) -> None:
    region = find_region(spread_pictures(shared / "clips" / clip, 3)[1:2], CONFIG)
    assert region.found_by == "auto_structure"
    assert region.confidence <= 0.5
    assert region.doubt is not None


def test_nothing_that_is_beside_a_field_lies_in_the_field_drawn_by_hand(shared: Path) -> None:
    for real in REAL_FIELDS.values():
        shape = (1000, 1300)
        assert not (real.mask(shape) & real.beside_mask(shape)).any()
        assert (shared / real.video).is_file()


@pytest.mark.parametrize("kind", VARIED)
def test_fields_of_all_kinds_are_found_among_bars_and_marks(kind: VariedKind) -> None:
    made = varied_screen(kind, 101)
    region = find_region(made.shown, CONFIG)
    assert region.doubt is None
    found = inside(region, made.field.shape)
    assert overlap(found, made.field) > 0.97
    assert np.count_nonzero(found & made.beside) < 0.002 * np.count_nonzero(made.field)


@pytest.mark.parametrize(("kind", "seed"), [("steered", 5005), ("steered", 5006), ("trapezoid", 5002)])
def test_a_side_that_is_spoilt_is_found_by_the_other_one(kind: VariedKind, seed: int) -> None:
    """A bar lies over one side, or a wing without contact hides it."""
    made = varied_screen(kind, seed)
    region = find_region(made.shown, CONFIG)
    assert overlap(inside(region, made.field.shape), made.field) > 0.985


@pytest.mark.parametrize(("kind", "seed"), [("steered", 5002), ("linear", 5009), ("cut_off", 5009)])
def test_a_field_whose_edges_are_not_seen_is_found_or_in_doubt(kind: VariedKind, seed: int) -> None:
    made = varied_screen(kind, seed)
    region = find_region(made.shown, CONFIG)
    assert region.doubt is not None or overlap(inside(region, made.field.shape), made.field) > 0.97


def test_a_region_found_on_a_smaller_copy_is_no_larger_than_the_field() -> None:
    box = np.array([[60, 50], [259, 50], [259, 189], [60, 189]], np.int32)
    large = [np.kron(picture, np.ones((2, 2), np.uint8)) for picture in moving_screens(12, polygon=box)]
    truth = np.kron(field_mask(box), np.ones((2, 2))) > 0
    assert overlap(inside(find_region(large, CONFIG), truth.shape), truth) > 0.99


def test_the_picture_is_the_region_and_a_strip_that_scrolls_is_not() -> None:
    box = np.array([[110, 30], [210, 30], [210, 130], [110, 130]], np.int32)
    rng = np.random.default_rng(3)
    strip = cv2.GaussianBlur(rng.normal(0, 1, (50, 400)).astype(np.float32), (0, 0), 1.2)
    levels = np.clip(90 + 40 * np.sin(np.arange(50) / 3)[:, np.newaxis] + 60 * strip, 0, 255).astype(np.uint8)
    pictures = moving_screens(24, polygon=box)
    for number, picture in enumerate(pictures):
        picture[160:210, 20:300] = levels[:, 4 * number : 4 * number + 280]
    region = find_region(pictures, CONFIG)
    assert overlap(inside(region), field_mask(box)) > 0.95
    for picture in pictures:
        picture[:150] = 0
    alone = find_region(pictures, CONFIG)
    assert alone.doubt is not None
    assert "strip" in alone.doubt


def test_a_filmed_screen_that_shakes_is_in_doubt() -> None:
    rng = np.random.default_rng(4)
    pictures = []
    for picture in moving_screens(16):
        shift = np.array([[1, 0, rng.normal(0, 3)], [0, 1, rng.normal(0, 3)]], np.float32)
        shaken = cv2.warpAffine(picture.astype(np.float32) * 0.8 + 18, shift, (WIDTH, HEIGHT), borderValue=20)
        pictures.append(np.clip(shaken + rng.normal(0, 4, shaken.shape), 0, 255).astype(np.uint8))
    region = find_region(pictures, CONFIG)
    assert region.doubt is not None or overlap(inside(region), field_mask()) > 0.9


def test_ultrasound_that_fills_the_picture_is_not_in_doubt_and_a_dark_border_is() -> None:
    rng = np.random.default_rng(5)
    full = [speckle(rng) for _ in range(16)]
    region = find_region(full, CONFIG)
    assert (region.kind, region.doubt) == ("linear", None)
    assert region.area_fraction == 1
    flicker = [np.asarray(np.clip(picture, 0, 255), np.uint8) for picture in full]
    for picture in flicker:
        picture[:14] = rng.integers(14, 20, (14, WIDTH), np.uint8)
        picture[-14:] = rng.integers(14, 20, (14, WIDTH), np.uint8)
    dark = find_region(flicker, CONFIG)
    assert dark.area_fraction < 0.95 or dark.doubt is not None


def test_words_across_the_outline_are_cut_out_and_words_within_the_field_are_not() -> None:
    box = np.array([[60, 50], [260, 50], [260, 190], [60, 190]], np.int32)
    pictures = moving_screens(24, polygon=box)
    beside, over, within = (264, 60, 30, 12), (40, 120, 40, 12), (140, 100, 40, 12)
    region = find_region(pictures, CONFIG, [beside, over, within])
    shown = inside(region)
    assert not shown[120:132, 40:80].any()
    assert not shown[60:72, 264:294].any()
    assert shown[100:112, 140:180].all()
    assert overlap(shown, field_mask(box)) > 0.95


@pytest.mark.parametrize(
    "place", [(202, 60, 60, 16), (202, 50, 60, 16), (80, 192, 90, 16), (202, 110, 60, 14)]
)
@pytest.mark.parametrize("shown", [range(5, 11), range(0, 24, 2), range(24)], ids=["once", "blinks", "stays"])
def test_a_plate_of_text_beside_the_field_does_not_draw_the_region_out(
    place: tuple[int, int, int, int], shown: range
) -> None:
    box = np.array([[60, 50], [200, 50], [200, 190], [60, 190]], np.int32)
    pictures, (x, y, width, height) = moving_screens(24, polygon=box), place
    for number in shown:
        pictures[number][y : y + height, x : x + width] = 200
        at = x + 2, y + height - 3
        cv2.putText(pictures[number], "DOE 123", at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 10, 1)
    region = find_region(pictures, CONFIG)
    assert region.doubt is None
    assert not inside(region)[y : y + height, x : x + width].any()
    assert overlap(inside(region), field_mask(box)) > 0.97


def test_a_field_that_loses_its_contact_for_a_while_is_not_taken_for_text() -> None:
    pictures = moving_screens(24)
    for number in range(4, 12):
        pictures[number][:, 160:280] = 0
    assert overlap(inside(find_region(pictures, CONFIG)), field_mask()) > 0.9


def test_a_bar_that_overlaps_the_field_is_cut_out() -> None:
    box = np.array([[60, 50], [260, 50], [260, 190], [60, 190]], np.int32)
    pictures = moving_screens(24, polygon=box)
    for picture in pictures:
        picture[70:150, 52:68] = np.linspace(250, 140, 80)[:, np.newaxis]
    region = find_region(pictures, CONFIG)
    shown = inside(region)
    assert not shown[72:148, 60:67].any()
    assert shown[72:148, 72].all()


def test_of_a_small_picture_a_bar_is_told_from_the_bright_tissue_that_it_touches() -> None:
    box = np.array([[60, 50], [260, 50], [260, 190], [60, 190]], np.int32)
    pictures, rng = moving_screens(24, polygon=box), np.random.default_rng(8)
    for picture in pictures:
        tissue = rng.normal(170, 4, (16, 100)).astype(np.uint8)
        picture[74:90, 62:162] = cv2.GaussianBlur(tissue, (0, 0), 1.5)
        picture[70:150, 55:65] = np.linspace(250, 200, 80)[:, np.newaxis]
    shown = inside(find_region(pictures, CONFIG))
    assert not shown[72:148, 60:64].any()
    assert shown[76:88, 67:160].all()


def inside(region: Region, shape: tuple[int, ...] = (HEIGHT, WIDTH)) -> NDArray[np.bool_]:
    return mask(region.polygon, shape[1], shape[0]) > 0


def texts_inside(region: Region, boxes: Iterable[tuple[int, int, int, int]], shape: tuple[int, ...]) -> int:
    """Pixels of text boxes that lie inside."""
    shown = inside(region, shape)
    return sum(
        int(np.count_nonzero(shown[max(0, y) : y + height, max(0, x) : x + width]))
        for x, y, width, height in boxes
    )
