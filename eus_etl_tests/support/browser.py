"""A headless Chromium, driven over its debugging protocol."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect

Message = dict[str, "str | int | float | bool | Message | list[Message] | None"]


class Browser:
    """One page of a browser, with every request that its policy did not keep it from making."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self._requests: dict[str, str] = {}
        self.complaints: list[str] = []
        for domain in ("Page", "Network", "Runtime", "Log"):
            self._call(f"{domain}.enable")

    @property
    def requests(self) -> list[str]:
        """Addresses in the order in which they were asked for."""
        return list(self._requests.values())

    def open(self, address: str, width_px: int = 1280, height_px: int = 900, *, dark: bool = False) -> None:
        """Load an address in a window of this size."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width_px, "height": height_px, "deviceScaleFactor": 2, "mobile": width_px < 600}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        self._call("Page.navigate", url=address)
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def run(self, script: str) -> object:
        """The value of a JavaScript expression in the page."""
        done = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")  # type: ignore[union-attr]

    def picture(self) -> bytes:
        """A PNG file of what is in sight."""
        return base64.b64decode(str(self._call("Page.captureScreenshot")["data"]))

    def _call(self, method: str, **parameters: object) -> Message:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = self._next()
            if message.get("id") == self._number:
                assert "error" not in message, message
                result = message["result"]
                assert isinstance(result, dict)
                return result

    def _next(self) -> Message:
        message: Message = json.loads(self._socket.recv(timeout=120))
        parameters = message.get("params")
        if isinstance(parameters, dict):
            match message.get("method"):
                case "Network.requestWillBeSent":
                    # a redirect has the id of the request that led to it
                    identifier = f"{parameters['requestId']} {len(self._requests)}"
                    self._requests[identifier] = str(parameters["request"]["url"])  # type: ignore[index, call-overload]
                case "Network.loadingFailed" if parameters.get("blockedReason") == "csp":
                    blocked = str(parameters["requestId"])
                    self._requests = {k: v for k, v in self._requests.items() if k.split()[0] != blocked}
                case "Log.entryAdded":
                    self.complaints.append(str(parameters["entry"]["text"]))  # type: ignore[index, call-overload]
                case "Runtime.exceptionThrown":
                    self.complaints.append(json.dumps(parameters))
        return message


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a fresh profile; the test is skipped where Chromium is not installed."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    switches = (
        "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --hide-scrollbars --remote-debugging-port=0"
    )
    process = subprocess.Popen(
        [chromium, *switches.split(), f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with connect(_page_of(profile, process), max_size=None, proxy=None) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        process.wait(timeout=60)


def _page_of(profile: Path, process: "subprocess.Popen[bytes]") -> str:
    """Address of the first page's debugging socket, once the browser is up."""
    import urllib.request

    for _ in range(600):
        port = profile / "DevToolsActivePort"
        if port.is_file() and (lines := port.read_text().splitlines()):
            with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json") as listed:
                pages = [page for page in json.load(listed) if page["type"] == "page"]
            if pages:
                return str(pages[0]["webSocketDebuggerUrl"])
        if process.poll() is not None:
            break
        time.sleep(0.1)
    pytest.fail("Chromium did not come up")
