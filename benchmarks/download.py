"""Fetching one file from a drive on loopback: throughput against curl, and resident memory.

    python benchmarks/download.py [--megabytes 500] [--rounds 5]

One server process gives the same file to everyone. In each round curl fetches it, curl fetches it and
``md5sum`` reads it (what the same certainty costs with these tools), and this package fetches it in a process
of its own: verified by size and by the SHA-256 that Drive gives (once more by MD5 alone, as where it gives
none), flushed to the disk, renamed. The middle of the rounds counts.
"""

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

SERVE = """
import random, sys, time
from benchmarks.support.servers.drive_files import Drive
from benchmarks.support.servers.drive_server import serve
drive = Drive()
folder = drive.folder("study")
file = drive.upload("video.mp4", folder, random.Random(1).randbytes(1 << 20) * int(sys.argv[1]))
drive.change(file, with_sha256=sys.argv[2] == "sha256")
with serve(drive) as server:
    print(server.api_root, folder, file, flush=True)
    sys.stdin.read()
"""

FETCH = """
import resource, sys, time
from pathlib import Path
from google.auth.credentials import AnonymousCredentials
from eus_etl.sources.videos.google_drive.source import GoogleDrive
api_root, folder, root, target = sys.argv[1:]
with GoogleDrive(folder, Path(root) / "mirror", AnonymousCredentials(), api_root=api_root) as drive:
    (file,) = drive.list_files().files
    begun = time.perf_counter()
    drive.fetch(file, Path(target))
    taken_s = time.perf_counter() - begun
print(taken_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def timed(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def compare(megabytes: int, rounds: int, sum_name: str) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            [sys.executable, "-c", SERVE, str(megabytes), sum_name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as server,
    ):
        assert server.stdout  # noqa: S101 - a pipe was asked for
        api_root, study, file = server.stdout.readline().split()
        url, copy = f"{api_root}files/{file}?alt=media", Path(folder) / "copy"
        memory_mb: list[float] = []

        def ours() -> float:
            command = [sys.executable, "-c", FETCH, api_root, study, folder, str(copy)]
            answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            taken_s, resident_mb = map(float, answer.split())
            memory_mb.append(resident_mb)
            return taken_s

        ways: dict[str, Callable[[], float]] = {
            "curl": lambda: timed(["curl", "-s", "-o", str(copy), url]),
            "curl, then md5sum": lambda: (
                timed(["curl", "-s", "-o", str(copy), url]) + timed(["md5sum", str(copy)])
            ),
            f"GoogleDrive.fetch, verified by {sum_name}": ours,
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name in random.sample(list(ways), len(ways)):
                copy.unlink(missing_ok=True)
                taken[name].append(ways[name]())
        server.terminate()
    rates = {name: megabytes / statistics.median(times) for name, times in taken.items()}
    print(f"| {megabytes} MiB over loopback | MiB/s | of curl |\n|---|---|---|")
    for name, rate in rates.items():
        print(f"| {name} | {rate:.0f} | {rate / rates['curl']:.2f} |")
    print(f"\nresident memory of GoogleDrive.fetch: {max(memory_mb):.0f} MiB\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for sum_name in ("sha256", "md5"):
        compare(options.megabytes, options.rounds, sum_name)


if __name__ == "__main__":
    main()
