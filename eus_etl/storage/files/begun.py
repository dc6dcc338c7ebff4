"""Marks of work that has begun and has not ended well, by which others see that it keeps failing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def begun(mark: Path) -> Iterator[None]:
    """Leave a mark while the work inside is done; it stays, with its time, until a try ends well.

    Whatever ends a try early, an error, a signal or the machine, leaves the mark behind.
    """
    mark.parent.mkdir(parents=True, exist_ok=True)
    if not mark.exists():
        mark.touch()
    yield
    mark.unlink(missing_ok=True)


def begun_at(mark: Path) -> float | None:
    """When the first try began since one last ended well, in seconds since 1970; None if the last one did."""
    try:
        return mark.stat().st_mtime
    except FileNotFoundError:
        return None
