"""The HTTP side of the drive server: requests, their faults, and media in blocks."""

import json
import re
import socket
import time
import urllib.parse
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from benchmarks.support.servers.drive_files import Item
from benchmarks.support.servers.drive_protocol import (
    RefusalError,
    check_parameters,
)

if TYPE_CHECKING:
    from benchmarks.support.servers.drive_server import DriveServer

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_BLOCK = 1 << 18


class DriveHandler(BaseHTTPRequestHandler):
    """Answers one connection on behalf of ``drive_server``."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    drive_server: "DriveServer"

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


def _raise(fault: str | None, server: "DriveServer") -> None:
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
