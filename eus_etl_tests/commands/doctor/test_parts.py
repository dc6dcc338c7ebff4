"""The doctor's sums and comparisons by themselves: clocks, locks, sizes."""

import threading
import time
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.support.hospitals.tiny_hospital import ONE
from eus_etl.commands.doctor import machine
from eus_etl.commands.doctor.disk_space import not_fetched
from eus_etl.commands.doctor.machine import clock_against, differing_packages, examine_text_reader
from eus_etl.domain.numbers import bytes_in_units
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import TextCheckConfig, shipped
from eus_etl.steps.text_reader.rapid import models


@given(listed=st.lists(st.integers(1, 5)), there=st.lists(st.integers(1, 5), max_size=6))
def test_what_waits_is_what_no_copy_has_the_size_of(
    tmp_path_factory: pytest.TempPathFactory, listed: list[int], there: list[int]
) -> None:
    paths = StudyPaths(tmp_path_factory.mktemp("root"))
    paths.raw_folder(ONE).mkdir(parents=True)
    (paths.raw_folder(ONE) / ".unfinished.mp4.part").write_bytes(b"12345")
    for number, size in enumerate(there):
        (paths.raw_folder(ONE) / f"{number}.mp4").write_bytes(bytes(size))
    left = list(listed)
    for size in there:
        if size in left:
            left.remove(size)
    assert not_fetched(paths, listed) == (len(left), sum(left))


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (2_500_000, "2.5 MB"), (10**18, "1000.0 PB")],
)
def test_units(size: int, text: str) -> None:
    assert bytes_in_units(size) == text


@pytest.mark.parametrize(
    ("off_s", "outcome", "said"),
    [(0, "ok", "agree"), (90, "warning", "behind"), (-90, "warning", "ahead"), (4000, "problem", "behind")],
)
def test_clocks(off_s: int, outcome: str, said: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(403)
            self.send_header("Date", formatdate(time.time() + off_s, usegmt=True))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named so by http.server
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        finding = clock_against("a server", f"http://127.0.0.1:{server.server_address[1]}/")
        thread.join()
    assert finding.outcome == outcome
    assert said in finding.found


def test_packages_against_a_lock() -> None:
    lock = shipped("requirements/runtime.txt").read_text()
    assert differing_packages(lock) == []
    assert differing_packages(lock.replace("\nav==", "\nav==0.")) != []
    assert differing_packages("no-such-package==1.0 \\\n    --hash=sha256:00\n") == [
        "no-such-package missing for 1.0"
    ]
    assert differing_packages("no-such-package==1.0 ; sys_platform == 'win32' \\\n") == []


def test_the_text_reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    always, never = (TextCheckConfig.model_validate({"enabled": mode}) for mode in ("always", "never"))
    assert examine_text_reader(always).outcome == "ok"
    assert "rapidocr 3." in examine_text_reader(always).found
    monkeypatch.setattr(machine, "models", partial(models, tmp_path))
    gone = examine_text_reader(always)
    assert gone.outcome == "problem"
    assert "PP-OCRv6_det_small.onnx is missing" in gone.found
    assert examine_text_reader(never).outcome == "ok"
