"""The places of pictures that most look like text are chosen, however short it shows."""

from collections.abc import Collection

import cv2
import numpy as np
import pytest

from eus_etl.domain.burned_in_text.likeness import darkest_and_brightest
from eus_etl.domain.burned_in_text.patches import PATCH_H, PATCH_W, Patch, patches
from eus_etl.domain.burned_in_text.sheets import PATCHES, sheets
from eus_etl.domain.images.picture import Picture
from eus_etl_tests.support import calm_corner

SIDE = 256
BOX = 60, 130, 130, 20
"""x, y, width, height of the name."""


def speckle(count: int, seed: int = 0) -> list[Picture]:
    """Pictures of speckle that moves, over tissue that does not."""
    rng = np.random.default_rng(seed)
    tissue = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE)), (0, 0), 20)
    return [
        np.asarray(
            np.clip(
                90 + 600 * tissue + 25 * cv2.GaussianBlur(rng.normal(0, 2, (SIDE, SIDE)), (0, 0), 1.5), 0, 255
            ),
            np.uint8,
        )
        for _ in range(count)
    ]


def named(pictures: list[Picture], where: Collection[int], grey: int = 255) -> list[Picture]:
    for position in where:
        place = BOX[0], BOX[1] + BOX[3] - 4
        cv2.putText(pictures[position], "SCHMIDT", place, cv2.FONT_HERSHEY_SIMPLEX, 0.7, grey, 2, cv2.LINE_AA)
    return pictures


def shows_it(patch: Patch, box: tuple[int, int, int, int] = BOX) -> bool:
    x, y, width, height = box
    seen = min(patch.x + PATCH_W * patch.scale, x + width) - max(patch.x, x)
    return seen > 0.6 * width and patch.y <= y and y + height <= patch.y + PATCH_H * patch.scale


@pytest.mark.parametrize("grey", [0, 255])
@pytest.mark.parametrize(
    "where", [[7], [98], [40, 41, 42], range(0, 99, 4), range(30, 75), range(99)], ids=str
)
def test_text_is_chosen_however_short_it_shows(where: Collection[int], grey: int) -> None:
    found = [
        patch
        for patch in patches(named(speckle(99), where, grey))
        if set(where) & set(range(patch.first, patch.stop))
    ]
    assert any(shows_it(patch) for patch in found)


@pytest.mark.parametrize("count", [1, 3, 8, 14])
def test_text_is_chosen_in_short_layouts_too(count: int) -> None:
    for shown in range(1, count + 1):
        found = list(patches(named(speckle(count), range(shown))))
        assert any(shows_it(patch) for patch in found), shown


@pytest.mark.parametrize("grey", [110, 200])
@pytest.mark.parametrize(
    "where",
    [[25], range(20, 23), range(10, 36), range(4, 44, 2), [n for n in range(48) if n % 5 < 2]],
    ids=str,
)
def test_small_letters_in_a_calm_corner_are_chosen_beside_bright_tissue(
    where: Collection[int], grey: int
) -> None:
    pictures = calm_corner.calm_corner(48)
    for position in where:
        calm_corner.write_name(pictures[position], grey)
    found = [patch for patch in patches(pictures) if shows_it(patch, calm_corner.BOX)]
    assert {patch.first for patch in found if patch.stop == patch.first + 1} & set(where)


def test_calm_corners_without_text_are_rarely_read() -> None:
    found = list(patches(calm_corner.calm_corner(48)))
    assert len([patch for patch in found if patch.stop == patch.first + 1]) <= 1.05 * 48


def test_every_picture_has_a_patch_of_its_own() -> None:
    found = list(patches(speckle(130)))
    assert [patch.first for patch in found if patch.stop - patch.first == 1] == list(range(130))
    assert len(found) < 1.3 * 130


def test_a_dark_picture_and_another_one_do_not_hide_what_stays() -> None:
    pictures = named(speckle(16), range(16))
    pictures[3][:], pictures[9][:] = 0, 90
    page = darkest_and_brightest(pictures)
    x, y, width, height = BOX
    assert page[y : y + height, x : x + width].min() < 100
    assert np.median(page) > 200


def test_a_sheet_tells_which_patch_a_word_stands_on() -> None:
    (full, rest) = sheets(patches(speckle(30)))
    assert len(full.patches) == PATCHES
    assert 30 <= PATCHES + len(rest.patches) <= 30 + 2 * 3
    for number, patch in enumerate(full.patches):
        found, top = full.at((number + 0.5) * full.page.shape[0] / PATCHES)
        assert found is patch
        height, width = patch.picture.shape
        assert np.array_equal(full.page[top : top + height, 4 : 4 + width], patch.picture)


def test_a_patch_does_not_stand_out_from_its_page() -> None:
    """A reader takes a bright thing with four sides for a letter."""
    found = list(patches(speckle(PATCHES)))
    (sheet, *_) = sheets(found)
    for patch, strip in zip(found, np.split(sheet.page, PATCHES), strict=False):
        around = np.concatenate([strip[0], strip[-1], strip[:, 0], strip[:, -1]])
        assert set(around.tolist()) == {int(np.median(patch.picture))}
