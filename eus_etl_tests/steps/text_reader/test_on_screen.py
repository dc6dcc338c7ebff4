"""Words count as the screen's where two pictures show them at the same place."""

import cv2
import numpy as np

from eus_etl.domain.images.picture import Picture
from eus_etl.steps.text_reader.on_screen import words_on_screen
from eus_etl.steps.text_reader.processes import SeparateReader


def screen(*words: tuple[str, int, int]) -> Picture:
    picture = np.zeros((240, 480), np.uint8)
    for text, x, y in words:
        cv2.putText(picture, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 230, 1, cv2.LINE_AA)
    return picture


def test_what_stays_is_found_where_it_is_and_what_goes_is_not() -> None:
    stays = ("General Hospital", 20, 40)
    pictures = [screen(stays, ("SCHMIDT", 300, 120)), screen(stays), screen(stays, ("Mueller", 60, 200))]
    found = words_on_screen(SeparateReader(), "v1-0", pictures)
    assert len(found) == 1
    x, y, width, height = found[0]
    assert abs(x - 20) < 12
    assert abs(y + height - 44) < 14
    assert 150 < width < 260


def test_without_a_reader_or_pictures_there_are_none() -> None:
    assert words_on_screen(None, "v1-0", [screen()]) == []
    assert words_on_screen(SeparateReader(), "v1-0", []) == []
