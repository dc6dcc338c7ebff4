"""Patient rows in a Google Sheet.

Cells are read as they are stored, not as they are shown, so a sheet's number format and locale make no
difference. ``videos.google_drive.connection`` reads the credentials.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from datetime import date, timedelta
from functools import cache
from http.client import HTTPException
from typing import Any

from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError
from httplib2 import Http, HttpLib2Error

from eus_etl.errors import EusEtlError, SourceAccessError, SourceError, SourceUnavailableError
from eus_etl.sources.patient_rows.base import PatientRow, RowScan, select_rows

SCOPE = "https://www.googleapis.com/auth/spreadsheets.readonly"
"""The narrowest scope that the credentials need; ``drive.readonly`` is enough as well."""

_ROLE = "sources.patient_rows"
_TIMEOUT_S = 60.0
_RETRIES = 5  # by the client: on 429, 5xx and lost connections, after up to 2, 4, 8, 16 and 32 s

_SERIAL_DAY_0 = date(1899, 12, 30)
_SERIAL_FIRST, _SERIAL_LAST = 10_000, (date.max - _SERIAL_DAY_0).days

_PACED_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"}
_SWITCHED_OFF_REASONS = {"SERVICE_DISABLED", "accessNotConfigured"}

_Explanation = tuple[type[SourceError], str, str]
_REFUSED: Mapping[int, _Explanation] = {
    400: (
        SourceError,
        "Google cannot read this range of the spreadsheet",
        "correct `range` (for example `Patients!A:F`), and save an uploaded Excel file as a Google Sheet",
    ),
    401: (
        SourceAccessError,
        "Google does not accept the credentials",
        "make a new key for the service account; see docs/google-sheet.md",
    ),
    403: (
        SourceAccessError,
        "the credentials have no access to the spreadsheet",
        "share it with {account} as a viewer",
    ),
    404: (
        SourceAccessError,
        "there is no spreadsheet with this id",
        "correct `spreadsheet_id`, and share the spreadsheet with {account} as a viewer",
    ),
}
_SWITCHED_OFF: _Explanation = (
    SourceAccessError,
    "the Google Sheets API is switched off in the project of the credentials",
    "enable it there and wait a few minutes; see docs/google-sheet.md",
)
_OTHER: _Explanation = (SourceError, "Google refuses the request", "check `spreadsheet_id` and `range`")


class GoogleSheet:
    """Rows of one range of a spreadsheet, read in one request.

    Args:
        spreadsheet_id: the part of the sheet's address between ``/d/`` and the next slash.
        a1_range: the range in A1 notation, headers first: ``Patients``, ``Patients!A:F``, ``A3:F``.
        key_header: header of the column of ids and aliases.
        headers: headers of the columns to read.
        credentials: of an account that the sheet is shared with, good for ``SCOPE``.
        date_headers: those of ``headers`` whose columns hold dates.
        api_root: another server with Google's API; ends in a slash.
    """

    def __init__(
        self,
        spreadsheet_id: str,
        a1_range: str,
        key_header: str,
        headers: Sequence[str],
        credentials: Credentials,
        *,
        date_headers: Collection[str] = (),
        api_root: str | None = None,
    ) -> None:
        self._spreadsheet_id = spreadsheet_id
        self._a1_range = a1_range
        self._key_header = key_header
        self._headers = headers
        self._date_headers = frozenset(date_headers)
        self._credentials = credentials
        self._api_root = api_root

    def revision(self) -> None:
        """Only reading it can tell; see ``PatientRowSource``."""

    def read(self) -> RowScan:
        """Read all rows; see ``PatientRowSource``.

        Numbers become text with a decimal point, whole ones without; booleans ``true`` and ``false``; dates
        of the date columns ISO 8601.
        """
        cells = [[_text(value) for value in row] for row in self._values()]
        scan = select_rows(cells, self._key_header, self._headers)
        return RowScan(tuple(map(self._with_dates, scan.rows)), scan.headers)

    def _with_dates(self, row: PatientRow) -> PatientRow:
        cells = {
            header: _day(cell) if header in self._date_headers else cell for header, cell in row.cells.items()
        }
        return PatientRow(row.key, cells, row.number)

    def _values(self) -> list[list[object]]:
        values = _client(self._api_root).spreadsheets().values()
        request = values.get(
            spreadsheetId=self._spreadsheet_id,
            range=self._a1_range,
            majorDimension="ROWS",
            valueRenderOption="UNFORMATTED_VALUE",
            dateTimeRenderOption="SERIAL_NUMBER",
        )
        try:
            with closing(AuthorizedHttp(self._credentials, http=Http(timeout=_TIMEOUT_S))) as authorised:
                answer = request.execute(http=authorised, num_retries=_RETRIES)
        except HttpError as error:
            raise self._refused(error) from None
        except GoogleAuthError as error:
            raise self._no_token(error) from None
        except (HttpLib2Error, HTTPException, OSError, UnicodeDecodeError) as error:
            raise _unavailable(f"cannot be reached ({type(error).__name__})") from None
        if not isinstance(answer, dict):
            raise _unavailable("answered with something other than a JSON object")
        rows: list[list[object]] = answer.get("values", [])  # Google leaves it out where there are no rows
        return rows

    def _no_token(self, error: GoogleAuthError) -> EusEtlError:
        if isinstance(error, TransportError) or error.retryable:
            return _unavailable("did not give out a token")
        return SourceAccessError(
            _ROLE,
            "Google gives the credentials no token",
            "check the machine's clock, or make a new key for the service account; see docs/google-sheet.md",
        )

    def _refused(self, error: HttpError) -> EusEtlError:
        """The error that an answer means, without Google's message, which repeats the range."""
        details = error.error_details if isinstance(error.error_details, list) else []
        reasons = {detail.get("reason") for detail in details if isinstance(detail, dict)}
        status = error.status_code
        if status == 429 or status >= 500 or reasons & _PACED_REASONS:
            return _unavailable(f"did not serve the sheet (HTTP {status})")
        kind, cause, remedy = (
            _SWITCHED_OFF if reasons & _SWITCHED_OFF_REASONS else _REFUSED.get(status, _OTHER)
        )
        return kind(_ROLE, f"{cause} (HTTP {status})", remedy.format(account=self._account()))

    def _account(self) -> str:
        """The service account's address; a person's own credentials are not named."""
        address = getattr(self._credentials, "service_account_email", None)
        return address if isinstance(address, str) and "@" in address else "the service account's address"


@cache
def _client(api_root: str | None) -> Any:
    """Google's client without credentials, built from a document that comes with it: makes no request."""
    options = {"api_endpoint": api_root} if api_root else None
    return build("sheets", "v4", http=Http(), client_options=options, static_discovery=True)


def _unavailable(cause: str) -> SourceUnavailableError:
    return SourceUnavailableError(
        _ROLE, f"Google {cause}; it is tried again", "if this persists, check the network"
    )


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
    return str(value)


def _day(cell: str) -> str:
    """The ISO date of a serial number: days since 1899-12-30, with the time of day as the fraction.

    A cell that holds anything else stays as it is, and so does a number below 10000 (1927-05-18): a lone
    ``2024`` is a year that somebody typed, not the 16th of July 1905.
    """
    whole, _, fraction = cell.partition(".")
    if not whole.isdecimal() or not (fraction or "0").isdecimal():
        return cell
    serial = int(whole)
    if not _SERIAL_FIRST <= serial <= _SERIAL_LAST:
        return cell
    return (_SERIAL_DAY_0 + timedelta(days=serial)).isoformat()
