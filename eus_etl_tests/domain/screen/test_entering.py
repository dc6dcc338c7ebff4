"""What is drawn onto a moving picture is asked for in the frame in which it comes; moving alone is not."""

from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.support.hospitals.visits import grid_of
from benchmarks.support.screens.screens import Picture, colored, field_mask, moving_screens
from eus_etl.domain.screen.drawn_codes import shows_code
from eus_etl.domain.screen.entering import (
    Covered,
    cells_that_changed,
    format_rows,
    may_have_entered,
    parse_rows,
    sudden_changes,
    sudden_color,
)

FRAMES, COMES = 12, 6
PLACE = (100, 120)


def drawn(pictures: list[Picture], what: str) -> list[Picture]:
    for picture in pictures[COMES : COMES + 3]:
        x, y = PLACE
        if what == "label":
            cv2.putText(picture, "SCHMIDT", PLACE, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255,) * 3, 2)
        elif what == "window":
            cv2.rectangle(picture, (x, y - 20), (x + 90, y + 20), (230,) * 3, -1)
            cv2.putText(picture, "SCHMIDT", PLACE, cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0,) * 3, 1)
        elif what == "page":
            picture[:] = 235
            for line in range(8):
                cv2.putText(picture, "SCHMIDT", (60, 40 + 24 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0,) * 3)
        elif what == "letters without contrast":
            letters = np.zeros(picture.shape[:2], np.uint8)
            cv2.putText(letters, "SCHMIDT", PLACE, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 1, 2)
            tint(picture, letters > 0)
        elif what == "gain":
            picture[:] = np.minimum(picture.astype(np.uint16) * 3 // 2, 255)
    return pictures


def tint(picture: Picture, place: Any) -> None:
    """Color a part of a picture without a change of its luma, 0.587 of green and 0.299 of red."""
    picture[place] = np.clip(picture[place] + np.array([0.0, -25.5, 50.0]), 0, 255)


def asked(pictures: list[Picture]) -> list[int]:
    grid = grid_of(pictures)
    weights = grid.geometry.cell_weights(field_mask())
    change = np.maximum(sudden_changes(grid, weights), sudden_color(grid, weights))
    return [int(at) for at in np.flatnonzero(may_have_entered(change))]


@pytest.fixture
def calm() -> list[Picture]:
    """Speckle that moves by little from one picture to the next."""
    shown = np.stack(moving_screens(FRAMES + 4)).astype(np.float64)
    smooth = np.mean([shown[shift : FRAMES + shift] for shift in range(5)], axis=0)
    return [colored(np.asarray(picture, np.uint8)) for picture in smooth]


def test_nothing_is_asked_for_where_nothing_comes(calm: list[Picture]) -> None:
    assert asked(calm) == []
    assert asked(drawn(calm, "gain")) == []


@pytest.mark.parametrize("what", ["label", "window", "page", "letters without contrast"])
def test_what_comes_is_asked_for_in_its_first_frame(calm: list[Picture], what: str) -> None:
    assert asked(drawn(calm, what))[0] == COMES


def test_flow_that_comes_with_each_heartbeat_is_not_asked_for(calm: list[Picture]) -> None:
    place = np.s_[PLACE[1] - 30 : PLACE[1] + 30, PLACE[0] : PLACE[0] + 60]
    for picture in calm[2::4]:
        tint(picture, place)
    assert asked(calm) == []
    assert asked(calm[4:9]) == [2]  # it comes once there


def test_the_cells_are_those_of_what_came(calm: list[Picture]) -> None:
    grid = grid_of(drawn(calm, "label"))
    change = sudden_changes(grid, grid.geometry.cell_weights(field_mask()))
    rows, columns = np.nonzero(cells_that_changed(change[COMES]))
    x, y = grid.geometry.x_edges_px[columns], grid.geometry.y_edges_px[rows]
    assert 80 < x.min() < x.max() < 200
    assert 95 < y.min() <= y.max() < 130


def test_nothing_is_asked_of_a_single_frame(calm: list[Picture]) -> None:
    assert asked(calm[:1]) == []


def test_rows_are_read_back() -> None:
    covered = [Covered(3, 5, ((1, 2, 3, 4),)), Covered(9, 9, ())]
    assert format_rows(covered) == "3-5 9-9"
    assert parse_rows("3-5 9-9").tolist() == [3, 4, 5, 9]
    assert (format_rows([]), parse_rows(None).tolist()) == (None, [])


def qr_code() -> Picture:
    code = cv2.QRCodeEncoder.create().encode("MRN 44172839")
    return np.asarray(cv2.resize(code, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST), np.uint8)


def bars() -> Picture:
    bits = np.random.default_rng(1).integers(0, 2, (1, 60)).astype(np.uint8) * 255
    return np.asarray(cv2.resize(bits, (180, 40), interpolation=cv2.INTER_NEAREST), np.uint8)


@pytest.mark.parametrize("place", [(0, 0), (0, 104), (61, 0), (61, 104), (33, 47)], ids=str)
def test_a_code_is_found_wherever_it_lies(place: tuple[int, int]) -> None:
    picture, code = np.full((149, 192), 70, np.uint8), qr_code()[:88, :88]
    picture[place[0] : place[0] + 88, place[1] : place[1] + 88] = code
    assert shows_code(picture)
    assert shows_code(code[:40]), "a cut that is lower than the larger square"
    assert not shows_code(code[:15]), "a cut that is too low to tell"


def test_codes_are_told_from_speckle_and_a_needle() -> None:
    around = moving_screens(1)[0]
    for code in (qr_code(), bars()):
        picture = around.copy()
        picture[60 : 60 + code.shape[0], 80 : 80 + code.shape[1]] = code
        assert shows_code(picture[40:200])
    assert not shows_code(around[50:200, 60:260])
    cv2.line(around, (80, 60), (240, 170), 255, 3)
    assert not shows_code(around[50:200, 60:260])
