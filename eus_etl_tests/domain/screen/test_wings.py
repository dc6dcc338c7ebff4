"""Dark wings of a field: they belong to it, and what lies beside it does not."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.support.screens.screens import HEIGHT, WIDTH, field_mask, moving_screens, speckle
from benchmarks.support.screens.varied_screens import VariedKind, varied_screen
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.screen.field.shapes import overlap
from eus_etl.domain.screen.region import Region, mask
from eus_etl.domain.screen.region_search import find_region
from eus_etl.settings import RegionConfig

CONFIG = RegionConfig()
BOX = np.array([[100, 50], [240, 50], [240, 200], [100, 200]], np.int32)
DARK_FROM = 205
WINGS: list[tuple[VariedKind, int]] = [
    ("linear", 2005),
    ("phased", 5007),
    ("linear", 3008),
    ("linear", 5003),
    ("linear", 6010),
    ("trapezoid", 3000),
    ("trapezoid", 3005),
    ("trapezoid", 5014),
    ("trapezoid", 6010),
    ("steered", 2002),
    ("steered", 3004),
    ("steered", 5007),
    ("phased", 3002),
    ("phased", 3013),
    ("cut_off", 6016),
    ("linear", 9605),
    ("linear", 9609),
    ("linear", 9646),
    ("trapezoid", 9644),
    ("steered", 9611),
]
PARTED: list[tuple[VariedKind, int]] = [("cut_off", 9639), ("cut_off", 9507)]
"""Screens on which shadows and cysts part what moves."""

TOO_DARK: list[tuple[VariedKind, int]] = [("linear", 9600), ("linear", 9723), ("phased", 9713)]
"""Screens with a wing that is too dark to end at an edge."""

SMEARED: list[tuple[VariedKind, int]] = [("steered", 9682), ("steered", 9001)]
"""Screens whose compression smears the field far beyond its sides."""


@pytest.mark.parametrize(
    ("kind", "seed"), [*WINGS[:2], *(pytest.param(*made, marks=pytest.mark.slow) for made in WINGS[2:])]
)
def test_a_wing_without_contact_belongs_to_the_field(kind: VariedKind, seed: int) -> None:
    is_found(kind, seed)


@pytest.mark.parametrize(("kind", "seed"), [PARTED[0], pytest.param(*PARTED[1], marks=pytest.mark.slow)])
def test_a_field_that_shadows_part_is_found_whole(kind: VariedKind, seed: int) -> None:
    is_found(kind, seed)


@pytest.mark.parametrize(
    ("kind", "seed"), [TOO_DARK[0], *(pytest.param(*made, marks=pytest.mark.slow) for made in TOO_DARK[1:])]
)
def test_a_wing_too_dark_to_end_at_an_edge_is_in_doubt(kind: VariedKind, seed: int) -> None:
    region = find_region(varied_screen(kind, seed).shown, CONFIG)
    assert region.doubt is not None
    assert "too dark" in region.doubt


@pytest.mark.parametrize(("kind", "seed"), [SMEARED[0], pytest.param(*SMEARED[1], marks=pytest.mark.slow)])
def test_what_compression_smears_is_no_wing(kind: VariedKind, seed: int) -> None:
    is_found(kind, seed)


@pytest.mark.slow
def test_a_wing_whose_end_is_hidden_is_in_doubt() -> None:
    made = varied_screen("linear", 3001)
    region = find_region(made.shown, CONFIG)
    assert region.doubt is not None
    assert "wider" in region.doubt


def test_a_sector_that_leans_as_if_a_wing_lay_in_the_dark_is_in_doubt() -> None:
    region = find_region(varied_screen("phased", 7002).shown, CONFIG)
    assert region.doubt is not None
    assert "leans" in region.doubt


@pytest.mark.parametrize(
    "share", [0.06, *(pytest.param(share, marks=pytest.mark.slow) for share in (0.03, 0.12))]
)
def test_how_dark_a_wing_is_does_not_matter_while_it_shows_anything(share: float) -> None:
    region = find_region(screens_with_a_wing(share), CONFIG)
    assert region.doubt is None
    assert overlap(inside(region), field_mask(BOX)) > 0.98


@pytest.mark.parametrize("level", [0, 5, 12, 40])
def test_what_lies_beside_a_field_and_never_changes_is_no_wing(level: int) -> None:
    bright = BOX.copy()
    bright[1:3, 0] = DARK_FROM - 1
    pictures = moving_screens(16, polygon=bright)
    for picture in pictures:
        picture[50:201, DARK_FROM + 6 : 300] = level
    region = find_region(pictures, CONFIG)
    assert region.doubt is None
    assert overlap(inside(region), field_mask(bright)) > 0.97


@pytest.mark.parametrize("width", [25, 60])
@pytest.mark.parametrize("gap", [12, pytest.param(20, marks=pytest.mark.slow)])
def test_another_picture_beside_a_field_is_no_wing(gap: int, width: int) -> None:
    rng = np.random.default_rng(3)
    pictures = moving_screens(16, polygon=BOX - (60, 0))
    for picture in pictures:
        beside = slice(180 + gap, 180 + gap + width)
        picture[50:201, beside] = speckle(rng)[50:201, beside]
    assert overlap(inside(find_region(pictures, CONFIG)), field_mask(BOX - (60, 0))) > 0.98


def test_a_side_that_lies_on_no_edge_is_named() -> None:
    pictures = moving_screens(16, polygon=BOX)
    for picture in pictures:
        picture[50:201, 241:300] = 80
    region = find_region(pictures, CONFIG)
    assert region.doubt is not None
    assert "no edge was found right" in region.doubt


def is_found(kind: VariedKind, seed: int) -> None:
    """Check that the field of a made screen is found, in no doubt."""
    made = varied_screen(kind, seed)
    region = find_region(made.shown, CONFIG)
    assert region.doubt is None
    assert overlap(inside(region, made.field.shape), made.field) > 0.97


def screens_with_a_wing(share: float) -> list[Picture]:
    """A rectangle whose right part is darker."""
    rng = np.random.default_rng(7)
    pictures = []
    for _ in range(16):
        tissue = speckle(rng, 110).astype(np.float64)
        tissue[:, DARK_FROM:] *= share
        picture = np.zeros((HEIGHT, WIDTH), np.uint8)
        picture[field_mask(BOX)] = tissue[field_mask(BOX)]
        cv2.putText(picture, "DOE JANE 4711", (6, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 230, 1)
        pictures.append(picture)
    return pictures


def inside(region: Region, shape: tuple[int, ...] = (HEIGHT, WIDTH)) -> NDArray[np.bool_]:
    return mask(region.polygon, shape[1], shape[0]) > 0
