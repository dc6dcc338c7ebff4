"""What a person has confirmed for a screen elsewhere: evidence where a visit shows too little of a field."""

from typing import get_args

import cv2
import numpy as np
import pytest

from benchmarks.support.screens.varied_screens import VariedKind, VariedScreen, varied_screen
from eus_etl.domain.screen.field.shapes import Mask, overlap
from eus_etl.domain.screen.region import Polygon, Region, mask
from eus_etl.domain.screen.region_search import find_region
from eus_etl.settings import RegionConfig

CONFIG = RegionConfig()
SHOWN_TOO_LITTLE: list[tuple[VariedKind, int]] = [
    ("trapezoid", 7003),
    ("phased", 7002),
    ("linear", 3001),
    ("steered", 7010),
    ("steered", 7013),
    ("linear", 9502),
    ("trapezoid", 9501),
    ("steered", 9500),
    ("steered", 9501),
    ("trapezoid", 9704),
]
"""Screens on which a wing is so dark that the search alone is wrong or in doubt."""

OTHERWISE = {
    "deeper": (1.0, 1.15),
    "shallower": (1.0, 0.85),
    "wider": (1.15, 1.0),
    "a bit wider": (1.05, 1.0),
    "narrower": (0.85, 1.0),
    "nearer": (1.2, 1.2),
}
"""Factors of a field's width and depth."""


def outline(field: Mask) -> Polygon:
    contours, _ = cv2.findContours(field.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = cv2.approxPolyDP(max(contours, key=cv2.contourArea), 1.0, closed=True)
    return np.asarray(corners[:, 0, :], np.int32)


def changed(corners: Polygon, wider: float, deeper: float, field: Mask) -> Polygon:
    """An outline that is wider and deeper by these factors, from the middle of its upper edge."""
    left, top, width, _ = cv2.boundingRect(corners)
    origin = np.array([left + width / 2, top])
    moved = np.rint((corners - origin) * (wider, deeper) + origin)
    return np.asarray(np.clip(moved, 0, np.array(field.shape[::-1]) - 1), np.int32)


def found(made: VariedScreen, *confirmed: Polygon) -> tuple[Region, float]:
    """The region, and how far it agrees with the truth (IoU)."""
    region = find_region(made.shown, CONFIG, (), confirmed)
    height, width = made.field.shape
    return region, overlap(mask(region.polygon, width, height) > 0, made.field)


@pytest.mark.parametrize(
    ("kind", "seed"),
    [*SHOWN_TOO_LITTLE[:2], *(pytest.param(*one, marks=pytest.mark.slow) for one in SHOWN_TOO_LITTLE[2:])],
)
def test_a_field_that_was_confirmed_elsewhere_is_found_where_its_wing_is_dark(
    kind: VariedKind, seed: int
) -> None:
    made = varied_screen(kind, seed)
    alone, agreement = found(made)
    assert alone.doubt is not None or agreement < 0.97
    region, agreement = found(made, outline(made.field))
    assert region.doubt is None
    assert agreement > 0.98
    assert region.found_by == "auto_motion"


KINDS: tuple[VariedKind, ...] = get_args(VariedKind)


@pytest.mark.parametrize(
    "kind", [KINDS[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])]
)
@pytest.mark.parametrize(
    "otherwise",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in ("deeper", "a bit wider")))
        for name in OTHERWISE
    ],
)
def test_another_field_of_the_same_screen_changes_nothing(kind: VariedKind, otherwise: str) -> None:
    made = varied_screen(kind, 9001)
    alone, agreement = found(made)
    other = changed(outline(made.field), *OTHERWISE[otherwise], made.field)
    region, with_other = found(made, other)
    assert (region.doubt, region.kind) == (alone.doubt, alone.kind)
    assert with_other > agreement - 0.01


def test_of_many_depths_the_likeliest_is_tried() -> None:
    made = varied_screen(*SHOWN_TOO_LITTLE[0])
    truth = outline(made.field)
    depths = [changed(truth, 0.1 * tenths, 0.1 * tenths, made.field) for tenths in (2, 3, 4, 5, 6, 13, 14)]
    region, agreement = found(made, *depths, truth)
    assert region.doubt is None
    assert agreement > 0.98


def test_an_outline_where_no_field_is_is_not_believed() -> None:
    made = varied_screen("linear", 9001)
    alone, _ = found(made)
    corner = np.array([[2, 2], [60, 2], [60, 60], [2, 60]], np.int32)
    everything = outline(np.ones_like(made.field))
    region, _ = found(made, corner, everything)
    assert np.array_equal(region.polygon, alone.polygon)
    assert region.doubt == alone.doubt
