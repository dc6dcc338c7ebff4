"""Authorized access to Drive: credentials, Google's client for metadata, sessions for media.

Every failure of a request becomes ``PassingFailure`` or ``Refused``; callers decide what to ask for. The
libraries' exceptions are never chained: their messages may hold addresses, answers or tokens.
"""

import http.client
import json
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import google.auth
import httplib2
import requests
import urllib3
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.auth.transport.requests import AuthorizedSession
from google.oauth2 import credentials as oauth2
from google.oauth2 import service_account
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient import discovery
from googleapiclient.errors import HttpError
from googleapiclient.http import HttpRequest

from eus_etl.errors import SourceAccessError
from eus_etl.sources.videos.google_drive.retry import PassingFailure, Refused, failure_of

SCOPES = ("https://www.googleapis.com/auth/drive.readonly",)
"""Allows reading names, checksums and content, and changing nothing."""


_TRANSPORT_FAILURES = (
    OSError,  # includes requests' exceptions, timeouts and TLS errors
    http.client.HTTPException,
    httplib2.HttpLib2Error,
    urllib3.exceptions.HTTPError,
    TransportError,
)


def read_credentials(key_file: Path | None, subject: str, impersonate: str | None = None) -> Credentials:
    """Credentials of a file, or the application default; read-only scopes.

    Args:
        key_file: a service account's key, or the authorization that a person gave; None for the application
            default.
        subject: the part of the configuration that names them, for errors.
        impersonate: address of the account as which a service account acts, by its domain's delegation.

    Raises:
        SourceAccessError: there are none, or the file is not a key.
    """
    found = _application_default(subject) if key_file is None else _of_file(key_file, subject)
    if impersonate is None:
        return found
    if not isinstance(found, service_account.Credentials):
        raise SourceAccessError(
            subject,
            "only a service account's key can act as another account",
            "name a service account's key file, or leave out impersonate",
        )
    acting: Credentials = found.with_subject(impersonate)  # type: ignore[no-untyped-call]  # not annotated there
    return acting


def _application_default(subject: str) -> Credentials:
    try:
        found: Credentials = google.auth.default(scopes=SCOPES)[0]
    except (GoogleAuthError, OSError):
        raise SourceAccessError(
            subject,
            "there are no application default credentials",
            "name a service account's key file in the configuration; see docs/google-drive.md",
        ) from None
    return found


def _of_file(key_file: Path, subject: str) -> Credentials:
    try:
        facts = json.loads(key_file.read_bytes())
        if "refresh_token" in facts:
            return _authorized(facts)
        key: Credentials = service_account.Credentials.from_service_account_info(facts, scopes=SCOPES)  # type: ignore[no-untyped-call]  # not annotated there
    except (OSError, ValueError, TypeError, KeyError, AttributeError, GoogleAuthError) as error:
        why = (
            "cannot be read"
            if isinstance(error, OSError)
            else "is neither a service account's key nor the authorization of an account"
        )
        raise SourceAccessError(
            subject,
            f"the credentials file {why}",
            "download a JSON key of the service account again; see docs/google-drive.md",
        ) from None
    return key


def _authorized(facts: Mapping[str, str]) -> Credentials:
    """What a person authorized for a program: a token that gets new tokens until the person withdraws it."""
    found: Credentials = oauth2.Credentials(  # type: ignore[no-untyped-call]  # not annotated there
        None,
        refresh_token=facts["refresh_token"],
        token_uri=facts.get("token_uri") or "https://oauth2.googleapis.com/token",
        client_id=facts["client_id"],
        client_secret=facts["client_secret"],
        scopes=SCOPES,
    )
    return found


class _Closable(Protocol):
    def close(self) -> None: ...


_C = TypeVar("_C", bound=_Closable)


class _Spares(Generic[_C]):
    """Connections, each lent to one thread at a time; one that failed is closed, not lent again."""

    def __init__(self, make: Callable[[], _C]) -> None:
        self._make = make
        self._idle: list[_C] = []

    @contextmanager
    def lend(self) -> Iterator[_C]:
        try:
            connection = self._idle.pop()  # atomic: threads need no lock
        except IndexError:
            connection = self._make()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


class DriveConnection:
    """Requests to Drive, each made once; any number of threads may share one connection.

    Args:
        credentials: with read-only scopes.
        api_root: another address of the API, for example ``http://127.0.0.1:8080/drive/v3/``.
        timeout_s: an answer, or its next bytes, must arrive within this time.
    """

    def __init__(
        self, credentials: Credentials, *, api_root: str | None = None, timeout_s: float = 60.0
    ) -> None:
        def new_http() -> AuthorizedHttp:
            return AuthorizedHttp(credentials, http=httplib2.Http(timeout=timeout_s))

        def new_session() -> AuthorizedSession:
            return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # not annotated there

        self._timeout_s = timeout_s
        self._https = _Spares[AuthorizedHttp](new_http)
        self._sessions = _Spares[AuthorizedSession](new_session)
        # the discovery document comes with the client: building makes no request
        self.api: Any = discovery.build(
            "drive",
            "v3",
            http=httplib2.Http(),
            static_discovery=True,
            client_options={"api_endpoint": api_root} if api_root else None,
        )
        self.close = weakref.finalize(self, _close, self._https, self._sessions)

    def metadata(self, request: HttpRequest) -> dict[str, Any]:
        """Make one request of Google's client.

        Raises:
            PassingFailure: it may succeed when made again.
            Refused: it will not.
        """
        try:
            with _failures_named(), self._https.lend() as authorised:
                answer: dict[str, Any] = request.execute(http=authorised)
                return answer
        except HttpError as error:
            raise failure_of(error.resp.status, error.resp, error.content) from None
        except ValueError:
            raise PassingFailure("the answer was cut short") from None

    @contextmanager
    def media(self, file_id: str, offset: int, headers: Mapping[str, str] | None = None) -> Iterator["Media"]:
        """A file's content from byte ``offset`` on, as it arrives.

        Args:
            file_id: Drive's id.
            offset: where to begin.
            headers: more headers of the request.

        Raises:
            PassingFailure: it may succeed when asked for again.
            Refused: it will not.
        """
        uri = self.api.files().get_media(fileId=file_id, supportsAllDrives=True).uri
        sent = {"Accept-Encoding": "identity", **(headers or {})}  # compressed bytes would have other offsets
        if offset:
            sent["Range"] = f"bytes={offset}-"
        with self._sessions.lend() as session:
            with _failures_named():
                answer = session.get(uri, headers=sent, stream=True, timeout=self._timeout_s)
            with answer:
                if answer.status_code not in (200, 206, 416):
                    with _failures_named():
                        body = answer.content
                    lower = {name.lower(): value for name, value in answer.headers.items()}
                    raise failure_of(answer.status_code, lower, body)
                yield Media(answer)


class Media:
    """An answer that holds a file's content: status 200, 206 or 416.

    Attributes:
        status: the HTTP status.
        content_range: the header; empty where it is missing.
        length: bytes to come; None where the answer does not say.
    """

    def __init__(self, answer: requests.Response) -> None:
        self._answer = answer
        self.status = answer.status_code
        self.content_range = answer.headers.get("Content-Range", "")
        length = answer.headers.get("Content-Length", "")
        self.length = int(length) if length.isdecimal() else None

    def blocks(self, size: int) -> Iterator[bytes]:
        """The content in blocks of ``size`` bytes; the last is shorter.

        Raises:
            PassingFailure: the connection broke or went silent; what arrived before is good.
        """
        while True:
            with _failures_named():
                block = self._answer.raw.read(size, decode_content=False)
            if not block:
                return
            yield block


def _close(*spares: _Spares[Any]) -> None:
    for one in spares:
        one.close()


@contextmanager
def _failures_named() -> Iterator[None]:
    try:
        yield
    except RefreshError as error:
        if error.retryable:
            raise PassingFailure("Google's token service does not answer") from None
        raise Refused(401, "") from None
    except (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError):
        raise PassingFailure("Drive stopped answering") from None
    except _TRANSPORT_FAILURES:
        raise PassingFailure("the connection to Drive broke") from None
    except GoogleAuthError:
        raise Refused(401, "") from None
