import errno
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import Mock

import pytest

from eus_etl.errors import DiskFullError
from eus_etl.storage.files.atomic import atomic_path, publish_folder, write_atomically, write_first
from eus_etl.storage.files.removal import remove_partials


def test_file_appears_whole(tmp_path: Path) -> None:
    assert write_atomically(tmp_path / "a" / "b.csv", b"one")
    assert (tmp_path / "a" / "b.csv").read_bytes() == b"one"
    assert [entry.name for entry in (tmp_path / "a").iterdir()] == ["b.csv"]


def test_unchanged_content_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    write_atomically(path, b"one")
    before = path.stat()
    assert not write_atomically(path, b"one")
    assert path.stat().st_ino == before.st_ino
    assert write_atomically(path, b"two")


def test_error_in_the_block_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "b.csv"
    write_atomically(path, b"one")
    with pytest.raises(RuntimeError), atomic_path(path) as partial:
        partial.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.csv"]


def test_full_disk_becomes_our_error(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError, match="free space"), atomic_path(tmp_path / "b.csv") as partial:
        partial.write_bytes(b"half")
        with Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")  # the kernel's own ENOSPC
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("point", ["before", "after"])
def test_kill_around_the_rename_leaves_old_or_new(tmp_path: Path, point: str) -> None:
    path = tmp_path / "b.csv"
    path.write_bytes(b"old")
    code = f"""
import os, signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from eus_etl.storage.files.atomic import write_atomically
real = Path.replace
def replace(self, target):
    if {point!r} == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, target)
    os.kill(os.getpid(), signal.SIGKILL)
Path.replace = replace
write_atomically(Path({str(path)!r}), b"new and longer")
"""
    died = subprocess.run([sys.executable, "-c", code], check=False)
    assert died.returncode == -signal.SIGKILL
    assert path.read_bytes() == (b"old" if point == "before" else b"new and longer")
    assert remove_partials(tmp_path) == (1 if point == "before" else 0)
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.csv"]


@pytest.mark.parametrize("links", [True, False])
def test_what_is_there_first_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        refusal = PermissionError(errno.EPERM, "no links here")
        monkeypatch.setattr(Path, "hardlink_to", Mock(side_effect=refusal))
    file = tmp_path / "folder" / "file"
    assert write_first(file, b"first")
    assert file.read_bytes() == b"first"
    if links:
        assert not write_first(file, b"second")
        assert file.read_bytes() == b"first"
    assert list(file.parent.iterdir()) == [file]


def test_published_folder_replaces_the_old_one(tmp_path: Path) -> None:
    partial, final = tmp_path / "x.partial", tmp_path / "x"
    final.mkdir()
    (final / "old").write_bytes(b"")
    partial.mkdir()
    (partial / "new").write_bytes(b"")
    publish_folder(partial, final)
    assert [entry.name for entry in final.iterdir()] == ["new"]
    assert not partial.exists()


def test_threads_that_write_one_file_leave_it_whole(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    contents = [bytes([number]) * 300_000 for number in range(1, 4)]

    def write(content: bytes) -> None:
        for _ in range(20):
            with atomic_path(target) as partial:
                partial.write_bytes(content)

    with ThreadPoolExecutor(len(contents)) as threads:
        for done in [threads.submit(write, content) for content in contents]:
            done.result()
    assert target.read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]
