"""How long the quick commands take to start, beside ``python -c "import polars"``.

``extract`` is given a file that does not exist, ``labels`` and ``check-config`` small real input: what is
measured is the time until a command can begin its work. The least of several runs counts: the rest is noise
of the machine.

Run: ``python benchmarks/startup.py [--runs 7]``
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from eus_etl.settings import shipped

_VISIT = "5f0c7f0e-6a43-4c0e-9a37-0d6f2f6a1c11"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=7, help="runs of each command; the quickest counts")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        items = folder / "items.json"
        items.write_text(
            json.dumps([{"pk": _VISIT, "Start Liver 1": "00:00:12", "Stop Liver 1": "00:01:12"}])
        )
        commands = {
            "--help": ["--help"],
            "check-config": ["check-config", str(shipped("configs") / "eus_config.yaml")],
            "labels": ["labels", str(items), "--study", "fatty_liver", "--out", str(folder / "labels.csv")],
            "extract": ["extract", str(folder / "none.mp4"), "--out", str(folder / "out"), "--rate", "5"],
        }
        yardstick = [sys.executable, "-c", "import polars"]
        timed = {"import polars": yardstick} | {
            name: [sys.executable, "-m", "eus_etl.cli", *arguments] for name, arguments in commands.items()
        }
        seconds = _quickest(timed, runs)
    for name, took in seconds.items():
        print(f"{name:14} {took:6.3f} s  {took / seconds['import polars']:5.2f}")


def _quickest(commands: Mapping[str, Sequence[str]], runs: int) -> dict[str, float]:
    """The least wall time of each command in seconds; they take turns, so that noise hits all alike."""
    best = dict.fromkeys(commands, float("inf"))
    for _ in range(runs):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=False, capture_output=True)
            best[name] = min(best[name], time.perf_counter() - start)
    return best


if __name__ == "__main__":
    main()
