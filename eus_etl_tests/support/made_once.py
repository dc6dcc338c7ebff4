"""Folders that take long to make, made once for all processes of a test run."""

import fcntl
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class MadeOnce:
    """Call it with a name and with what makes a folder: the first process that asks for the name makes it."""

    factory: pytest.TempPathFactory

    def __call__(self, name: str, make: Callable[[Path], object]) -> Path:
        base = self.factory.getbasetemp()
        folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
        folder.mkdir(exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "made").exists():
                make(folder)
                (folder / "made").touch()
        return folder

    def copy(self, name: str, make: Callable[[Path], object], target: Path) -> None:
        """Copy what ``make`` makes into ``target``, to be changed there."""
        marks = shutil.ignore_patterns("lock", "made")
        shutil.copytree(self(name, make), target, ignore=marks, dirs_exist_ok=True)
