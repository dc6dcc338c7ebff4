from pathlib import Path

import pytest

from eus_etl.storage.files.checked_json import DamagedStateError, read_checked, write_checked

VALUE = {"p1": ["v1", 5], "name": "\udcff"}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    assert write_checked(file, VALUE)
    assert read_checked(file) == VALUE
    assert not write_checked(file, VALUE)
    with pytest.raises(FileNotFoundError):
        read_checked(tmp_path / "none.json")


def test_every_turned_bit_and_every_cut_shows(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    write_checked(file, VALUE)
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place])
        with pytest.raises(DamagedStateError):
            read_checked(file)
        for bit in range(8):
            turned = bytearray(whole)
            turned[place] ^= 1 << bit
            file.write_bytes(turned)
            with pytest.raises(DamagedStateError):
                read_checked(file)
