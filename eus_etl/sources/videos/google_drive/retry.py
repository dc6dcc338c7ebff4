"""What Drive's refusals mean, which failures pass, and how long to wait: one pace for all threads.

``connection`` makes the requests. What passes and what does not follows Google's "Resolve errors" guide and
what rclone's Drive backend retries.
"""

import email.utils
import json
import random
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from eus_etl.errors import (
    DownloadQuotaError,
    DownloadRefusedError,
    EusEtlError,
    SourceAccessError,
    SourceError,
    SourceFileGoneError,
    SourceUnavailableError,
)

_RATE_LIMITS = {"rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded"}
_REASON = re.compile(r"[A-Za-z_]{1,64}")


class PassingFailure(Exception):  # noqa: N818 - never reaches a person
    """A request failed in a way that may pass.

    Args:
        cause: what happened, without names.
        retry_after_s: how long the server asked to wait.
        everyone: all threads should slow down, not just this one.
    """

    def __init__(self, cause: str, *, retry_after_s: float | None = None, everyone: bool = False) -> None:
        super().__init__(cause)
        self.cause = cause
        self.retry_after_s = retry_after_s
        self.everyone = everyone


class Refused(Exception):  # noqa: N818 - never reaches a person
    """Drive refused a request for good.

    Args:
        status: HTTP status.
        reason: Drive's word for it, for example ``downloadQuotaExceeded``; empty where it gave none.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason

    def error(self, subject: str) -> EusEtlError:
        """The refusal as an error for people; ``subject`` is the id of the file or folder."""
        if self.reason in _EXPLAINED:
            kind, cause, remedy = _EXPLAINED[self.reason]
        elif self.status == 403 and self.reason not in _NO_ACCESS:
            kind, cause = SourceAccessError, "Drive refuses the request and says only this"
            remedy = "look this word up in Google's guide to Drive's errors; then share the file or folder"
        elif self.status in _BY_STATUS:
            kind, cause, remedy = _BY_STATUS[self.status]
        else:
            kind, cause, remedy = SourceError, "Drive refuses the request", "see docs/google-drive.md"
        said = f" ({self.status} {self.reason})" if self.reason else f" ({self.status})"
        return kind(subject, cause + said, remedy)

    def error_of_file(self, file_id: str) -> EusEtlError:
        """The refusal of one file's content: what concerns all files stays an error of access."""
        error = self.error(file_id)
        if isinstance(error, SourceAccessError) and self.status == 403 and self.reason not in _OF_THE_ACCOUNT:
            return DownloadRefusedError(error.subject, error.cause, error.remedy)
        return error


_NO_ACCESS = ("", "forbidden", "insufficientFilePermissions", "appNotAuthorizedToFile", "PERMISSION_DENIED")

_OF_THE_ACCOUNT = ("accessNotConfigured", "insufficientPermissions", "teamDriveMembershipRequired")

_Explanation = tuple[type[EusEtlError], str, str]

_EXPLAINED: Mapping[str, _Explanation] = {
    "downloadQuotaExceeded": (
        DownloadQuotaError,
        "the file was downloaded too often and is locked for up to 24 hours",
        "wait: it is asked for again, after growing pauses; or make a copy in Drive and remove the original",
    ),
    "cannotDownloadAbusiveFile": (
        DownloadRefusedError,
        "Drive marks the file as malware or spam and holds it back",
        "have the uploader check the file and upload it again, or remove it from the folder",
    ),
    "cannotDownloadFile": (
        DownloadRefusedError,
        "the owner does not let viewers download the file",
        "allow viewers to download in the sharing settings of the folder",
    ),
    "accessNotConfigured": (
        SourceAccessError,
        "the Drive API is switched off in the Google Cloud project of the credentials",
        "enable the Google Drive API in that project and wait a few minutes",
    ),
    "insufficientPermissions": (
        SourceAccessError,
        "the credentials lack the scope drive.readonly",
        "grant them https://www.googleapis.com/auth/drive.readonly",
    ),
    "domainPolicy": (
        SourceAccessError,
        "a policy of the owner's domain forbids this account's access",
        "ask the domain's administrator to allow sharing with the service account, or act as an account of "
        "the domain; see docs/google-drive.md",
    ),
    "teamDriveMembershipRequired": (
        SourceAccessError,
        "the shared drive shows this to its members alone",
        "share the folder itself with the account, or add the account to the shared drive as a viewer",
    ),
    "dailyLimitExceeded": (
        SourceError,
        "the Google Cloud project's daily limit of requests is used up",
        "wait for the next day or raise the limit in the Google Cloud console",
    ),
}

_BY_STATUS: Mapping[int, _Explanation] = {
    401: (
        SourceAccessError,
        "Google does not accept the credentials",
        "make a new key for the service account and name its file in the configuration",
    ),
    403: (
        SourceAccessError,
        "the account has no access",
        "share the study's folder with the service account as a viewer",
    ),
    404: (
        SourceFileGoneError,
        "it is no longer in Drive, or no longer shared with the account",
        "put it back or share it again if that was a mistake",
    ),
}


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> PassingFailure | Refused:
    """What an unsuccessful answer means.

    Args:
        status: HTTP status.
        headers: the answer's headers, names in lower case.
        body: the answer's body; only its ``reason`` is read.
    """
    reason = _reason(body)
    if status in (408, 429) or status >= 500 or (status == 403 and reason in _RATE_LIMITS):
        said = f"{status} {reason}".rstrip()
        return PassingFailure(
            f"Drive answers {said}",
            retry_after_s=_retry_after_s(headers.get("retry-after")),
            everyone=status in (403, 429),
        )
    return Refused(status, reason)


def _reason(body: bytes) -> str:
    try:
        error = json.loads(body)["error"]
        reason = error["errors"][0]["reason"] if error.get("errors") else error.get("status", "")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ""
    return reason if isinstance(reason, str) and _REASON.fullmatch(reason) else ""


def _retry_after_s(header: str | None) -> float | None:
    """Seconds of a ``Retry-After`` header, which holds seconds or a date (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast requests follow one another.

    Attributes:
        requests_per_s: of all threads together, in the long run.
        burst: requests that may follow one another at once after a pause.
        attempts: failures in a row after which a task is given up.
        first_wait_s: wait after the first failure; doubled after each further one.
        longest_wait_s: no wait is longer, unless the server asks for it.
    """

    requests_per_s: float = 10.0
    burst: int = 20
    attempts: int = 8
    first_wait_s: float = 1.0
    longest_wait_s: float = 64.0


class Pacer:
    """Hands out turns to all threads in the order in which they ask."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._lock = threading.Lock()
        self._next_turn = 0.0

    def turn_in_s(self) -> float:
        """Take the next turn; returns the seconds to wait for it."""
        with self._lock:
            now = time.monotonic()
            saved_s = (self.pace.burst - 1) / self.pace.requests_per_s
            turn = max(now - saved_s, self._next_turn)
            self._next_turn = turn + 1 / self.pace.requests_per_s
            return max(0.0, turn - now)

    def hold_everyone(self, wait_s: float) -> None:
        """Give no turn to any thread for ``wait_s`` seconds."""
        with self._lock:
            self._next_turn = max(self._next_turn, time.monotonic() + wait_s)

    def tries(self, subject: str, until: float | None = None) -> "Tries":
        """The tries of one task.

        Args:
            subject: id of the file or folder, for errors.
            until: ``time.monotonic()`` after which no failure is waited for; None for no limit.
        """
        return Tries(self, subject, until)


class Tries:
    """Counts one task's failures in a row and waits between its requests."""

    def __init__(self, pacer: Pacer, subject: str, until: float | None) -> None:
        self._pacer = pacer
        self._subject = subject
        self._until = until
        self._failures = 0

    def wait_for_turn(self) -> None:
        """Wait until the task may make its next request."""
        time.sleep(self._pacer.turn_in_s())

    def failed(self, failure: PassingFailure) -> None:
        """Wait after a failure: exponential backoff with jitter, longer if the server asks for it.

        Raises:
            SourceUnavailableError: too many failures in a row, or too little time left.
        """
        self._failures += 1
        pace = self._pacer.pace
        if self._failures >= pace.attempts:
            raise self._given_up(f"{failure.cause}, {self._failures} times in a row")
        backoff_s = min(pace.longest_wait_s, pace.first_wait_s * 2 ** (self._failures - 1))
        wait_s = max(backoff_s * random.uniform(0.5, 1.0), failure.retry_after_s or 0.0)
        if self._until is not None and time.monotonic() + wait_s > self._until:
            raise self._given_up(failure.cause)
        if failure.everyone:
            self._pacer.hold_everyone(wait_s)
        else:
            time.sleep(wait_s)

    def progressed(self) -> None:
        """Forget the failures: the task has made progress."""
        self._failures = 0

    def _given_up(self, cause: str) -> SourceUnavailableError:
        return SourceUnavailableError(
            self._subject, cause, "if this persists, check the network and Drive's status page"
        )
