"""The Protocol of a source of patient rows, and how rows are taken from a sheet's cells.

Each source's own module reaches its sheet; ``domain.patients`` knows what the cells mean.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from eus_etl.errors import SourceError

_ROLE = "sources.patient_rows"


@dataclass(frozen=True, slots=True)
class PatientRow:
    """One row of the sheet.

    Attributes:
        key: the visit's id or alias as typed.
        cells: configured headers to cells, as typed but for outer spaces; empty for an empty cell.
        number: row of the sheet; the header is row 1.
    """

    key: str
    cells: Mapping[str, str]
    number: int


@dataclass(frozen=True, slots=True)
class RowScan:
    """The sheet at one moment.

    Attributes:
        rows: in the sheet's order, without blank ones.
        headers: all headers of the sheet, including those that are not read.
        surplus: numbers of rows that are not read because they have more cells than there are headers.
    """

    rows: tuple[PatientRow, ...]
    headers: tuple[str, ...]
    surplus: tuple[int, ...] = ()


class PatientRowSource(Protocol):
    """Where patient rows are read from."""

    def read(self) -> RowScan:
        """Read all rows.

        Raises:
            SourceUnavailableError: the source did not answer; this is not an empty sheet.
            SourceError: the answer is not the configured sheet.
        """
        ...

    def revision(self) -> str | None:
        """A value that changes whenever the rows would; None where only reading them can tell."""
        ...


def select_rows(cells: Iterable[Sequence[str]], key_header: str, headers: Sequence[str]) -> RowScan:
    """Take the key and the configured columns, by header; other columns may name people and are dropped.

    Args:
        cells: the sheet's rows, the headers first; rows may be short, or end in extra empty cells.
        key_header: header of the column of ids and aliases.
        headers: headers of the columns to read. Spaces around and within headers do not matter.

    Raises:
        SourceError: a column is missing, or occurs twice.
    """
    sheet = iter(cells)
    first = next(sheet, ())
    return rows_of(first, enumerate(sheet, start=2), key_header, headers)


def rows_of(
    first: Sequence[str],
    numbered: Iterable[tuple[int, Sequence[str]]],
    key_header: str,
    headers: Sequence[str],
) -> RowScan:
    """As ``select_rows``, from the first row and the others with their numbers."""
    there = tuple(folded_header(cell) for cell in first)
    _refuse_other_first_row(there, (key_header, *headers))
    places = {header: _place(header, there) for header in (key_header, *headers)}
    rows = []
    for number, row in numbered:
        read = {header: row[at].strip() if at < len(row) else "" for header, at in places.items()}
        if any(read.values()):
            rows.append(PatientRow(read[key_header], {header: read[header] for header in headers}, number))
    return RowScan(tuple(rows), tuple(header for header in there if header))


def _refuse_other_first_row(first: Sequence[str], headers: Sequence[str]) -> None:
    """A first row without any of the headers is a patient's: its cells must not reach a message."""
    configured = {folded_header(header) for header in headers}
    if first and configured.isdisjoint(first):
        missing = ", ".join(map(repr, sorted(configured)))
        raise SourceError(
            _ROLE,
            f"the first row holds none of the headers {missing}",
            "begin with the row of headers, separated by commas in a CSV file, or correct them in `patients`",
        )


def _place(header: str, there: Sequence[str]) -> int:
    times = there.count(folded_header(header))
    if times == 1:
        return there.index(folded_header(header))
    raise SourceError(
        _ROLE,
        f"the sheet has {times} columns {folded_header(header)!r} among its {sum(map(bool, there))}",
        "name each column once in the sheet, as the configuration's `patients` does",
    )


def folded_header(header: str) -> str:
    """A header without outer spaces, and with one space for each run of spaces and line breaks."""
    return " ".join(header.split())
