"""The folders that a study writes to: whose they are, whether they are writable, the daemon's heartbeat."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from eus_etl.commands.doctor.finding import Finding, of_error, ok, problem, warning
from eus_etl.defs.root import has_visits, other_home
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import ForeignRootError
from eus_etl.storage.files.folders import root_unavailable
from eus_etl.storage.root_owner import is_ours

# a folder of videos or a root on a server whose clock is off makes files look older or newer than they are
_FILE_TIME_OFF_S = 2.0
# daemons send a heartbeat every 30 s
_DAEMON_SILENT_S = 120.0


def examine_places(
    study: str, paths: StudyPaths, home: Path, daemon_seen: Callable[[Path], float | None]
) -> Iterator[Finding]:
    """Check the root, the Dagster home and its daemon.

    Args:
        study: the study's name.
        paths: its paths.
        home: the Dagster home.
        daemon_seen: time of the last heartbeat of a home's daemon, in seconds since 1970; None for never.
            Called only where there is a home.
    """
    yield _owner(study, paths, home)
    parts = (paths.raw_data, paths.data, paths.frames, paths.preprocessed, paths.state)
    yield _writable("root", paths.root, parts)
    yield _file_time(paths.root)
    yield _writable("Dagster home", home)
    if other := other_home(paths, home):
        found, _, remedy = other.partition(". What to do: ")
        yield warning("home of the root", found, remedy)
    yield _daemon(home, daemon_seen)


def nearest_folder(path: Path) -> Path:
    """``path``, or the nearest folder above it that exists: new files will be on its disk."""
    return next(folder for folder in (path, *path.parents) if os.access(folder, os.F_OK))


def _owner(study: str, paths: StudyPaths, home: Path) -> Finding:
    check = "root's owner"
    try:
        if is_ours(paths, study):
            return ok(check, f"it is marked as the root of {study}")
    except ForeignRootError as error:
        return of_error(check, error)
    except (OSError, ValueError):
        return problem(check, "its mark cannot be read", f"check {paths.owner_file} and its permissions")
    if has_visits(home, study):
        return of_error(
            check, root_unavailable(study, "it has no mark, though visits of the study are known")
        )
    return ok(check, "not claimed yet; the first run marks it")


def _writable(check: str, folder: Path, parts: Sequence[Path] = ()) -> Finding:
    """Try to write to ``folder``, or where it would be created, and to those of its ``parts`` that exist."""
    nearest = nearest_folder(folder)
    for place in (nearest, *parts):
        try:
            if place.is_dir() or place == nearest:
                _write_to(place)
        except OSError as error:
            return problem(
                check,
                f"{place} cannot be written to ({os.strerror(error.errno or 0)})",
                "name another folder, or let the pipeline's user write to this one",
            )
    return ok(check, f"{folder} can be written to" if folder == nearest else f"{folder} can be created")


def _file_time(root: Path) -> Finding:
    check = "clock against the root's disk"
    try:
        off_s = time.time() - _write_to(nearest_folder(root))
    except OSError:
        return warning(check, "no file can be written there to see its time", "see the finding on the root")
    if abs(off_s) > _FILE_TIME_OFF_S:
        return warning(
            check,
            f"a new file's time is {abs(off_s):.0f} s {'behind' if off_s > 0 else 'ahead'}",
            "set the clock of the file server, and keep it set with NTP",
        )
    return ok(check, "they agree")


def _write_to(folder: Path) -> float:
    """Write a nameless file that vanishes at once; returns the modification time it got."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        file.write(b"x")
        return os.fstat(file.fileno()).st_mtime


def _daemon(home: Path, seen: Callable[[Path], float | None]) -> Finding:
    check, remedy = "daemon", "start it if the sources are to be followed; commands work without it"
    if not (home / "dagster.yaml").is_file():
        return warning(check, "no Dagster home yet, hence no daemon", remedy)
    at = seen(home)
    if at is None:
        return warning(check, "none has ever run on this Dagster home", remedy)
    ago_s = time.time() - at
    if ago_s > _DAEMON_SILENT_S:
        return warning(check, f"last heartbeat {ago_s / 60:.0f} min ago", remedy)
    return ok(check, f"last heartbeat {max(ago_s, 0):.0f} s ago")
