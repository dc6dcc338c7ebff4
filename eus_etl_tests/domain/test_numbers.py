"""Numbers that people write."""

import pytest

from eus_etl.domain.numbers import finite_number


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1.0), (" -2.5 ", -2.5), ("+.5", 0.5), ("3.", 3.0), ("1e3", 1000.0), ("1e-400", 0.0)],
)
def test_finite_numbers_are_read(text: str, value: float) -> None:
    assert finite_number(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("nan", "NaN", "inf", "-inf", "Infinity", "1e999", "-1e999", "9" * 400),
        *("1,5", "1_000", "0x1", "१", "", "1 2", "e5", "Jane"),
    ],
)
def test_whatever_is_no_finite_number_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="number") as caught:
        finite_number(text)
    assert len(text) < 3 or text not in str(caught.value)
