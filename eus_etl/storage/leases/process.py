"""Which process holds a lease: on its own machine nobody waits for the lease of a dead one to lapse."""

import os
import socket
from pathlib import Path

_PROC = Path("/proc")
_ENDED = ("Z", "X")
"""States of a process that has ended and that its parent has not asked for yet."""


def this_process() -> str:
    """Names this process among all that this machine ever ran; empty where the system cannot tell."""
    space, found = _space(), _state_and_start(os.getpid())
    return f"{space} {os.getpid()} {found[1]}" if space and found else ""


def is_gone(process: str) -> bool:
    """Whether a process, named by ``this_process``, was one of this machine and has ended."""
    if not process:
        return False
    space, pid, start = process.rsplit(" ", 2)
    if space != _space():
        return False
    try:
        os.kill(int(pid), 0)  # unlike /proc, it hides no process of another user
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    found = _state_and_start(int(pid))
    return found is not None and (found[0] in _ENDED or found[1] != start)


def said_of_process() -> str:
    """This process, for people."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def _space() -> str:
    """Names what numbers of processes are unique in: one start of one machine or container."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink().name}"
    except OSError:
        return ""


def _state_and_start(pid: int) -> tuple[str, str] | None:
    try:
        text = (_PROC / f"{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the command before it may hold anything
    return fields[0], fields[19]
