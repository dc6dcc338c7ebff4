"""A server on loopback that speaks Drive v3 to the unmodified Google client: strict, with faults on demand.

Parameters are those of the client's own discovery document: any other is refused with 400, as are page
tokens that were never given out, fields that do not exist and queries that it cannot read.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.support.servers.drive_faults import Faults
from benchmarks.support.servers.drive_files import Drive, Item
from benchmarks.support.servers.drive_handler import DriveHandler
from benchmarks.support.servers.drive_protocol import (
    RefusalError,
    folders_of,
    masked,
    no_folder,
    page_token,
    position_of,
)
from benchmarks.support.servers.drive_tokens import TokenOffice


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
    class Handler(DriveHandler):
        pass

    Handler.drive_server = server
    return Handler
