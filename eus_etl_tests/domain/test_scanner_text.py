"""What scanners write by themselves names nobody; names, days and record numbers are never taken for it."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.scanner_text import may_name_someone

SCANNERS = """
    0 | 5 | 10 | 15 | 120 | cm | 12 cm | 12cm | D1 4.2 cm | D14.2cm | + D1 4.2 cm | 1 Dist 3.14 cm
    MI 0.8 | MI0.8 | TIS 0.4 | Tis 0.4 MI 0.8 | 45 Hz | 45Hz | 10.0 MHz | PRF 4000 Hz | Gn 64 | DR 60 dB
    0.O5 cm | l2 cm | 50% | A 1.2 cm2 | 50 % | 0.5 m/s | -12 cm/s | FR 25 | 1/2 | + 1 | A | X | 2-5 MHz
    12 s | + D1 4.2 cm x D2 3.1 cm
"""
OTHERS = """
    SCHMIDT | Schmidt, Anna | A. Li | 11/02/15 | 11/02 | 1957 | 12.05.1957 | 12-05-57 | 9:21:01 AM
    9:21 | 44172839 | MRN 123456 | A1234 | P 44 17 28 | 12 05 57 | Vanderbilt University | ID: 4417
    M 0.8 Mueller | 12 cm SCHMIDT | BOB | LIO | \u738b\u4f1f\u660e | 30.JUN.1971 | Pat 12
    S C H M I D T | J S T | 4 4 1 7 2 8 | Wei Ng | Min Ho
"""


def texts(table: str) -> list[str]:
    return [text.strip() for text in table.replace("\n", "|").split("|") if text.strip()]


@pytest.mark.parametrize("text", texts(SCANNERS))
def test_scales_calipers_and_settings_name_nobody(text: str) -> None:
    assert not may_name_someone(text)


@pytest.mark.parametrize("text", texts(OTHERS))
def test_names_days_and_numbers_may_name_somebody(text: str) -> None:
    assert may_name_someone(text)


@given(
    number=st.integers(0, 999), rest=st.integers(0, 99), unit=st.sampled_from(["cm", "mm", "Hz", "MHz", "dB"])
)
def test_any_measured_length_or_frequency_names_nobody(number: int, rest: int, unit: str) -> None:
    assert not may_name_someone(f"D{rest % 9} {number}.{rest} {unit}")


@given(
    day=st.dates(),
    form=st.sampled_from(["%d/%m/%Y", "%d.%m.%Y", "%Y-%m-%d", "%d %b %Y", "%m/%d/%y", "%Y%m%d", "%d.%m.%y"]),
)
def test_no_day_is_taken_for_a_measure(day: object, form: str) -> None:
    assert may_name_someone(format(day, form))


@given(st.text(string.ascii_letters, min_size=4, max_size=20))
def test_a_word_of_letters_is_a_scanners_only_from_the_list(word: str) -> None:
    known = {
        "gain",
        "freq",
        "depth",
        "persist",
        "angle",
        "dist",
        "area",
        "circ",
        "zoom",
        "focus",
        "frame",
        "mmhg",
    }
    assert may_name_someone(word) == (word.casefold() not in known)


@given(st.integers(10_000, 10**12))
def test_no_number_of_a_record_is_taken_for_a_measure(number: int) -> None:
    assert may_name_someone(str(number))
    assert may_name_someone(f"{number} cm")


@given(st.text(max_size=12))
def test_strict_lets_everything_count_that_counts_otherwise(text: str) -> None:
    assert may_name_someone(text, strict=True) or not may_name_someone(text)
    assert may_name_someone("12 cm", strict=True)
