"""The machine: Python and packages, programs, memory and cores, time; nothing of the study."""

import os
import platform
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from importlib import metadata

import requests

from eus_etl.commands.doctor.finding import Finding, ok, problem, warning
from eus_etl.settings import TextCheckConfig, shipped
from eus_etl.steps.text_reader.rapid import PACKAGE, EngineBrokenError, engine_name, models

PROGRAMS: Mapping[str, str] = {
    "ffprobe": "a second opinion on a video that looks wrong, and some of the tests",
}
"""Optional programs, and what they are for."""

_LOCK = "requirements/runtime.txt"
_TEXT_READER = "text reader"
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?: *; *([^\\]+))?", re.MULTILINE)
# page, daemon, code server and two runs take 0.3 GB each with small videos; large pictures take more
_ENOUGH_MEMORY = 4 << 30
_ENOUGH_CORES = 2
# AWS and Google refuse requests signed by a clock that is off by more
_REFUSED_FROM_S = 300
_NOTABLE_FROM_S = 30
_GIB = 1 << 30


def examine_machine() -> Iterator[Finding]:
    """Check packages, programs, memory, cores and time zone."""
    yield _packages()
    yield from map(_program, PROGRAMS)
    yield _size()
    yield ok("clock", f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S %Z (UTC%z)} here")


def clock_against(server: str, url: str) -> Finding:
    """This machine's clock against the ``Date`` header of a server (RFC 9110, 6.6.1; whole seconds).

    Args:
        server: its name in the finding.
        url: an address there; any answer has the header.
    """
    check = f"clock against {server}"
    before = time.time()
    try:
        answer = requests.head(url, timeout=10, allow_redirects=False)
        theirs = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except (requests.RequestException, KeyError, ValueError):
        return warning(check, "the server does not say its time", "check the network and proxy settings")
    off_s = round((before + time.time()) / 2 - theirs)
    if abs(off_s) < _NOTABLE_FROM_S:
        return ok(check, "they agree")
    found = f"this machine is {abs(off_s)} s {'ahead' if off_s > 0 else 'behind'}"
    remedy = "set the clock, and keep it set with NTP (`timedatectl set-ntp true`)"
    return problem(check, found, remedy) if abs(off_s) >= _REFUSED_FROM_S else warning(check, found, remedy)


def differing_packages(lock: str) -> list[str]:
    """Packages whose installed version differs from the lock: ``av 18.0.0 for 18.1.0``.

    Args:
        lock: the text of a requirements file whose lines are ``name==version``, some with a marker. A package
            listed several times may have any of these versions; one whose lines all have markers may be
            missing.
    """
    versions: dict[str, set[str]] = {}
    required: set[str] = set()
    for name, version, marker in _PINNED.findall(lock):
        versions.setdefault(name, set()).add(version)
        if not marker:
            required.add(name)
    installed = {name: _installed(name) for name in versions}
    return [
        f"{name} {installed[name] or 'missing'} for {' or '.join(sorted(allowed))}"
        for name, allowed in versions.items()
        if installed[name] not in allowed and (installed[name] or name in required)
    ]


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _packages() -> Finding:
    check, python = "packages", f"Python {platform.python_version()}"
    lock = shipped(_LOCK)
    if not lock.is_file():
        return ok(check, f"{python}; this installation has no lock to compare with")
    if differing := differing_packages(lock.read_text(encoding="utf-8")):
        shown = ", ".join(differing[:5]) + (", ..." if len(differing) > 5 else "")
        return warning(
            check,
            f"{python}; {len(differing)} packages differ from the lock: {shown}",
            f"install it again: `uv pip install --require-hashes -r {_LOCK}`",
        )
    return ok(check, f"{python}; packages match the lock")


def _program(name: str) -> Finding:
    if shutil.which(name):
        return ok(name, "found")
    return ok(name, f"not found; optional, for {PROGRAMS[name]}")


def examine_text_reader(config: TextCheckConfig) -> Finding:
    """Check the text reader and its models, as far as the study's configuration needs it."""
    if config.enabled == "never":
        return ok(_TEXT_READER, "not needed: preprocess.text_check.enabled is never")
    try:
        engine = engine_name()
        models()
    except EngineBrokenError as error:
        return problem(
            _TEXT_READER,
            f"{PACKAGE} cannot read text: {error}; no preprocessed frame is made",
            f"install it again: `uv pip install --require-hashes --reinstall-package rapidocr -r {_LOCK}`",
        )
    return ok(_TEXT_READER, f"{engine}; preprocessed frames are checked for text")


def _size() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found = f"{cores} cores, {memory / _GIB:.1f} GiB of memory"
    if memory < _ENOUGH_MEMORY or cores < _ENOUGH_CORES:
        return warning(
            "cores and memory",
            found,
            "set `max_concurrent_runs: 1` in dagster.yaml; two runs at a time need 2 cores and 4 GiB",
        )
    return ok("cores and memory", found)
