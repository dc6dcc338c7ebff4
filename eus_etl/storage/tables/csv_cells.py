"""Cells of CSV files written by people and their programs, in any usual encoding and with any separator.

Messages give line numbers only: a cell may contain a name.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

_SEPARATORS = (",", ";", "\t", "|")
_BYTE_ORDER_MARKS = (
    # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


@dataclass(frozen=True, slots=True)
class CsvCells:
    """A CSV file.

    Attributes:
        header: the first row.
        rows: the others, by number, the header being 1.
        surplus: numbers of rows with something after the last column: an extra separator, as from a
            decimal comma, shifts all cells after it.
    """

    header: tuple[str, ...]
    rows: dict[int, list[str]]
    surplus: frozenset[int]


def read_cells(raw: bytes, headers: Collection[str]) -> CsvCells:
    """Read a CSV file: UTF-8, or UTF-16 or 32 with its mark; separated by comma, semicolon, tab or bar.

    Args:
        raw: the file.
        headers: headers that the file should have; the separator that yields most of them is used.

    Raises:
        ValueError: it is not such a file; says why, and in which line.
    """
    text = _decoded(raw)
    first, _, rest = text.partition("\n")
    if re.fullmatch(r"sep=.\r?", first, re.IGNORECASE):  # a line only for Excel
        separator, text = first[4], rest
    else:
        separator = _separator(text, {" ".join(header.split()) for header in headers})
    numbered = dict(enumerate(_rows(text, separator), start=1))
    header = tuple(numbered.pop(1, ()))
    surplus = {number for number, row in numbered.items() if any(cell.strip() for cell in row[len(header) :])}
    return CsvCells(header, numbered, frozenset(surplus))


def without_rows(raw: bytes, headers: Collection[str], drop: Callable[[list[str]], bool]) -> bytes:
    """A CSV file as it is, without the rows that ``drop`` says; the header stays.

    Args:
        raw: the file.
        headers: as for ``read_cells``.
        drop: is given the cells of a row.

    Raises:
        ValueError: as ``read_cells``.
    """
    text, encoding = _decoded(raw), _encoding(raw)
    lines = list(io.StringIO(text, newline=""))
    own_line = bool(lines) and re.fullmatch(_FOR_EXCEL, lines[0].rstrip("\r\n"), re.IGNORECASE)
    separator = lines[0][4] if own_line else _separator(text, {" ".join(h.split()) for h in headers})
    kept, begin = lines[: 1 if own_line else 0], 1 if own_line else 0
    # strict, and line by line: a row is what the reader took to give its cells
    reader = csv.reader(iter(lines[begin:]), delimiter=separator, strict=True)
    first = begin
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            raise ValueError(f"line {first + 1} is not valid CSV") from None
        if row is None:
            break
        after = begin + reader.line_num
        if first == begin or not drop(row):
            kept += lines[first:after]
        first = after
    return raw if len(kept) == len(lines) else "".join(kept).encode(encoding)


_FOR_EXCEL = r"sep=."


def _encoding(raw: bytes) -> str:
    return next((name for mark, name in _BYTE_ORDER_MARKS if raw.startswith(mark)), "utf-8")


def _decoded(raw: bytes) -> str:
    encoding = _encoding(raw)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(f"line {line} is not UTF-8: it contains zero bytes, as UTF-16 does") from None
    return text


def _separator(text: str, headers: Collection[str]) -> str:
    def known(separator: str) -> int:
        try:
            first = next(_rows(text, separator), [])
        except ValueError:
            return 0
        return sum(" ".join(cell.split()) in headers for cell in first)

    return max(_SEPARATORS, key=known)


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    # strict: an unclosed quote must not swallow the rows after it
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error:
            raise ValueError(f"line {begins} is not valid CSV") from None
        if row is None:
            return
        yield row
