"""The mirror: what is known of a drive, kept on disk together with the change feed's page token.

Both change in one SQLite transaction, so they never disagree: after a crash the same changes are read again,
which changes nothing. Reading the head alone takes the same time however large the drive is. ``tree`` says
what the entries mean.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from eus_etl.errors import SourceUnavailableError
from eus_etl.sources.videos.google_drive.tree import Entry
from eus_etl.storage.files.folders import make_folder

FORMAT = 2
"""A mirror of another format is emptied, and filled again by the next listing."""

_HEAD = "folder_id TEXT, drive_id TEXT, token TEXT, revision TEXT"
_ENTRY_COLUMNS = ", ".join(field.name for field in fields(Entry))
_ENTRY_VALUES = ", ".join("?" for _ in fields(Entry))
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_FLAGS = tuple(number for number, field in enumerate(fields(Entry)) if field.type is bool)


@dataclass(frozen=True, slots=True)
class Head:
    """Which folder a mirror is of, and how far it has got.

    Attributes:
        folder_id: the study's folder.
        drive_id: the shared drive whose feed is read; None for the account's own feed.
        token: the change feed has been read up to here.
        revision: changes when anything that a listing shows changes; None until all folders are listed.
    """

    folder_id: str
    drive_id: str | None
    token: str
    revision: str | None


class Mirror:
    """The mirror of one study's folder.

    A damaged file is removed, and the observation that found it damaged fails with
    ``SourceUnavailableError``; the next one lists everything.

    Args:
        path: the SQLite file; made on first use.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def head(self) -> Head | None:
        """The head; None where nothing has been saved yet."""
        with self._open() as database:
            row = database.execute("SELECT * FROM head").fetchone()
        return Head(*row) if row else None

    def entries(self) -> list[Entry]:
        """Everything known."""
        with self._open() as database:
            return [_entry(row) for row in database.execute("SELECT * FROM entries")]

    def find(self, entry_id: str) -> Entry | None:
        """One entry; None where it is not known."""
        with self._open() as database:
            row = database.execute("SELECT * FROM entries WHERE entry_id = ?", (entry_id,)).fetchone()
        return _entry(row) if row else None

    def save(self, head: Head, entries: Iterable[Entry]) -> None:
        """Replace head and entries in one transaction; writes only the rows that differ."""
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            known = {row[0]: _entry(row) for row in database.execute("SELECT * FROM entries")}
            kept = {entry.entry_id: entry for entry in entries}
            changed = [astuple(entry) for key, entry in kept.items() if known.get(key) != entry]
            database.executemany(f"INSERT OR REPLACE INTO entries VALUES ({_ENTRY_VALUES})", changed)  # noqa: S608 - question marks
            database.executemany(
                "DELETE FROM entries WHERE entry_id = ?", [(gone,) for gone in known.keys() - kept.keys()]
            )
            _write_head(database, head)
            database.execute("COMMIT")

    def move_to(self, head: Head) -> None:
        """Replace the head alone: the feed was read further and held nothing about this folder."""
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            _write_head(database, head)
            database.execute("COMMIT")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._connected() as database:
                yield database
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode not in _DAMAGED:
                raise
            self._path.unlink(missing_ok=True)
            raise SourceUnavailableError(
                "sources.videos",
                "the stored listing was damaged and has been removed; the next observation makes it again",
                "if this happens again, check the disk",
            ) from error

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        make_folder(self._path.parent)
        # transactions are begun and ended by hand; one that is not ended is rolled back on closing
        with closing(sqlite3.connect(self._path, timeout=30.0, isolation_level=None)) as database:
            if database.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
                database.executescript(
                    "BEGIN IMMEDIATE;"
                    "DROP TABLE IF EXISTS head; DROP TABLE IF EXISTS entries;"
                    f"CREATE TABLE head ({_HEAD});"
                    f"CREATE TABLE entries ({_ENTRY_COLUMNS}, PRIMARY KEY (entry_id));"
                    f"PRAGMA user_version = {FORMAT};"
                    "COMMIT;"
                )
            yield database


def _entry(row: tuple[object, ...]) -> Entry:
    # SQLite has no booleans
    return Entry(*(bool(cell) if number in _FLAGS else cell for number, cell in enumerate(row)))  # type: ignore[arg-type]  # columns are Entry's fields


def _write_head(database: sqlite3.Connection, head: Head) -> None:
    database.execute("DELETE FROM head")
    database.execute("INSERT INTO head VALUES (?, ?, ?, ?)", astuple(head))
