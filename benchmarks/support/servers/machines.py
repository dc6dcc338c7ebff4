"""Machines on one machine: namespaces of network and processes, joined by a bridge, where that can be."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machines:
    """Where some machines are.

    Attributes:
        host: the address at which they reach this machine.
        prefixes: what a command must begin with to run on each; empty where it runs on this machine.
    """

    host: str
    prefixes: Sequence[Sequence[str]]

    @property
    def are_apart(self) -> bool:
        """Whether they have networks and processes of their own."""
        return any(self.prefixes)


@contextmanager
def machines(number: int) -> Iterator[Machines]:
    """So many machines until the block ends; without namespaces, all of them are this machine."""
    token = f"{os.getpid() % 100000}"
    bridge, names = f"eusb{token}", [f"eusm{token}n{index}" for index in range(number)]
    subnet = f"10.231.{os.getpid() % 250}"
    try:
        try:
            _ip("link", "add", bridge, "type", "bridge")
            _ip("addr", "add", f"{subnet}.1/24", "dev", bridge)
            _ip("link", "set", bridge, "up")
            for index, name in enumerate(names):
                _join(name, bridge, f"eusv{token}{index}", f"{subnet}.{index + 10}/24")
        except (OSError, subprocess.CalledProcessError):
            yield Machines("127.0.0.1", [()] * number)
        else:
            # numbers of processes say nothing to another machine either
            apart = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
            yield Machines(f"{subnet}.1", [("ip", "netns", "exec", name, *apart) for name in names])
    finally:
        for name in names:
            if Path("/run/netns", name).exists():
                with suppress(subprocess.CalledProcessError):
                    _ip("netns", "del", name)
        if Path("/sys/class/net", bridge).exists():
            with suppress(subprocess.CalledProcessError):
                _ip("link", "del", bridge)


def _join(name: str, bridge: str, end: str, address: str) -> None:
    _ip("netns", "add", name)
    _ip("link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("link", "set", end, "master", bridge, "up")
    for arguments in (("addr", "add", address, "dev", "eth0"), ("link", "set", "eth0", "up")):
        _ip("-n", name, *arguments)
    _ip("-n", name, "link", "set", "lo", "up")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
