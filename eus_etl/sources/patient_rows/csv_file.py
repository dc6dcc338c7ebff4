"""Patient rows in a CSV file."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from eus_etl.errors import SourceError, SourceUnavailableError
from eus_etl.sources.patient_rows.base import RowScan, rows_of
from eus_etl.storage.files.stable_read import read_settled, revision_of
from eus_etl.storage.tables.csv_cells import read_cells

_ROLE = "sources.patient_rows"


class CsvRows:
    """Rows of a CSV file; ``storage.tables.csv_cells`` lists the encodings and separators that it may have.

    A row with more cells than there are headers is not read: its cells may be in the wrong columns.

    Args:
        path: the file.
        key_header: header of the column of ids and aliases.
        headers: headers of the columns to read.
    """

    def __init__(self, path: Path, key_header: str, headers: Sequence[str]) -> None:
        self._path = path
        self._key_header = key_header
        self._headers = headers

    def read(self) -> RowScan:
        """Read all rows; see ``PatientRowSource``."""
        try:
            raw = read_settled(self._path, _ROLE)
        except OSError as error:
            raise SourceUnavailableError(
                _ROLE,
                f"the CSV file cannot be read ({os.strerror(error.errno or 0)})",
                "check the path in the configuration and that its disk is mounted",
            ) from None
        try:
            found = read_cells(raw, (self._key_header, *self._headers))
        except ValueError as error:
            raise SourceError(
                _ROLE,
                f"the CSV file cannot be read: {error}",
                "export the sheet as CSV in UTF-8 again; look for a quote left open",
            ) from None
        numbered = [(number, row) for number, row in found.rows.items() if number not in found.surplus]
        scan = rows_of(found.header, numbered, self._key_header, self._headers)
        return replace(scan, surplus=tuple(sorted(found.surplus)))

    def revision(self) -> str | None:
        """By the file's size and times; see ``PatientRowSource``."""
        return revision_of(self._path)
