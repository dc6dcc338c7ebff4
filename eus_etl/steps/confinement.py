"""Limits of a process that reads what came from outside: its memory, its files, no network.

Memory is limited wherever ``setrlimit`` exists. Files and network are limited by Landlock (Linux 5.13 and
newer, for the network 6.7); where the kernel lacks it, only the choice of container formats and protocols
protects.
"""

import ctypes
import os
import resource
import signal
import sys
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same number on all machines (asm-generic)
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_FOLDER = 1, 2, 4, 8
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14  # and truncate
_READ = _EXECUTE | _READ_FILE | _READ_FOLDER
_FILES_BY_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1}  # 3 and newer: truncate too
_NETWORK_FROM_VERSION, _TCP = 4, 3
_NO_NEW_PRIVILEGES, _PARENT_DEATH_SIGNAL = 38, 1  # prctl.h
_LOADED_LATE = ("/lib", "/lib64", "/usr", "/etc/ld.so.cache", "/dev/urandom", "/sys/devices/system/cpu")


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def die_with_parent() -> None:
    """Have the kernel end this process as soon as the one that started it ends (Linux)."""
    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def confine(memory_mb: int, readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    """Limit this process for good; returns whether its files are limited too.

    Args:
        memory_mb: how much it may allocate beyond what it has now.
        readable: files and folders that it may read, besides Python's own.
        writable: folders in which it may do anything.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would contain pictures
    with suppress(OSError, ValueError):  # a stricter limit already applies
        limit = _data_bytes() + memory_mb * 1_000_000
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    python = (sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), *sys.path, *_LOADED_LATE)
    return _limit_files([Path(place) for place in python if place] + [*readable], [*writable])


def _data_bytes() -> int:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0


def _limit_files(readable: list[Path], writable: list[Path]) -> bool:
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        version = libc.syscall(_CREATE_RULESET, None, 0, _VERSION)
    except (AttributeError, OSError):
        return False
    if not sys.platform.startswith("linux") or version < 1:
        return False
    handled = _FILES_BY_VERSION.get(version, (1 << 15) - 1)
    rules = _Ruleset(handled, _TCP if version >= _NETWORK_FROM_VERSION else 0)
    size = ctypes.sizeof(rules) if version >= _NETWORK_FROM_VERSION else ctypes.sizeof(ctypes.c_uint64)
    ruleset = libc.syscall(_CREATE_RULESET, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        return False
    for places, rights in ((readable, _READ), (writable, handled)):
        for place in places:
            _allow(libc, ruleset, place, rights & handled)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    limited = libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return bool(limited)


def _allow(libc: ctypes.CDLL, ruleset: int, place: Path, rights: int) -> None:
    with suppress(OSError):  # a missing path needs no rule
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
        try:
            rule = _Beneath(rights if place.is_dir() else rights & _OF_FILES, descriptor)
            libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(descriptor)
