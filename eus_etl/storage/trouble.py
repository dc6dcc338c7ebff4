"""Errors of others in our own words: what, where below the root, why, and what to do.

Messages of the system, of databases and of libraries hold whatever they stumbled over: uploaded names, cells,
tags. They are recorded and shown nowhere.
"""

import errno
import logging
import os
import sqlite3
import sys
import traceback
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TextIO

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import DatabaseError, EusEtlError, MachineError, UnexpectedError

_PERMISSIONS = "let the pipeline's user read and write it: look at its owner, its mode and `lsattr`"
_REMEDIES: Mapping[int, str] = {
    errno.EACCES: _PERMISSIONS,
    errno.EPERM: _PERMISSIONS,
    errno.EROFS: "mount its disk so that it may be written to",
    errno.ENOSPC: "free space on its disk, then run again",
    errno.EDQUOT: "free space, or have the quota raised, then run again",
    errno.EIO: "check its disk, then run again",
    errno.ESTALE: "mount its file server again, then run again",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`), then run again",
    errno.ENOTDIR: "move the file away that is where a folder should be",
    errno.EISDIR: "move the folder away that is where a file should be",
}
_OTHER = "see that the disks are there and may be written to, as `eus-etl doctor` does; then run again"


DAMAGED = ("file is not a database", "database disk image is malformed")
"""What SQLite says of a damaged file."""

_DATABASE_SAYS = (
    *DAMAGED,
    "database is locked",
    "attempt to write a readonly database",
    "database or disk is full",
    "disk I/O error",
    "unable to open database file",
    "no such table",
)
_PACKAGE = Path(__file__).parents[1]


def told(
    error: Exception,
    subject: str,
    paths: StudyPaths | None = None,
    home: Path | None = None,
    given: Collection[Path] = (),
) -> EusEtlError:
    """An error as it may be recorded and shown: ours as it is, any other without its message.

    Args:
        error: the error.
        subject: id of what was worked on.
        paths: the study's; None where they are not known.
        home: the Dagster home; None where it is not known.
        given: paths that a person gave: they and what is below them may be repeated.
    """
    if isinstance(error, EusEtlError):
        ours = error
    elif isinstance(error, OSError):
        ours = _of_the_system(error, subject, paths, home, given)
    elif _is_of_a_database(error):
        ours = _of_a_database(error, subject)
    else:
        ours = UnexpectedError(
            subject,
            f"{type(error).__name__} {_where(error)}",
            "run again; if it comes back, report it with this line",
        )
    ours.__cause__ = ours.__context__ = None
    return ours


def silence_libraries() -> None:
    """Have warnings and log records of libraries say where they come from, and not what: they repeat input.

    Loggers with a handler of their own, such as Dagster's, are left alone.
    """

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        del message, line
        print(f"{category.__name__} at {Path(filename).name}:{lineno}", file=file or sys.stderr)

    warnings.showwarning = show
    if isinstance(last := logging.lastResort, logging.Handler):
        last.setFormatter(logging.Formatter("%(levelname)s of %(name)s, at %(filename)s:%(lineno)d"))


def shown_path(
    path: Path, paths: StudyPaths | None, home: Path | None = None, given: Collection[Path] = ()
) -> str:
    """A path below the root, the home or one that was given, as it may be told; empty for any other.

    Below ``raw_data`` names are uploaded: of these, the visit's folder alone is told.
    """
    if paths is not None and path.is_relative_to(paths.root):
        if path.is_relative_to(paths.raw_data):
            path = paths.raw_data.joinpath(*path.relative_to(paths.raw_data).parts[:1])
        return paths.relative(path) if path != paths.root else "the root"
    if home is not None and path.is_relative_to(home):
        below = path.relative_to(home).as_posix()
        return "the Dagster home" if below == "." else f"{below} in the Dagster home"
    return str(path) if any(path.is_relative_to(known) for known in given) else ""


def _of_the_system(
    error: OSError, subject: str, paths: StudyPaths | None, home: Path | None, given: Collection[Path]
) -> MachineError:
    names = (Path(os.fsdecode(name)) for name in (error.filename2, error.filename) if name)
    place = next((shown for name in names if (shown := shown_path(name, paths, home, given))), "")
    cause = os.strerror(error.errno) if error.errno else "the system refused something"
    cause += f" ({type(error).__name__})" + (f" at {place}" if place else "")
    return MachineError(subject, cause, _REMEDIES.get(error.errno or 0, _OTHER))


def _is_of_a_database(error: Exception) -> bool:
    library = sys.modules.get("sqlalchemy.exc")  # loaded where Dagster uses it
    return isinstance(error, sqlite3.Error) or (
        library is not None and isinstance(error, library.SQLAlchemyError)
    )


def _of_a_database(error: Exception, subject: str) -> DatabaseError:
    text = str(getattr(error, "orig", None) or error)
    said = next((known for known in _DATABASE_SAYS if known in text), type(error).__name__)
    remedy = "see that no other program holds it, and that its folder may be written to; then run again"
    if said in (*DAMAGED, "no such table"):
        remedy = "move the Dagster home aside and run again: its history is lost, no data and no frame is"
    return DatabaseError(subject, f"a database cannot be used ({said})", remedy)


def _where(error: Exception) -> str:
    """The innermost line of this package in an error's traceback, ``in steps/labels.py:12``."""
    lines = (
        f"in {Path(frame.filename).relative_to(_PACKAGE).as_posix()}:{frame.lineno}"
        for frame in reversed(traceback.extract_tb(error.__traceback__))
        if Path(frame.filename).is_relative_to(_PACKAGE)
    )
    return next(lines, "outside of this package")
