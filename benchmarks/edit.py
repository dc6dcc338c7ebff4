"""What a label edit by `eus-etl run` costs in studies of growing size: CPU seconds, runs, assets.

    python benchmarks/edit.py [--visits 200 1000 3000]

One visit is made by the real chain; the others are copies of its records and tables, with ids of their own
and without images. Then the study's tables are made, and one label of one visit is edited.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from unittest import mock

from benchmarks.support.hospitals.hasty_databases import databases_in_a_hurry
from benchmarks.support.hospitals.large_study import visit_ids
from benchmarks.support.hospitals.multiplied import multiply, one_visit
from benchmarks.support.hospitals.tiny_hospital import ONE, TinyHospital
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import RunReport, StudySession


def run(hospital: TinyHospital, tell: Callable[..., None]) -> RunReport:
    with open_instance(hospital.home) as instance:
        return StudySession(hospital.study, instance).run(progress=tell)


def measure(visits: int) -> tuple[list[float], RunReport]:
    """CPU seconds of observing and planning, of the visit's run and of the tables' run; and what was made."""
    with tempfile.TemporaryDirectory() as folder:
        with mock.patch.object(os, "fsync"):  # setting it up should not wait for the disk file by file
            hospital = one_visit(Path(folder))
            multiply(hospital, visit_ids(visits - 1))
        hospital.items[ONE]["Stop Station 1 1"] = "00:00:02"
        hospital.write_items()
        marks = [time.process_time()]
        report = run(hospital, lambda *_: marks.append(time.process_time()))
        marks.append(time.process_time())
        return [after - before for before, after in pairwise(marks)], report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--visits", type=int, nargs="+", default=[200, 1000, 3000])
    options = parser.parse_args()
    print(
        "| visits | observe and plan | visit | tables | CPU s in all | made |\n|---|---|---|---|---|---|",
        flush=True,
    )
    totals = []
    with databases_in_a_hurry():
        measure(2)  # what is imported and compiled once
        for visits in options.visits:
            parts, report = measure(visits)
            totals.append(sum(parts))
            cells = " | ".join(f"{part:.1f}" for part in [*parts, totals[-1]])
            names = json.dumps([made.asset for made in report.made])
            print(f"| {visits:,} | {cells} | {names} |", flush=True)
    print(f"\nlargest to smallest study: {totals[-1] / totals[0]:.1f}")


if __name__ == "__main__":
    main()
