"""A server on loopback that speaks Google's token exchange and the Sheets v4 wire format.

As strict as the real one where a client could get it wrong: an unknown query key or enum value is 400, a
missing or dead token 401, a spreadsheet that is not shared 403, one that is not there 404, a range that
names no tab 400. Empty trailing cells and rows are left out. Faults come in the order asked for, each once.
"""

import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt
from google.oauth2 import service_account

Cell: TypeAlias = str | bool | int | float | date | None

ACCOUNT = "pipeline@study.iam.gserviceaccount.com"
READONLY = "https://www.googleapis.com/auth/spreadsheets.readonly"

_AUDIENCE = "https://oauth2.googleapis.com/token"  # whichever address the client asks
_SCOPES = {READONLY, "https://www.googleapis.com/auth/drive.readonly"}
_EVERYWHERE = {"alt", "fields", "key", "prettyPrint", "quotaUser", "$.xgafv"}
_OPTIONS = {
    "majorDimension": {"ROWS", "COLUMNS"},
    "valueRenderOption": {"FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA"},
    "dateTimeRenderOption": {"SERIAL_NUMBER", "FORMATTED_STRING"},
}
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_PATH = re.compile(r"/v4/spreadsheets/(?P<id>[^/]+)/values/(?P<range>[^/]+)")
_RANGE = re.compile(
    r"(?:(?:'(?P<quoted>(?:[^']|'')+)'|(?P<plain>[^'!]+))!)?"
    r"(?P<left>[A-Z]+)(?P<top>[0-9]*)(?::(?P<right>[A-Z]+)(?P<bottom>[0-9]*))?"
)


@dataclass
class Spreadsheet:
    """One spreadsheet: tabs by name, the first one first, and the accounts that it is shared with."""

    tabs: dict[str, list[list[Cell]]]
    readers: set[str] = field(default_factory=lambda: {ACCOUNT})


@dataclass(frozen=True)
class Answer:
    """An answer in place of the real one; ``sent_bytes`` cuts its body off."""

    status: int
    body: bytes
    sent_bytes: int | None = None


class _RefusedError(Exception):
    def __init__(self, status: int, message: str, reason: str | None = None, word: str | None = None) -> None:
        super().__init__(message)
        self.answer = refusal(status, message, reason, word)


def refusal(status: int, message: str, reason: str | None = None, word: str | None = None) -> Answer:
    """A refusal as Google words it."""
    error: dict[str, object] = {"code": status, "message": message, "status": word or _STATUS[status]}
    if reason:
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        error["details"] = [{"@type": kind, "reason": reason, "domain": "googleapis.com"}]
    return Answer(status, json.dumps({"error": error}).encode())


DROPPED = Answer(0, b"")
"""The connection is closed without an answer."""


class SheetServer:
    """Spreadsheets by id, and what was asked for.

    Attributes:
        spreadsheets: change them at any time.
        faults: answers to give to the next requests for values, instead of the real ones.
        token_faults: the same for the next requests for a token.
        asked: query of each request for values.
        tokens: tokens that are good, and the account of each; empty it and they have expired.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self.spreadsheets: dict[str, Spreadsheet] = {}
        self.faults: deque[Answer] = deque()
        self.token_faults: deque[Answer] = deque()
        self.asked: list[dict[str, list[str]]] = []
        self.tokens: dict[str, str] = {}
        self._issued = 0

    def credentials(self, account: str = ACCOUNT, scope: str = READONLY) -> service_account.Credentials:
        """Credentials of a service account whose tokens this server gives out."""
        made: service_account.Credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]  # google-auth does not annotate it
            self._key(account), scopes=[scope]
        )
        return made

    def write_key_file(self, path: Path, account: str = ACCOUNT) -> Path:
        """A service account's key as Google's console gives it out."""
        path.write_text(json.dumps(self._key(account)), encoding="utf-8")
        return path

    def _key(self, account: str) -> dict[str, str]:
        return {
            "type": "service_account",
            "client_email": account,
            "private_key": _key_pair()[0],
            "token_uri": f"{self.root}token",
        }

    def token(self, form: dict[str, list[str]]) -> Answer:
        """Exchange a signed assertion for a token (RFC 7523)."""
        if self.token_faults:
            return self.token_faults.popleft()
        claims = jwt.decode(form["assertion"][0], certs=_key_pair()[1], audience=_AUDIENCE)  # type: ignore[no-untyped-call]  # as above
        if form["grant_type"] != ["urn:ietf:params:oauth:grant-type:jwt-bearer"]:
            return Answer(400, b'{"error": "unsupported_grant_type"}')
        if not set(claims["scope"].split()) <= _SCOPES:
            return Answer(400, b'{"error": "invalid_scope"}')
        self._issued += 1
        token = f"token-{self._issued}"
        self.tokens[token] = claims["iss"]
        body = {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}
        return Answer(200, json.dumps(body).encode())

    def values(self, path: str, query: dict[str, list[str]], authorization: str) -> Answer:
        """``spreadsheets.values.get``."""
        self.asked.append(query)
        if self.faults:
            return self.faults.popleft()
        try:
            return Answer(200, json.dumps(self._value_range(path, query, authorization)).encode())
        except _RefusedError as error:
            return error.answer

    def _value_range(self, path: str, query: dict[str, list[str]], authorization: str) -> dict[str, object]:
        if not (match := _PATH.fullmatch(path)):
            raise _RefusedError(404, "Requested entity was not found.")
        options = {name: self._option(name, given) for name, given in query.items()}
        account = self.tokens.get(authorization.removeprefix("Bearer "))
        if account is None:
            raise _RefusedError(401, "Request had invalid authentication credentials.")
        spreadsheet = self.spreadsheets.get(unquote(match["id"]))
        if spreadsheet is None:
            raise _RefusedError(404, "Requested entity was not found.")
        if account not in spreadsheet.readers:
            raise _RefusedError(403, "The caller does not have permission")
        asked = unquote(match["range"])
        rows = [[_shown(cell, options) for cell in row] for row in _cells(spreadsheet, asked)]
        answer: dict[str, object] = {"range": asked, "majorDimension": options.get("majorDimension", "ROWS")}
        trimmed = _trimmed([_trimmed(row, "") for row in rows], [])
        return answer | ({"values": trimmed} if trimmed else {})

    def _option(self, name: str, given: list[str]) -> str:
        if name not in _EVERYWHERE and name not in _OPTIONS:
            raise _RefusedError(
                400, f'Invalid JSON payload received. Unknown name "{name}": Cannot bind query parameter.'
            )
        if len(given) > 1 or (name in _OPTIONS and given[0] not in _OPTIONS[name]):
            raise _RefusedError(400, f"Invalid value at '{name}'")
        return given[0]


def _cells(spreadsheet: Spreadsheet, asked: str) -> list[list[Cell]]:
    """The cells of a range in A1 notation, which may be a tab's name alone."""
    tabs = spreadsheet.tabs
    whole = asked[1:-1].replace("''", "'") if asked.startswith("'") and asked.endswith("'") else asked
    if whole in tabs:
        return tabs[whole]
    match = _RANGE.fullmatch(asked)
    name = (match["quoted"] or "").replace("''", "'") or match["plain"] or next(iter(tabs)) if match else ""
    if match is None or name not in tabs:
        raise _RefusedError(400, f"Unable to parse range: {asked}")
    top = int(match["top"] or 1) - 1
    bottom = int(match["bottom"]) if match["bottom"] else None
    left, right = _column(match["left"]), _column(match["right"] or match["left"]) + 1
    return [row[left:right] for row in tabs[name][top:bottom]]


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def _shown(cell: Cell, options: dict[str, str]) -> str | bool | int | float:
    formatted = options.get("valueRenderOption", "FORMATTED_VALUE") == "FORMATTED_VALUE"
    if isinstance(cell, date):
        if formatted or options.get("dateTimeRenderOption") == "FORMATTED_STRING":
            return cell.strftime("%d.%m.%Y")
        moment = cell if isinstance(cell, datetime) else datetime(cell.year, cell.month, cell.day)
        days = (moment - datetime(1899, 12, 30)).total_seconds() / 86_400
        return int(days) if days.is_integer() else days
    if cell is None:
        return ""
    if formatted and not isinstance(cell, str):
        return str(cell).upper() if isinstance(cell, bool) else f"{cell:.1f}".replace(".", ",")
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _trimmed(cells: Sequence[object], empty: object) -> list[object]:
    kept = list(cells)
    while kept and kept[-1] == empty:
        kept.pop()
    return kept


@cache
def _key_pair() -> tuple[str, bytes]:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public


@contextmanager
def sheet_server() -> Iterator[SheetServer]:
    """A running server, stopped at the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        served: ClassVar[SheetServer]

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = parse_qs(url.query, keep_blank_values=True)
            self._send(self.served.values(url.path, query, self.headers.get("Authorization", "")))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._send(self.served.token(parse_qs(body)))

        def _send(self, answer: Answer) -> None:
            self.close_connection = answer is DROPPED or answer.sent_bytes is not None
            if answer is DROPPED:
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: answer.sent_bytes])

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named so by http.server
            """Keep the tests' output quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        Handler.served = SheetServer(f"http://127.0.0.1:{listening.server_address[1]}/")
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield Handler.served
        finally:
            listening.shutdown()
            thread.join()
