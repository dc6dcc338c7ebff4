"""Tables that can be sorted and searched in the browser."""

from collections.abc import Sequence
from dataclasses import dataclass

from eus_etl.commands.report.markup import Markup, Part, element, join
from eus_etl.domain.plots.timeline import clock

_SEARCHED = 12
"""Tables with more rows can be searched."""
_NARROW = 3
"""Columns that a phone has room for; rows of wider tables become cards there."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What a cell shows, and what it is sorted by where that is not its text."""

    shown: Part
    key: str | float | None = None
    is_number: bool = False

    @classmethod
    def number(cls, value: int) -> "Cell":
        """A count."""
        return cls(f"{value:,}", value, is_number=True)

    @classmethod
    def clock(cls, seconds: float | None) -> "Cell":
        """A time as minutes and seconds; empty where it is not known."""
        return (
            cls("", -1, is_number=True) if seconds is None else cls(clock(seconds), seconds, is_number=True)
        )

    @classmethod
    def share(cls, part: float, whole: float) -> "Cell":
        """A share in per cent; empty of nothing."""
        return (
            cls(f"{part / whole:.0%}", part / whole, is_number=True) if whole else cls("", -1, is_number=True)
        )


def table(titles: Sequence[str], rows: Sequence[Sequence[Cell]], note: str = "") -> Markup:
    """A table whose columns sort by a click; with many rows, also a field to search them."""
    numeric = [any(row[place].is_number for row in rows) for place in range(len(titles))]
    head = [
        element("th", element("button", title, type="button"), class_="n" if is_number else None, scope="col")
        for title, is_number in zip(titles, numeric, strict=True)
    ]
    body = [
        element(
            "tr",
            *(
                element("td", cell.shown, class_="n" if cell.is_number else None, data_v=cell.key)
                for cell in row
            ),
        )
        for row in rows
    ]
    search = element("input", type="search", placeholder=f"search {len(rows):,} rows", aria_label="search")
    return join(
        [
            search if len(rows) > _SEARCHED else None,
            element(
                "div",
                element(
                    "table",
                    element("thead", element("tr", *head)),
                    element("tbody", *body),
                    class_="cards" if len(titles) > _NARROW else None,
                ),
                class_="scroll",
            ),
            element("p", note, class_="note") if note else None,
        ]
    )
