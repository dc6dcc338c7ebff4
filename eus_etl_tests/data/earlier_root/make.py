"""Makes the archive beside it: configuration, sources, root and Dagster home of two tiny visits.

The code of the checkout that it runs in makes them. So it is run in one of an earlier version:

    PYTHONPATH=. python .../earlier_root/make.py OUTPUT.tar.xz

Nothing of the machine is left in it: paths become ``/data``, its name ``server``.
"""

import os
import socket
import sqlite3
import sys
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks.support.hospitals.tiny_hospital import LONG_AGO, TinyHospital
from benchmarks.support.videos.small_videos import paint, write_video
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import StudySession

FRAMES = 10


class SmallHospital(TinyHospital):
    """One whose videos take a few kilobytes."""

    def add_video(self, name: str, first: int, frames: int = FRAMES) -> Path:
        """Upload a video of few frames."""
        target = self.videos / name
        target.parent.mkdir(parents=True, exist_ok=True)
        write_video(target, [40 * n for n in range(frames)], size=(160, 96), first=first, painter=paint)
        os.utime(target, (LONG_AGO, LONG_AGO))
        return target


def make(folder: Path) -> None:
    """Make everything below a folder."""
    hospital = SmallHospital(folder)
    with open_instance(hospital.home) as instance:
        report = StudySession(hospital.study, instance).run()
        assert report.complete, report.failed
        assert StudySession(hospital.study, instance).run().made == []
    for database in hospital.home.rglob("*.db"):
        _without_machine(database, {str(folder): "/data", f'"{socket.gethostname()}"': '"server"'})


def _without_machine(database: Path, names: dict[str, str]) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        for table in tables:
            for _, column, kind, *_ in connection.execute(f"PRAGMA table_info({table})").fetchall():
                if kind.startswith(("TEXT", "VARCHAR")):
                    for name, other in names.items():
                        connection.execute(
                            f'UPDATE {table} SET "{column}" = replace("{column}", ?, ?)',  # noqa: S608
                            (name, other),
                        )
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA journal_mode = WAL")


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        make(Path(made) / "hospital")
        with tarfile.open(sys.argv[1], "w:xz") as archive:
            archive.add(Path(made) / "hospital", ".", filter=_plain)
