"""Patient rows in a CSV file."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

from eus_etl.errors import SourceError, SourceUnavailableError
from eus_etl.sources.patient_rows.base import RowScan, select_rows
from eus_etl.storage.stable_read import read_settled

_ROLE = "sources.patient_rows"


class CsvRows:
    """Rows of a CSV file: UTF-8 with or without a byte order mark, commas, RFC 4180 quotes.

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
            text = read_settled(self._path, _ROLE).decode("utf-8-sig")
            # strict: a quote left open must not swallow the rows after it
            rows = csv.reader(io.StringIO(text, newline=""), strict=True)
            return select_rows(rows, self._key_header, self._headers)
        except OSError as error:
            raise SourceUnavailableError(
                _ROLE,
                f"the CSV file cannot be read ({os.strerror(error.errno or 0)})",
                "check the path in the configuration and that its disk is mounted",
            ) from error
        except UnicodeDecodeError as error:
            raise SourceError(
                _ROLE, "the CSV file is not UTF-8", "export the sheet as CSV with the encoding UTF-8"
            ) from error
        except csv.Error as error:
            raise SourceError(
                _ROLE,
                f"the file is no valid CSV ({error})",
                "export the sheet as CSV again; look for a quote left open",
            ) from error
