"""Words are read in separate processes, offline and in silence; one that fails is an error, never a wait."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.support.processes import children
from eus_etl.domain.images.picture import Picture
from eus_etl.errors import TextReaderDiedError, TextReaderError
from eus_etl.steps.text_reader import processes
from eus_etl.steps.text_reader.processes import SeparateReader, end_idle_text_readers
from eus_etl.steps.text_reader.rapid import EngineBrokenError, models
from eus_etl.steps.text_reader.words import Word

FONT = cv2.FONT_HERSHEY_SIMPLEX


def screen(*lines: str) -> Picture:
    picture = np.zeros((240, 400), np.uint8)
    for number, line in enumerate(lines):
        cv2.putText(picture, line, (30, 60 + 60 * number), FONT, 0.8, 230, 2, cv2.LINE_AA)
    return np.asarray(picture, np.uint8)


def color_of(picture: Picture) -> Picture:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)


@pytest.fixture(scope="module")
def reader() -> Iterator[SeparateReader]:
    yield SeparateReader()
    end_idle_text_readers()


def test_words_are_read_with_their_places_in_the_order_of_the_pictures(reader: SeparateReader) -> None:
    pictures = [
        screen("MUELLER", "1957-03-12"),
        screen(),
        color_of(screen("KOWALSKI")),
    ]
    both, none, color = reader.read("visit", pictures)
    assert [word.text for word in both] == ["MUELLER", "1957-03-12"]
    assert none == []
    assert [word.text for word in color] == ["KOWALSKI"]
    first = both[0]
    assert abs(first.x - 30) < 10
    assert abs(first.y + first.h / 2 - 50) < 12
    assert 100 < first.w < 200


def test_boxes_alone_hold_no_text_and_lie_on_the_given_picture_at_any_size(reader: SeparateReader) -> None:
    whole, small = (next(iter(reader.detect("visit", [screen("MUELLER")], side))) for side in (None, 200))
    assert [word.text for word in (*whole, *small)] == ["", ""]
    assert abs(whole[0].x - small[0].x) < 12
    assert abs(whole[0].w - small[0].w) < 30


def test_a_word_does_not_show_its_text() -> None:
    assert "MUELLER" not in f"{Word(1, 2, 3, 4, 0.9, 'MUELLER')!r}"


def test_another_process_helps_only_where_there_is_much_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_WORTH_ANOTHER", 2)
    end_idle_text_readers()
    others = set(children(os.getpid()))
    two = SeparateReader(processes=2)
    words = [f"MUELLER {number}" for number in range(6)]

    def read(lines: list[str]) -> list[str]:
        return [found[0].text for found in two.read("visit", map(screen, lines))]

    assert read(words[:2]) == words[:2]
    assert len(set(children(os.getpid())) - others) == 1
    assert read(words) == words
    assert len(set(children(os.getpid())) - others) == 2
    end_idle_text_readers()


def test_what_it_took_is_told(reader: SeparateReader) -> None:
    before = reader.cost
    list(reader.read("visit", [screen("MUELLER")]))
    after = reader.cost
    assert after.pictures == before.pictures + 1
    assert after.cpu_s > before.cpu_s
    assert 50 < after.peak_mb < 600
    assert reader.engine.startswith("rapidocr 3.")


def test_a_process_that_dies_is_an_error_and_the_next_picture_is_read(reader: SeparateReader) -> None:
    list(reader.detect("visit", [screen("A")], 64))
    (worker,) = processes._idle._workers

    def pictures() -> Iterator[Picture]:
        worker._process.send_signal(signal.SIGSTOP)
        yield screen("MUELLER")

    with pytest.raises(TextReaderDiedError, match=r"visit-1.*died or gave no answer"):
        list(SeparateReader(patience_s=0.5).read("visit-1", pictures()))
    assert [word.text for word in next(iter(reader.read("visit", [screen("MUELLER")])))] == ["MUELLER"]


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_models_that_are_not_whole_are_named(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "models"
    shutil.copytree(models().detection.parent, folder)
    broken = folder / models().recognition.name
    broken.unlink() if damage == "missing" else os.truncate(broken, 1000)
    with pytest.raises(EngineBrokenError, match=f"its model {broken.name} is {damage}"):
        models(folder)
    with pytest.raises(TextReaderError, match=f"visit.*rapidocr.*{damage}(.|\n)*install rapidocr again"):
        list(SeparateReader(models=folder).read("visit", [screen("MUELLER")]))


def test_a_picture_that_the_engine_cannot_take_is_an_error(reader: SeparateReader) -> None:
    with pytest.raises(TextReaderError, match=r"visit.*fails with"):
        list(reader.read("visit", [np.zeros((0, 4), np.uint8)]))
    assert [len(words) for words in reader.read("visit", [screen("MUELLER")])] == [1]


def test_the_command_line_does_not_load_the_engine() -> None:
    code = (
        "import sys, eus_etl.cli, eus_etl.steps.text_reader.processes; "
        "sys.exit(bool({'rapidocr', 'onnxruntime'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
