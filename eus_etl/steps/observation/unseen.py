"""Since when a source could not be observed: one small file per source, gone once it answers again.

A tick says why it skipped, but one that also starts runs cannot say it, and a command leaves no tick.
"""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import EusEtlError
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.listing import listed


def note_unseen(paths: StudyPaths, source: str) -> None:
    """Note that a source could not be observed just now; the first such moment stays."""
    file = _file(paths, source)
    if paths.state.is_dir() and not file.exists():
        # what could not be observed is told already; that it cannot be noted changes nothing
        with suppress(OSError, EusEtlError):
            write_atomically(file, json.dumps({"since": time.time()}).encode())


def note_seen(paths: StudyPaths, source: str) -> None:
    """Note that a source was observed."""
    with suppress(OSError):
        _file(paths, source).unlink(missing_ok=True)


def unseen_since(paths: StudyPaths) -> Mapping[str, float]:
    """Sources that could not be observed when last tried, to since when, in seconds since 1970."""
    found = {}
    for file in listed(paths.unseen, "*.json"):
        with suppress(FileNotFoundError):  # it was seen in the meantime
            try:
                found[file.stem] = float(json.loads(file.read_bytes())["since"])
            except (ValueError, KeyError, TypeError):
                found[file.stem] = file.stat().st_mtime
    return found


def _file(paths: StudyPaths, source: str) -> Path:
    return paths.unseen / f"{source}.json"
