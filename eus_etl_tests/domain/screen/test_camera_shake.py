from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.support.screens.real_fields import CLIPS, REAL_FIELDS, spread_pictures
from benchmarks.support.screens.screens import HEIGHT, SECTOR, WIDTH, field_mask, moving_screens, speckle
from benchmarks.support.screens.varied_screens import KINDS as VARIED
from benchmarks.support.screens.varied_screens import VariedKind, varied_screen
from eus_etl.domain.images.picture import Picture
from eus_etl.domain.screen.camera_shake import is_filmed
from eus_etl.domain.screen.region import NO_POLYGON, Polygon
from eus_etl.domain.screen.region_search import find_region
from eus_etl.settings import RegionConfig

Move = Callable[[int, np.random.Generator], tuple[float, float, float]]
"""Of a picture's number: its shift right and down in px, and its turn in degrees."""

PICTURES = 14
MOVES: dict[str, Move] = {
    "shakes by half a pixel": lambda _, rng: (*rng.normal(0, 0.5, 2), 0.0),
    "shakes": lambda _, rng: (*rng.uniform(-3, 3, 2), 0.0),
    "drifts": lambda number, _: (0.9 * number, -0.5 * number, 0.0),
    "turns": lambda _, rng: (*rng.normal(0, 1, 2), rng.normal(0, 0.6)),
    "was pushed once": lambda number, _: (4.0 * (number > 8), 2.0 * (number > 8), 0.0),
}


def filmed(pictures: Sequence[Picture], move: Move) -> list[Picture]:
    """Pictures as a camera sees them that does not stand still: blurred, and moved."""
    rng = np.random.default_rng(7)
    seen = []
    for number, picture in enumerate(pictures):
        height, width = picture.shape
        right, down, turn = move(number, rng)
        warp = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 1.0)
        warp[:, 2] += np.array([right, down])
        moved = cv2.warpAffine(picture, warp, (width, height))
        seen.append(np.asarray(cv2.GaussianBlur(moved, (0, 0), 0.8), np.uint8))
    return seen


def whole(picture: Picture) -> Polygon:
    height, width = picture.shape
    return np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.int32)


def without_surroundings(pictures: Sequence[Picture]) -> list[Picture]:
    return [np.where(field_mask(), picture, 0).astype(np.uint8) for picture in pictures]


@pytest.mark.parametrize("move", MOVES)
def test_a_screen_that_moves_as_a_whole_is_filmed(move: str) -> None:
    assert is_filmed(filmed(moving_screens(PICTURES), MOVES[move]), SECTOR)


@pytest.mark.parametrize("move", ["shakes by half a pixel", "shakes"])
def test_where_nothing_is_beside_the_field_its_outline_tells(move: str) -> None:
    alone = without_surroundings(moving_screens(PICTURES))
    assert is_filmed(filmed(alone, MOVES[move]), SECTOR)
    assert not is_filmed(alone, SECTOR)


def test_a_region_that_takes_all_in_is_filmed_if_all_moves() -> None:
    screens = varied_screen("linear", 102).shown
    assert is_filmed(filmed(screens, MOVES["shakes"]), whole(screens[0]))
    assert not is_filmed(screens, whole(screens[0]))


def test_what_the_camera_adds_may_stand_still() -> None:
    """A caption and the bars beside an upright picture are no part of what was filmed."""
    pictures = filmed(moving_screens(PICTURES), MOVES["shakes"])
    for picture in pictures:
        cv2.putText(picture, "REC", (280, 234), cv2.FONT_HERSHEY_SIMPLEX, 0.3, 255, 1)
        picture[:, :3], picture[:, -3:] = 90, 90
    assert is_filmed(pictures, SECTOR)


@pytest.mark.parametrize("kind", VARIED)
def test_captured_screens_are_not_filmed(kind: VariedKind) -> None:
    made = varied_screen(kind, 102)
    outlines, _ = cv2.findContours(made.field.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    assert not is_filmed(made.shown, np.asarray(max(outlines, key=len)[:, 0], np.int32))


def test_tissue_that_moves_as_a_whole_is_not_filmed() -> None:
    """The probe slides, with and without words beside the field."""
    tissue = speckle(np.random.default_rng(2))
    slid = filmed([tissue] * PICTURES, MOVES["shakes"])
    for surrounded in (moving_screens(PICTURES), [np.zeros_like(tissue)] * PICTURES):
        pictures = [
            np.where(field_mask(), inside, screen).astype(np.uint8)
            for inside, screen in zip(slid, surrounded, strict=True)
        ]
        assert not is_filmed(pictures, SECTOR)


@pytest.mark.parametrize("count", [1, 2])
def test_of_few_pictures_or_no_region_nothing_is_said(count: int) -> None:
    assert not is_filmed(moving_screens(count), SECTOR)
    assert not is_filmed(moving_screens(count), NO_POLYGON)
    assert not is_filmed([np.zeros((HEIGHT, WIDTH), np.uint8)] * count, SECTOR)


def test_the_region_of_a_filmed_screen_is_in_doubt() -> None:
    captured = moving_screens(PICTURES)
    assert find_region(captured, RegionConfig()).doubt is None
    assert "filmed" in str(find_region(filmed(captured, MOVES["shakes"]), RegionConfig()).doubt)


@pytest.mark.slow
@pytest.mark.parametrize("clip", CLIPS)
def test_real_clips_are_not_filmed_until_they_shake(shared: Path, clip: str) -> None:
    captured = spread_pictures(shared / REAL_FIELDS[clip].video, 24)
    assert find_region(captured, RegionConfig()).doubt is None
    # with a border, as of what fills the picture nothing tells
    framed = [cv2.copyMakeBorder(picture, 12, 12, 12, 12, cv2.BORDER_CONSTANT) for picture in captured]
    shaken = filmed([np.asarray(picture, np.uint8) for picture in framed], MOVES["shakes"])
    assert find_region(shaken, RegionConfig()).doubt is not None
