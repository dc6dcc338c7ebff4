"""A lock that the kernel releases when its process dies, however it dies: for what one machine does alone."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_lock(file: Path) -> Iterator[None]:
    """Hold a file's lock for the block; creates the file, but not its folder."""
    # not truncated: that would change the time of a file in a root; over NFS it has to be open for writing
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
