import threading
import time
from pathlib import Path

import pytest

from eus_etl.errors import SourceUnavailableError
from eus_etl.storage.files.stable_read import read_settled

PAUSE_S = 0.3


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eus_etl.storage.files.stable_read.QUIET_S", PAUSE_S)


def written_slowly(path: Path, lines: int) -> threading.Thread:
    def write() -> None:
        with path.open("a") as file:
            for number in range(lines):
                file.write(f"line {number}\n")
                file.flush()
                time.sleep(0.01)

    path.touch()
    writer = threading.Thread(target=write)
    writer.start()
    return writer


def test_a_file_is_read_once_it_is_written_to_the_end(tmp_path: Path) -> None:
    writer = written_slowly(tmp_path / "rows.csv", 40)
    content = read_settled(tmp_path / "rows.csv", "rows")
    writer.join()
    assert content.decode().splitlines() == [f"line {number}" for number in range(40)]


def test_a_file_that_never_rests_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eus_etl.storage.files.stable_read._PATIENCE_S", 0.2)
    writer = written_slowly(tmp_path / "rows.csv", 60)
    with pytest.raises(SourceUnavailableError, match="rows: the file keeps changing"):
        read_settled(tmp_path / "rows.csv", "rows")
    writer.join()
