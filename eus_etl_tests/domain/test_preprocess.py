from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.support.screens.screens import HEIGHT, SECTOR, WIDTH, Picture, colored, screen, speckle
from eus_etl.domain.preprocess import Geometry, Preprocessor
from eus_etl.domain.screen.region import mask
from eus_etl.settings import RecipeConfig

GREY = RecipeConfig(version=1, size_px=128)
CORNERS = st.lists(
    st.tuples(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1)), min_size=3, max_size=8, unique=True
)


def polygon_of(corners: list[tuple[int, int]]) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    return np.asarray(cv2.convexHull(np.array(corners, np.int32))[:, 0, :], np.int32)


def a_screen(tick: int = 7) -> Picture:
    return colored(screen(speckle(np.random.default_rng(3)), tick))


@given(CORNERS, st.integers(16, 600), st.floats(0, WIDTH), st.floats(0, HEIGHT))
def test_positions_in_the_output_lead_back_to_the_frame(
    corners: list[tuple[int, int]], size_px: int, x: float, y: float
) -> None:
    geometry = Geometry.of(polygon_of(corners), size_px)
    point = np.array([[x, y]])
    assert np.allclose(geometry.to_frame(geometry.to_output(point)), point, atol=1e-6)


@given(CORNERS, st.integers(16, 600))
def test_the_crop_fills_the_square_is_centred_and_not_stretched(
    corners: list[tuple[int, int]], size_px: int
) -> None:
    polygon = polygon_of(corners)
    geometry = Geometry.of(polygon, size_px)
    assert max(geometry.width, geometry.height) == size_px
    assert abs(2 * geometry.pad_x + geometry.width - size_px) <= 1
    assert abs(2 * geometry.pad_y + geometry.height - size_px) <= 1
    # a side is at least one pixel; beyond that both have one scale, up to rounding
    assert abs(geometry.width - max(1, geometry.crop_w * geometry.scale)) <= 0.5
    assert abs(geometry.height - max(1, geometry.crop_h * geometry.scale)) <= 0.5
    inside = geometry.to_output(np.asarray(polygon + 0.5, np.float64))
    assert (inside >= 0).all()
    assert (inside <= size_px).all()


@given(CORNERS, st.sampled_from([16, 64, 256]), st.booleans(), st.sampled_from([None, 3.0]))
def test_no_pixel_outside_of_the_polygon_reaches_the_output(
    corners: list[tuple[int, int]], size_px: int, grey: bool, clahe_clip: float | None
) -> None:
    polygon = polygon_of(corners)
    recipe = RecipeConfig(version=1, size_px=size_px, grey=grey, clahe_clip=clahe_clip)
    preprocessor = Preprocessor(polygon, WIDTH, HEIGHT, recipe)
    inside = mask(polygon, WIDTH, HEIGHT) > 0
    rng = np.random.default_rng(5)
    one = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    other = one.copy()
    other[~inside] = rng.integers(0, 256, (int((~inside).sum()), 3), np.uint8)
    prepared, again = preprocessor.apply(one), preprocessor.apply(other)
    assert np.array_equal(prepared.picture, again.picture)
    assert (prepared.mean, prepared.std) == (again.mean, again.std)


@pytest.mark.parametrize(
    ("size_px", "grey", "clahe_clip"), list(product([64, 512], [True, False], [None, 2.0]))
)
def test_what_maps_outside_of_the_polygon_is_black(
    size_px: int, grey: bool, clahe_clip: float | None
) -> None:
    recipe = RecipeConfig(version=1, size_px=size_px, grey=grey, clahe_clip=clahe_clip)
    preprocessor = Preprocessor(SECTOR, WIDTH, HEIGHT, recipe)
    picture = preprocessor.apply(a_screen()).picture
    assert picture.shape == ((size_px, size_px) if grey else (size_px, size_px, 3))
    ys, xs = np.nonzero(picture if grey else picture.max(axis=2))
    assert len(ys) > 0.4 * size_px**2
    frame = np.floor(preprocessor.geometry.to_frame(np.stack([xs + 0.5, ys + 0.5], axis=1))).astype(int)
    near = cv2.dilate(mask(SECTOR, WIDTH, HEIGHT), np.ones((3, 3), np.uint8))
    assert near[frame[:, 1], frame[:, 0]].all()


def test_a_mark_lands_where_the_geometry_says() -> None:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[120, 170] = 255
    preprocessor = Preprocessor(SECTOR, WIDTH, HEIGHT, GREY)
    output = preprocessor.apply(picture).picture
    y, x = np.unravel_index(int(output.argmax()), output.shape)
    assert (
        np.abs(preprocessor.geometry.to_output(np.array([[170.5, 120.5]]))[0] - (x + 0.5, y + 0.5)).max() <= 1
    )


def test_mean_and_deviation_are_those_inside_the_mask() -> None:
    picture = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    picture[:, :170] = 100
    square = np.array([[120, 60], [219, 60], [219, 159], [120, 159]], np.int32)
    recipe = RecipeConfig(version=1, size_px=100)
    prepared = Preprocessor(square, WIDTH, HEIGHT, recipe).apply(picture)
    assert prepared.mean == pytest.approx(150)
    assert prepared.std == pytest.approx(50)
    sector = Preprocessor(SECTOR, WIDTH, HEIGHT, GREY).apply(np.full_like(picture, 90))
    assert sector.mean == pytest.approx(90, abs=1)  # black around the sector counts for nothing


def test_clahe_raises_the_contrast_of_a_faint_picture() -> None:
    faint = colored((screen(speckle(np.random.default_rng(1))) // 4 + 20).astype(np.uint8))
    plain = Preprocessor(SECTOR, WIDTH, HEIGHT, GREY).apply(faint)
    raised = Preprocessor(SECTOR, WIDTH, HEIGHT, GREY.model_copy(update={"clahe_clip": 4.0})).apply(faint)
    assert raised.std > 1.3 * plain.std


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="not the layout's size"):
        Preprocessor(SECTOR, WIDTH, HEIGHT, GREY).apply(np.zeros((100, 100, 3), np.uint8))


@pytest.mark.parametrize("grey", [True, False])
def test_marks_are_painted_over_from_what_lies_around_them(grey: bool) -> None:
    plain = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    marked = plain.copy()
    cv2.drawMarker(marked, (160, 130), (255, 255, 255), cv2.MARKER_CROSS, 11)
    recipe = GREY.model_copy(update={"grey": grey})
    left = Preprocessor(SECTOR, WIDTH, HEIGHT, recipe).apply(marked)
    painted = Preprocessor(SECTOR, WIDTH, HEIGHT, recipe, ((153, 123, 15, 15),)).apply(marked)
    unmarked = Preprocessor(SECTOR, WIDTH, HEIGHT, recipe).apply(plain)
    assert left.picture.max() > 150
    assert np.abs(painted.picture.astype(int) - unmarked.picture).max() <= 2
    assert painted.mean == pytest.approx(unmarked.mean, abs=0.5)


def test_painting_over_a_mark_changes_nothing_far_from_it_and_lets_nothing_in() -> None:
    # a mark at the left side of the field, beside bright text on the screen
    screen_with_text, marks = a_screen(), ((62, 140, 20, 12),)
    bright = screen_with_text.copy()
    bright[130:160, :55] = 255
    bright[mask(SECTOR, WIDTH, HEIGHT) > 0] = screen_with_text[mask(SECTOR, WIDTH, HEIGHT) > 0]
    painting = Preprocessor(SECTOR, WIDTH, HEIGHT, GREY, marks)
    assert np.array_equal(painting.apply(bright).picture, painting.apply(screen_with_text).picture)
    plain = Preprocessor(SECTOR, WIDTH, HEIGHT, GREY)
    there, here = painting.apply(screen_with_text).picture, plain.apply(screen_with_text).picture
    ys, xs = np.nonzero(there != here)
    assert len(ys)
    where = plain.geometry.to_frame(np.stack([xs + 0.5, ys + 0.5], axis=1))
    assert (np.abs(where - (72, 146)) <= (12, 8)).all()


def test_a_mark_outside_of_the_region_costs_and_changes_nothing() -> None:
    picture = a_screen()
    outside = Preprocessor(SECTOR, WIDTH, HEIGHT, GREY, ((0, 0, 20, 20),)).apply(picture)
    assert np.array_equal(outside.picture, Preprocessor(SECTOR, WIDTH, HEIGHT, GREY).apply(picture).picture)
