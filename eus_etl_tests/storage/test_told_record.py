"""The record of what was told: whole, and in a second place where the first cannot be written."""

from pathlib import Path

import pytest

from eus_etl.domain.alerts.record import Known, Record
from eus_etl.errors import MachineError
from eus_etl.storage.told_record import SECOND_PLACE_VARIABLE, read_record, write_record

TOLD = Record(known={"key": Known(kind="disk", group="/disk", since=1.0, told_at=2.0)})


def blocked(tmp_path: Path) -> Path:
    """A record that nobody can write: a file is where its folder should be."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file" / "told.json"


def test_it_comes_back(tmp_path: Path) -> None:
    write_record(tmp_path / "new" / "told.json", TOLD)
    assert read_record(tmp_path / "new" / "told.json") == TOLD


@pytest.mark.parametrize("content", [b"", b"{}", b'{"sha256": "00"}'])
def test_a_damaged_one_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "told.json").write_bytes(content)
    assert read_record(tmp_path / "told.json") == Record()


def test_a_full_disk_has_a_second_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECOND_PLACE_VARIABLE, str(tmp_path / "run"))
    write_record(blocked(tmp_path), TOLD)
    assert read_record(tmp_path / "file" / "told.json") == TOLD


def test_without_any_place_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECOND_PLACE_VARIABLE, raising=False)
    with pytest.raises(MachineError, match="cannot be remembered"):
        write_record(blocked(tmp_path), TOLD)


def test_the_newest_place_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECOND_PLACE_VARIABLE, str(tmp_path / "run"))
    write_record(tmp_path / "run" / "told.json", Record())
    write_record(tmp_path / "told.json", TOLD)
    write_record(tmp_path / "told.json", TOLD)  # unchanged: it is the newest all the same
    assert read_record(tmp_path / "told.json") == TOLD
