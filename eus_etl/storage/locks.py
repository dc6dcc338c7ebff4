"""One writer a patient: two processes that work on the same visit take turns."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from eus_etl.domain.paths import StudyPaths


@contextmanager
def work_lock(paths: StudyPaths, name: str) -> Iterator[None]:
    """Hold the lock of a visit (or of the study's tables) for the block; waits while another holds it.

    The kernel frees the lock when its process dies, however it dies.
    """
    file = paths.state / "locks" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
