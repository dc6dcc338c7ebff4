from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eus_etl.domain.screen.field.edges import Edges
from eus_etl.domain.screen.field.fit import fit_field
from eus_etl.domain.screen.field.shapes import Geometry, Rectangle, Sector, Trapezoid, filled, hull, overlap

SHAPE = (360, 480)
WHOLE = (0.0, 0.0, SHAPE[1] - 1.0, SHAPE[0] - 1.0)

sectors = st.builds(
    lambda x, top, inner, outer, half, turn: Sector(
        x, top - inner * np.cos(half), inner, outer, turn - half, turn + half, WHOLE
    ),
    st.floats(200, 280),
    st.floats(10, 60),
    st.floats(5, 90),
    st.floats(200, 270),
    st.floats(np.deg2rad(25), np.deg2rad(42)),
    st.floats(np.deg2rad(-6), np.deg2rad(6)),
)
rectangles = st.builds(
    lambda x, y, width, height: Rectangle(x, y, x + width, y + height),
    st.integers(5, 150),
    st.integers(5, 100),
    st.integers(120, 300),
    st.integers(120, 240),
)


def best(seen: NDArray[np.bool_]) -> Geometry:
    return max(fit_field(seen), key=lambda fit: agreement(fit, seen))


def agreement(fit: Geometry, seen: NDArray[np.bool_]) -> float:
    return overlap(filled(fit.outline(), seen.shape), seen)


def drawn_sector(field: Sector) -> NDArray[np.bool_]:
    """A sector by its definition, pixel by pixel."""
    ys, xs = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    x, y = xs - field.apex_x, ys - field.apex_y
    radius, angle = np.hypot(x, y), np.arctan2(x, y)
    inside = (radius >= field.inner_px) & (radius <= field.outer_px)
    return np.asarray(inside & (angle >= field.first_rad) & (angle <= field.last_rad))


@settings(max_examples=15)
@given(sectors)
def test_a_sector_is_found_and_drawn_as_defined(field: Sector) -> None:
    truth = drawn_sector(field)
    assert overlap(filled(field.outline(), SHAPE), truth) > 0.975
    fit = best(truth)
    assert fit.kind == "sector"
    assert agreement(fit, truth) > 0.965


@settings(max_examples=15)
@given(rectangles)
def test_a_rectangle_is_found_to_the_pixel(field: Rectangle) -> None:
    fit = best(filled(field.outline(), SHAPE))
    assert fit.kind == "linear"
    assert np.abs(fit.outline() - field.outline()).max() <= 1


@pytest.mark.parametrize(
    ("left_slope", "right_slope"), [(-0.2, 0.2), (0.25, 0.25), (-0.15, -0.15), (0.1, -0.1)]
)
def test_slanted_sides_are_found(left_slope: float, right_slope: float) -> None:
    field = Trapezoid(150, left_slope, 330, right_slope, (0, 40, SHAPE[1] - 1, 300))
    truth = filled(field.outline(), SHAPE)
    fit = best(truth)
    assert fit.kind == "trapezoid"
    assert agreement(fit, truth) > 0.98


@settings(max_examples=20)
@given(st.floats(150, 300), st.floats(120, 230), st.floats(60, 110))
def test_a_full_circle_is_a_sector_with_its_centre(x: float, y: float, radius: float) -> None:
    ys, xs = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    truth = np.hypot(xs - x, ys - y) <= radius
    fit = best(truth)
    assert fit.kind == "sector"
    assert overlap(filled(fit.outline(), SHAPE), truth) > 0.98


@settings(max_examples=15)
@given(sectors, st.floats(0, 0.45), st.integers(0, 2**32 - 1))
def test_a_dark_wing_and_rough_edges_leave_the_sector_where_it_is(
    field: Sector, depth: float, seed: int
) -> None:
    """A notch in the left side, and an edge that is off by a pixel here and there."""
    truth = drawn_sector(field)
    seen = truth.copy()
    ys, xs = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    left = field.first_rad + depth * (field.last_rad - field.first_rad) / 2
    middle = (field.inner_px + field.outer_px) / 2
    x, y = xs - field.apex_x, ys - field.apex_y
    seen &= ~((np.arctan2(x, y) < left) & (np.abs(np.hypot(x, y) - middle) < 25))
    rough = np.random.default_rng(seed).random(SHAPE) < 0.15
    grown = cv2.dilate(seen.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    fit = best(seen | (grown & rough))
    assert fit.kind == "sector"
    assert overlap(filled(fit.outline(), SHAPE), truth) > 0.97


def test_a_sector_that_the_screen_cuts_off_is_cut_off_there() -> None:
    field = Sector(240, -20, 60, 340, -0.8, 0.8, (60, 30, 420, 300))
    truth = drawn_sector(field)
    truth[:30], truth[301:], truth[:, :60], truth[:, 421:] = False, False, False, False
    assert overlap(filled(field.outline(), SHAPE), truth) > 0.99
    fit = best(truth)
    assert fit.kind == "sector"
    assert overlap(filled(fit.outline(), SHAPE), truth) > 0.98


@pytest.mark.parametrize(
    "corners",
    [
        [(240, 30), (420, 180), (240, 330), (60, 180)],
        [(60, 60), (420, 60), (420, 160), (200, 160), (200, 300), (60, 300)],
    ],
)
def test_what_is_no_field_agrees_badly(corners: list[tuple[int, int]]) -> None:
    seen = filled(np.array(corners, np.float64), SHAPE)
    assert agreement(best(seen), seen) < 0.945


@pytest.mark.parametrize("pixels", [0, 1, 3])
def test_next_to_nothing_has_no_geometry(pixels: int) -> None:
    seen = np.zeros(SHAPE, np.bool_)
    seen[100, 100 : 100 + pixels] = True
    assert fit_field(seen) == []


def test_nothing_overlaps_nothing_and_has_no_hull() -> None:
    nothing = np.zeros(SHAPE, np.bool_)
    assert overlap(nothing, nothing) == 0
    assert not filled(hull(np.empty((0, 2))), SHAPE).any()
    assert len(Sector(240, 400, 10, 100, -0.3, 0.3, (0, 0, 100, 100)).outline()) == 0


@given(sectors, st.floats(20, 200), st.floats(200, 460))
def test_an_outline_stays_within_its_clip(field: Sector, left: float, right: float) -> None:
    clip = (left, 20.0, right, 250.0)
    outline = Sector(
        field.apex_x,
        field.apex_y,
        field.inner_px,
        field.outer_px,
        field.first_rad,
        field.last_rad,
        clip,
    ).outline()
    if len(outline):
        low, high = outline.min(axis=0), outline.max(axis=0)
        assert (low >= np.array(clip[:2]) - 1e-6).all()
        assert (high <= np.array(clip[2:]) + 1e-6).all()


def test_a_side_that_starts_far_from_its_edge_is_moved_there_past_letters_beside_it() -> None:
    field = Sector(240.0, -10.0, 60.0, 280.0, -0.55, 0.55, WHOLE)
    bright = np.where(filled(field.outline(), SHAPE), 90, 0).astype(np.uint8)
    start = replace(field, outer_px=302.0)
    for x in (180, 235, 290):
        # as bright as the letters that kept the arc of a real search too far out
        bright[285:291, x : x + 14] = 200
    edges = Edges.of(bright, shrunk=True)
    tried = [start, *edges.with_a_side_moved(start)]
    best = max(
        (edges.settled(one) for one in tried),
        key=lambda one: edges.support(one.outline(), bright > 0).on_edge,
    )
    assert isinstance(best, Sector)
    assert abs(best.outer_px - field.outer_px) < 1
    assert edges.with_a_side_moved(field) == []


@pytest.mark.parametrize("start", [-0.7, -0.45, -0.2, 0.05, 0.3, 0.55, 0.8])
def test_where_a_search_starts_does_not_move_an_edge_by_a_pixel(start: float) -> None:
    bright = np.zeros(SHAPE, np.uint8)
    bright[44:309, 120:400] = 100
    settled = Edges.of(bright, shrunk=False).settled(
        Rectangle(120 + start, 44 + start, 399 + start, 308 + start)
    )
    assert np.rint(settled.values).tolist() == [120, 44, 399, 308]
