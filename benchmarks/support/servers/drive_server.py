"""A server on loopback that speaks Drive v3 to the unmodified Google client: strict, with faults on demand.

Parameters are those of the client's own discovery document: any other is refused with 400, as are page
tokens that were never given out, fields that do not exist and queries that it cannot read.
"""

import json
import re
import socket
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.support.servers.drive_faults import Faults
from benchmarks.support.servers.drive_files import Drive, Item
from benchmarks.support.servers.drive_protocol import (
    RefusalError,
    check_parameters,
    folders_of,
    masked,
    no_folder,
    page_token,
    position_of,
)
from benchmarks.support.servers.drive_tokens import TokenOffice

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_BLOCK = 1 << 18


class DriveServer:
    """A drive behind HTTP; ``with serve(drive) as server`` runs it.

    Attributes:
        counts: answered requests by kind: list, get, media, changes, startPageToken, token.
        media_bytes: sent of files' contents.
        after_drop: called between the last byte of a file that is cut short and the hang-up.
        repeat_entries: each page of a listing begins with the last entry of the page before.
        missing: ids that listings leave out, and say nothing of it.
        incomplete_searches: so many listings say that they did not search everything.
        silent_groups: a query for several folders leaves out the children of all but the first.
        page_limit: pages hold no more entries than this, whatever is asked for.
        delay_s: how long every answer takes.
    """

    def __init__(self, drive: Drive, faults: Faults | None = None, tokens: TokenOffice | None = None) -> None:
        self.drive = drive
        self.faults = faults or Faults()
        self.tokens = tokens
        self.counts: Counter[str] = Counter()
        self.media_bytes = 0
        self.after_drop: Callable[[], None] = lambda: None
        self.repeat_entries = False
        self.missing: set[str] = set()
        self.incomplete_searches = 0
        self.silent_groups = False
        self.page_limit = 1000
        self.delay_s = 0.0
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def api_root(self) -> str:
        return f"{self.address}/drive/v3/"

    @property
    def requests(self) -> int:
        """Requests to Drive so far, those that met a fault with them; not those for tokens."""
        return sum(number for kind, number in self.counts.items() if kind != "token")

    def count(self, kind: str) -> None:
        with self._lock:
            self.counts[kind] += 1

    def count_bytes(self, number: int) -> None:
        with self._lock:
            self.media_bytes += number

    def run(self) -> None:
        self._http.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    # the answers

    def file(self, file_id: str, query: Mapping[str, str]) -> dict[str, object]:
        item = self.item(file_id, query)
        return masked(self.drive.resource(item), query.get("fields", "kind,id,name,mimeType"), "File")

    def item(self, file_id: str, query: Mapping[str, str]) -> Item:
        item = self.drive.visible(file_id)
        if item is None or (item.drive_id and query.get("supportsAllDrives") != "true"):
            raise RefusalError(404, "notFound", f"File not found: {file_id}.")
        return item

    def check_key(self, file_id: str, shown: str) -> None:
        item = self.drive.items.get(file_id)
        if item and item.key and f"{file_id}/{item.key}" not in shown.split(","):
            raise RefusalError(404, "notFound", f"File not found: {file_id}.")

    def list(self, query: Mapping[str, str]) -> dict[str, object]:
        if (query.get("corpora") == "drive") != ("driveId" in query):
            raise RefusalError(400, "invalid", "corpora=drive and driveId belong together")
        self._require_member(query)
        if "driveId" in query and query.get("includeItemsFromAllDrives") != "true":
            raise RefusalError(403, "teamDriveMembershipRequired", "includeItemsFromAllDrives is required")
        folders = folders_of(query.get("q", ""))
        for folder in folders:
            self.item(folder, query) if self.drive.visible(folder) else no_folder()
        if self.silent_groups:
            folders = folders[:1]
        found = [item for item in self.drive.children(folders) if item.item_id not in self.missing]
        start = position_of(query.get("pageToken"), f"list {query.get('q')}")
        end = start + min(int(query.get("pageSize", "100")), self.page_limit)
        first = start - 1 if self.repeat_entries and start else start
        page: dict[str, object] = {
            "kind": "drive#fileList",
            "incompleteSearch": False,
            "files": [self.drive.resource(item) for item in found[first:end]],
        }
        if self.incomplete_searches:
            self.incomplete_searches -= 1
            page["incompleteSearch"] = True
        if end < len(found):
            page["nextPageToken"] = page_token(end, f"list {query.get('q')}")
        return masked(page, query.get("fields", "kind"), "FileList")

    def _require_member(self, query: Mapping[str, str]) -> None:
        if (drive_id := query.get("driveId")) in self.drive.closed_drives:
            raise RefusalError(404, "notFound", f"Shared drive not found: {drive_id}")

    def changes(self, query: Mapping[str, str]) -> dict[str, object]:
        self._require_member(query)
        drive_id = query.get("driveId")
        start = position_of(query.get("pageToken") or "none", f"changes {drive_id}")
        with self.drive.lock:
            if not self.drive.oldest_change <= start <= len(self.drive.log):
                raise RefusalError(400, "invalid", "Invalid Value")
            end = min(start + int(query.get("pageSize", "100")), start + self.page_limit, len(self.drive.log))
            happened = dict.fromkeys(reversed(self.drive.log[start:end]))
            page: dict[str, object] = {
                "kind": "drive#changeList",
                "changes": [
                    self._change(item_id)
                    for item_id in reversed(happened)
                    if self._belongs(item_id, drive_id)
                ],
            }
            key = "nextPageToken" if end < len(self.drive.log) else "newStartPageToken"
            page[key] = page_token(end, f"changes {drive_id}")
        return masked(page, query.get("fields", "kind"), "ChangeList")

    def start_token(self, query: Mapping[str, str]) -> dict[str, object]:
        self._require_member(query)
        token = page_token(len(self.drive.log), f"changes {query.get('driveId')}")
        return masked(
            {"kind": "drive#startPageToken", "startPageToken": token},
            query.get("fields", "*"),
            "StartPageToken",
        )

    def _belongs(self, item_id: str, drive_id: str | None) -> bool:
        item = self.drive.items.get(item_id)
        return item is None or drive_id is None or item.drive_id == drive_id

    def _change(self, item_id: str) -> dict[str, object]:
        item = self.drive.visible(item_id)
        change: dict[str, object] = {"kind": "drive#change", "changeType": "file", "fileId": item_id}
        return change | ({"removed": False, "file": self.drive.resource(item)} if item else {"removed": True})


@contextmanager
def serve(
    drive: Drive, faults: Faults | None = None, tokens: TokenOffice | None = None
) -> Iterator[DriveServer]:
    """Run a server on a free port of loopback."""
    server = DriveServer(drive, faults, tokens)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


def _handler(server: DriveServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        pass

    Handler.drive_server = server
    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    drive_server: DriveServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass

    def do_GET(self) -> None:
        self._answer(self.path.partition("?")[2])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        if self.path == "/token" and self.drive_server.tokens:
            self.drive_server.count("token")
            status, answer = self.drive_server.tokens.answer(dict(urllib.parse.parse_qsl(body)))
            self._send(status, json.dumps(answer).encode())
        elif self.headers.get("X-HTTP-Method-Override") == "GET":  # Google's client sends long queries so
            self._answer(body)
        else:
            self._refuse(RefusalError(405, "methodNotAllowed", "read-only"))

    def _answer(self, query_text: str) -> None:
        server, path = self.drive_server, self.path.partition("?")[0]
        query = dict(urllib.parse.parse_qsl(query_text, keep_blank_values=True))
        method, file_id = _method(path)
        is_media = query.get("alt") == "media"
        kind = "media" if is_media else method
        server.count(kind)
        time.sleep(server.delay_s)
        fault = server.faults.draw(is_media)
        try:
            if fault == "drop":
                return self._hang_up()
            if fault == "stall":
                time.sleep(server.faults.stall_s)
                return self._hang_up()
            _raise(fault, server)
            if server.tokens and not server.tokens.accepts(self.headers.get("Authorization", "")):
                raise RefusalError(401, "authError", "Invalid Credentials")
            check_parameters(method, query)
            server.check_key(file_id, self.headers.get("X-Goog-Drive-Resource-Keys", ""))
            if is_media:
                return self._send_media(server.item(file_id, query), fault)
            answer = {
                "get": lambda: server.file(file_id, query),
                "list": lambda: server.list(query),
                "changes": lambda: server.changes(query),
                "startPageToken": lambda: server.start_token(query),
            }[method]()
            self._send(200, json.dumps(answer).encode())
        except RefusalError as refusal:
            self._refuse(refusal)
        except (BrokenPipeError, ConnectionResetError):  # the client was killed
            self.close_connection = True
        return None

    def _send_media(self, item: Item, fault: str | None) -> None:
        if not item.can_download:
            raise RefusalError(403, "cannotDownloadFile", f"no download of {item.name}")
        if item.refusal:
            raise RefusalError(403, item.refusal, f"no download of {item.name}")
        content, size = item.content, len(item.content)
        asked = _RANGE.fullmatch(self.headers.get("Range", "")) if fault != "ignore range" else None
        start = int(asked[1]) if asked else 0
        if asked and start >= size:
            return self._send(416, b"", {"Content-Range": f"bytes */{size}"})
        end = min(int(asked[2] or size - 1) + 1, size) if asked else size
        part = content[start:end]
        if fault == "corrupt":
            place = self.drive_server.faults.place(len(part))
            part = part[:place] + bytes([part[place] ^ 1]) + part[place + 1 :]
        elif fault == "wrong range":
            start += 1
        self.send_response(206 if asked else 200)
        self.send_header("Content-Type", item.mime_type)
        self.send_header("Content-Length", str(len(part)))
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        if fault in ("drop at byte", "stall at byte"):
            self.wfile.write(part[: self.drive_server.faults.place(len(part))])
            self.drive_server.after_drop()
            if fault == "stall at byte":
                time.sleep(self.drive_server.faults.stall_s)
            return self._hang_up()
        for first in range(0, len(part), _BLOCK):
            self.wfile.write(part[first : first + _BLOCK])
            self.drive_server.count_bytes(len(part[first : first + _BLOCK]))
        return None

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _refuse(self, refusal: RefusalError) -> None:
        self._send(refusal.status, json.dumps(refusal.body).encode(), refusal.headers)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _method(path: str) -> tuple[str, str]:
    match path.removeprefix("/drive/v3/").split("/"):
        case ["files"]:
            return "list", ""
        case ["files", file_id]:
            return "get", urllib.parse.unquote(file_id)
        case ["changes"]:
            return "changes", ""
        case ["changes", "startPageToken"]:
            return "startPageToken", ""
    return "unknown", ""


def _raise(fault: str | None, server: DriveServer) -> None:
    if fault == "expired token" and server.tokens:
        server.tokens.revoke_all()
    elif fault == "429":
        raise RefusalError(
            429, "rateLimitExceeded", "Too many requests", **{"Retry-After": server.faults.retry_after}
        )
    elif fault in ("500", "503"):
        raise RefusalError(int(fault), "backendError", "Internal Error")
    elif fault and fault.startswith("403 "):
        raise RefusalError(403, fault.removeprefix("403 "), "Forbidden")
