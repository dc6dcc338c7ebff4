"""A size of page that comes again and again is read faster, and as before; nothing is told to anybody."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from eus_etl.steps.text_reader.processes import SeparateReader, end_idle_text_readers
from eus_etl.steps.text_reader.rapid import models
from eus_etl.steps.text_reader.repeated_size import Maps, Pages, RepeatedSize

SHEET, SMALL, LARGE = (1344, 160), (64, 96), (1088, 1920)


def page(shape: tuple[int, int], seed: int = 0) -> Pages:
    """Speckle with two lines of text, as the model takes it."""
    speckle = (np.random.default_rng(seed).random(shape) * 120).astype(np.uint8)
    picture = cv2.GaussianBlur(speckle, (0, 0), 1.5)
    for number in range(2):
        cv2.putText(picture, "MUELLER", (4, 25 + 30 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 240, 1)
    return np.repeat(picture[None, None].astype(np.float32) / 127.5 - 1, 3, axis=1)


@pytest.fixture(scope="module")
def onnx() -> Callable[[Pages], Maps]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(models().detection), options, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda pages: np.asarray(session.run(None, {name: pages})[0], np.float32)


class Counted:
    """The session, and how often it was asked."""

    def __init__(self, onnx: Callable[[Pages], Maps]) -> None:
        self.onnx, self.asked = onnx, 0

    def __call__(self, pages: Pages) -> Maps:
        self.asked += 1
        return self.onnx(pages)


def test_sheets_of_one_size_are_soon_read_without_the_session_and_look_the_same(
    onnx: Callable[[Pages], Maps],
) -> None:
    session = Counted(onnx)
    model = RepeatedSize(session, models().detection)
    for seed in range(4):
        sheet = page(SHEET, seed)
        assert np.abs(model(sheet) - onnx(sheet)).max() < 1e-3
    assert 1 < session.asked < 4
    answer, kept = model(page(SHEET, 1)), model(page(SHEET, 1)).copy()
    model(page(SHEET, 2))
    assert np.array_equal(model(page(SHEET, 1)), kept)
    assert np.array_equal(answer, kept), "an answer changes when the next page is read"


def test_sizes_that_change_and_large_pages_stay_with_the_session(onnx: Callable[[Pages], Maps]) -> None:
    session = Counted(onnx)
    model = RepeatedSize(session, models().detection)
    for number in range(6):
        model(page((SMALL[0], SMALL[1] + 32 * (number % 3))))
    assert session.asked == 6
    asked = Counted(lambda pages: np.zeros((1, 1, *pages.shape[2:]), np.float32))
    large = RepeatedSize(asked, models().detection)
    for _ in range(4):
        large(page(LARGE))
    assert asked.asked == 4


@pytest.mark.slow
def test_a_second_size_takes_the_place_of_the_first(onnx: Callable[[Pages], Maps]) -> None:
    session = Counted(onnx)
    model = RepeatedSize(session, models().detection)
    picture, sheet = page((640, 640)), page(SHEET)
    for seen in (picture, picture, sheet, sheet, sheet, picture):
        answer = model(seen)
    assert session.asked == 1 + 2 + 1
    assert np.abs(answer - onnx(picture)).max() < 1e-3
    assert np.abs(model(picture) - answer).max() < 1e-3
    assert session.asked == 4


def test_a_process_that_reads_reads_the_same_words_on_every_sheet() -> None:
    reader = SeparateReader()
    sheet = np.asarray((page(SHEET)[0, 0] + 1) * 127.5, np.uint8)
    words = list(reader.read("visit", [sheet] * 5))
    assert {word.text for word in words[0]} == {"MUELLER"}
    for others in words:
        assert [(word.text, word.x, word.y) for word in others] == [
            (word.text, word.x, word.y) for word in words[0]
        ]
    end_idle_text_readers()


def test_what_the_library_would_report_to_its_makers_is_never_loaded(tmp_path: Path) -> None:
    spy = tmp_path / "modules" / "openvino_telemetry"
    spy.mkdir(parents=True)
    (spy / "__init__.py").write_text("raise SystemExit('telemetry was loaded')")
    home = tmp_path / "home"
    home.mkdir()
    read = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import numpy as np\n"
        "from eus_etl.steps.text_reader.rapid import models\n"
        "from eus_etl.steps.text_reader.repeated_size import RepeatedSize\n"
        "model = RepeatedSize(lambda pages: pages, models().detection)\n"
        "for _ in range(9): answer = model(np.zeros((1, 3, 320, 320), np.float32))\n"
        "sys.exit(0 if answer.shape == (1, 1, 320, 320) else 'not compiled')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", read, str(spy.parent)],
        env={"HOME": str(home), "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not [*home.rglob("*")]
