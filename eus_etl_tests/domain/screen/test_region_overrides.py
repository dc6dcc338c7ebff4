"""Which rows of regions.csv hold for a layout, and in what order."""

from itertools import permutations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.screen.appearance import SAME_SCREEN_BITS, same_screen, signature_distance
from eus_etl.domain.screen.region_overrides import (
    Shown,
    confirmed_outlines,
    confirms,
    has_good_signature,
    is_known_screen,
    known_screens_among,
    rows_that_hold,
    signs_off,
)
from eus_etl.domain.tables.catalog import REGIONS

PATIENT, VIDEO, OTHER = "11111111-2222-4333-8444-555555555555", "vaaaaaaaaaaaa", "vbbbbbbbbbbbb"
SIGNATURE = "480x360-" + "0f" * 16
NEAR = "480x360-" + "0e" + "0f" * 15
ELSEWHERE = "480x360-" + "f0" * 16
LAYOUT = Shown(VIDEO, SIGNATURE, unnamed=True)


def row(name: str, patient: str | None, video: str | None, signature: str | None) -> dict[str, object]:
    return {"patient_id": patient, "video_id": video, "polygon": name, "signature": signature}


IN_ORDER = (
    row("video and screen", PATIENT, VIDEO, SIGNATURE),
    row("video", PATIENT, VIDEO, None),
    row("visit and screen", PATIENT, None, NEAR),
    row("visit", PATIENT, None, None),
    row("screen", None, None, SIGNATURE),
    row("nearly the screen", None, None, NEAR),
)


def held(rows: list[dict[str, object]], shown: Shown = LAYOUT) -> list[object]:
    return [found["polygon"] for found in rows_that_hold(REGIONS.frame(rows), shown)]


@given(st.permutations(IN_ORDER))
def test_the_order_of_rows_does_not_matter(rows: list[dict[str, object]]) -> None:
    assert held(rows) == [expected["polygon"] for expected in IN_ORDER]


def test_rows_of_other_videos_and_screens_do_not_hold() -> None:
    rows = [row("other video", PATIENT, OTHER, None), row("other screen", None, None, ELSEWHERE)]
    assert held(rows) == []
    assert held([row("other size", None, None, SIGNATURE.replace("480", "512"))]) == []


def test_a_screen_that_has_to_be_named_takes_only_rows_that_name_it() -> None:
    shown = Shown(VIDEO, SIGNATURE, unnamed=False)
    named = [expected["polygon"] for expected in IN_ORDER if expected["signature"]]
    assert held(list(IN_ORDER), shown) == named


def test_the_old_columns_are_enough() -> None:
    old = pl.DataFrame({"patient_id": [PATIENT], "video_id": [None], "polygon": ["1,1 2,2 3,1"]})
    rows = REGIONS.frame(old.to_dicts())
    assert [found["polygon"] for found in rows_that_hold(rows, LAYOUT)] == ["1,1 2,2 3,1"]


def test_a_row_is_known_screen_only_without_patient_and_video() -> None:
    assert [is_known_screen(one) for one in IN_ORDER] == [False, False, False, False, True, True]
    assert not is_known_screen(row("nobody's", None, None, None))
    assert not is_known_screen(row("of a video of nobody", None, VIDEO, SIGNATURE))


@pytest.mark.parametrize("text", ["480x360-0f", "0f" * 16, "480x360-" + "zz" * 16, "480 x 360-" + "0f" * 16])
def test_a_malformed_signature_is_recognised(text: str) -> None:
    assert not has_good_signature(row("", PATIENT, None, text))
    with pytest.raises(ValueError, match="signature"):
        signature_distance(text, SIGNATURE)


def test_known_screens_concern_the_visits_that_show_their_screen() -> None:
    rows = [row("here", None, None, NEAR), row("there", None, None, ELSEWHERE)]
    assert [found["polygon"] for found in known_screens_among(rows, {SIGNATURE})] == ["here"]
    assert known_screens_among(rows, set()) == []


BITS = st.integers(0, 2**128 - 1)


@given(BITS, BITS)
def test_the_distance_of_signatures_is_that_of_their_bits(one: int, other: int) -> None:
    signatures = [f"480x360-{bits:032x}" for bits in (one, other)]
    apart = (one ^ other).bit_count()
    for first, second in permutations(signatures):
        assert signature_distance(first, second) == apart
        assert same_screen(first, second) == (apart <= SAME_SCREEN_BITS)


@pytest.mark.parametrize(
    "cell",
    [
        "XX",
        "xx",
        " Xx ",
        "no",
        "NO",
        "No!",
        "false",
        "FALSE",
        "0",
        "0.0",
        "-",
        "'-",
        "?",
        "",
        "not yet",
        "n/a",
    ],
)
def test_a_cell_that_says_no_signs_nothing_off(cell: str) -> None:
    assert not confirms(cell)
    assert not signs_off(row("of a video", PATIENT, VIDEO, None) | {"signed_off": cell})


@pytest.mark.parametrize("cell", ["AB", "x", "yes", "1", "2026-01-31", "Nora", "30.01.", "XXY"])
def test_initials_or_a_date_sign_off_a_video_of_a_visit_and_nothing_more(cell: str) -> None:
    assert confirms(cell)
    signed = [signs_off(one | {"signed_off": cell}) for one in IN_ORDER]
    assert signed == [True, True, False, False, False, False]


def signed(polygon: str, /, **cells: str | None) -> dict[str, object]:
    return {**row(polygon, PATIENT, VIDEO, SIGNATURE), "signed_off": "yes", **cells}


def outlines(*rows: dict[str, object]) -> list[tuple[str, str]]:
    return [(one.signature, one.polygon) for one in confirmed_outlines(rows)]


WIDE, DEEP = "10,10 400,10 400,200 10,200", "10,10 400,10 400,300 10,300"


def test_outlines_of_named_screens_that_somebody_has_signed_off_are_confirmed() -> None:
    rows = (signed(WIDE), signed(DEEP), signed(WIDE, signature=ELSEWHERE))
    assert outlines(*rows) == [(SIGNATURE, WIDE), (SIGNATURE, DEEP), (ELSEWHERE, WIDE)]


@pytest.mark.parametrize(
    "cells",
    [
        {"signed_off": None},
        {"signed_off": "XX"},
        {"signature": None},
        {"patient_id": None},
        {"video_id": None},
        {"polygon": None},
        {"polygon": "?"},
        {"polygon": "10,10 20,20"},
        {"polygon": "-999999,-999999 999999,-999999 999999,999999"},
    ],
)
def test_nothing_else_is(cells: dict[str, str | None]) -> None:
    assert outlines(signed(WIDE, **cells)) == []


def test_an_outline_that_is_hardly_different_says_nothing_new() -> None:
    nearly = "11,10 401,11 400,200 10,201"
    others = signed(nearly), signed(nearly, signature=NEAR), signed(DEEP), signed(WIDE)
    assert outlines(signed(WIDE), *others) == [(SIGNATURE, WIDE), (SIGNATURE, DEEP)]
    elsewhere = signed(nearly, signature=ELSEWHERE)
    assert outlines(signed(WIDE), elsewhere) == [(SIGNATURE, WIDE), (ELSEWHERE, nearly)]


@pytest.mark.parametrize("size", ["0x0", "0480x360", "9999999x9999999", "9" * 5000 + "x1"])
def test_a_signature_of_no_pictures_size_is_none(size: str) -> None:
    assert not has_good_signature(row(WIDE, PATIENT, VIDEO, f"{size}-" + "0f" * 16))
