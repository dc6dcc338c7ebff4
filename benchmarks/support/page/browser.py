"""A headless Chromium, driven over its debugging protocol: it looks, clicks and types as a person does."""

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from websockets.sync.client import ClientConnection, connect

Message = dict[str, "str | int | float | bool | Message | list[Message] | None"]

PATIENCE_S = 150.0
_MOMENT_S = 0.3
_STILL = 3
"""What has been at the same place for so many moments moves no more: it can be clicked."""

# The place of what a person would click: the smallest thing in sight that says or is named just this, if
# nothing lies over it. `beside` finds the first thing of a kind in the same row as a text.
_FIND = """
((wanted, beside) => {
  // asking for what is seen of everything takes seconds
  const said = e => e.textContent.length < 4 * wanted.length + 9 ? e.innerText?.trim() ?? '' : '';
  const named = e => ['aria-label', 'placeholder', 'title'].some(name => e.getAttribute(name) === wanted);
  const found = [];
  for (let e of document.querySelectorAll('body *')) {
    if (said(e) !== wanted && !named(e)) continue;
    if (beside) {
      while (e && !e.querySelector(beside)) e = e.parentElement;
      if (!(e = e?.querySelector(beside))) continue;
    }
    if (e.closest(':disabled, [aria-disabled=true]') || e.control?.disabled) continue;
    e.scrollIntoView({block: 'nearest', inline: 'nearest'});
    const {left, top, width, height} = e.getBoundingClientRect();
    const x = left + width / 2, y = top + height / 2, upper = document.elementFromPoint(x, y);
    const free = upper && (e.contains(upper) || upper.contains(e));
    if (free && width && height) found.push({x, y, left, area: width * height, on: e.control?.checked});
  }
  return found.sort((a, b) => a.area - b.area)[0] ?? null;
})
"""


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

    def open(
        self,
        address: str,
        width_px: int = 1280,
        height_px: int = 900,
        *,
        dark: bool = False,
        scale: float = 2,
    ) -> None:
        """Load an address in a window of this size, whose points are ``scale`` pixels wide."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        size = {"width": width_px, "height": height_px, "deviceScaleFactor": scale, "mobile": width_px < 600}
        self._call("Emulation.setDeviceMetricsOverride", **size)
        self._call("Page.navigate", url=address)
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def run(self, script: str) -> object:
        """The value of a JavaScript expression in the page."""
        done = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")  # type: ignore[union-attr]

    @property
    def text(self) -> str:
        """What can be read in the page, also by scrolling."""
        return str(self.run("document.body.innerText"))

    def wait_for(self, *texts: str, within_s: float = PATIENCE_S) -> None:
        """Look until all of these can be read."""
        deadline = time.monotonic() + within_s
        while missing := [text for text in texts if text not in self.text]:
            assert time.monotonic() < deadline, f"{missing} cannot be read in: {self.text}"
            time.sleep(_MOMENT_S)

    def wait_until(self, holds: Callable[[], object], within_s: float = PATIENCE_S) -> None:
        """Look until something holds."""
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline, f"it does not come in: {self.text}"
            time.sleep(_MOMENT_S)

    def left_of(self, what: str) -> float:
        """Where what says just this begins, in px from the left."""
        return float(str(self._place(what)["left"]))

    def is_on(self, what: str, beside: str) -> bool:
        """Whether the switch in the row of a text is on; see ``click``."""
        return bool(self._place(what, beside)["on"])

    def click(self, what: str, *, beside: str | None = None, within_s: float = PATIENCE_S) -> None:
        """Click what says or is named this as soon as it can be clicked.

        Args:
            what: the whole text of it, or its name for those who do not see it.
            beside: a CSS selector; click the first such element in the row of that text instead.
            within_s: how long to wait for it.
        """
        place = self._place(what, beside, within_s)
        at = {"x": place["x"], "y": place["y"]}
        self._call("Input.dispatchMouseEvent", type="mouseMoved", **at)
        for kind in ("mousePressed", "mouseReleased"):
            self._call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    def type(self, text: str) -> None:
        """Write into what was clicked last."""
        self._call("Input.insertText", text=text)

    def point_nowhere(self) -> None:
        """Take the mouse away from whatever it lies on."""
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)

    def picture(self) -> bytes:
        """A PNG file of what is in sight."""
        return base64.b64decode(str(self._call("Page.captureScreenshot")["data"]))

    def _place(self, what: str, beside: str | None = None, within_s: float = PATIENCE_S) -> dict[str, object]:
        """Where something is, once it can be clicked and has come to rest."""
        deadline = time.monotonic() + within_s
        places: list[object] = []
        while (
            len(places) < _STILL or places[-1] is None or any(one != places[-1] for one in places[-_STILL:])
        ):
            assert time.monotonic() < deadline, f"{what!r} cannot be clicked in: {self.text}"
            time.sleep(_MOMENT_S)
            places.append(self.run(f"{_FIND}({json.dumps(what)}, {json.dumps(beside)})"))
        place = places[-1]
        assert isinstance(place, dict)
        return place

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


def chromium() -> str | None:
    """Where Debian's Chromium is; None where it is not installed."""
    return shutil.which("chromium")


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a fresh profile in a folder, until the block ends.

    Raises:
        FileNotFoundError: Chromium is not installed.
    """
    program = chromium()
    if program is None:
        raise FileNotFoundError("Chromium is not installed. What to do: apt-get install chromium")
    switches = (
        "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --hide-scrollbars --remote-debugging-port=0"
    )
    process = subprocess.Popen(
        [program, *switches.split(), f"--user-data-dir={profile}", "about:blank"],
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
    raise RuntimeError("Chromium did not come up")
