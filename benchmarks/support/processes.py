"""Processes that others have started, as Linux lists them."""

from contextlib import suppress
from pathlib import Path


def children(pid: int) -> list[int]:
    """Those that a process has started, and that are there; none of one that has ended."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it has ended since
            found += map(int, task.read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """Its children, and theirs, and so on."""
    found = children(pid)
    for process in found:
        found += children(process)
    return found


def peak_mb(pid: int) -> int | None:
    """The largest resident size of a process so far (VmHWM); None if it has ended."""
    status = ""
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text()
    _, known, kb = status.partition("VmHWM:")
    return int(kb.split()[0]) // 1024 if known else None
