"""Bytes that Dagster's event store takes: a first chain, a label edit, the tables after each, and over time.

    python benchmarks/event_store.py [--edits 20] [--settings dagster.yaml]

One visit with a made recording of a minute and one recipe of 512 px; everything by `eus-etl run`. Counted is
what Dagster writes of events, wherever it stores them again, and beside it the size of the run's file: that
holds 27 tables and indexes, 110 kB, before its first event. Single runs are counted with SQLite alone.

Then a label is edited again and again: what a thousand runs would add, and what a clean-up leaves of it when
nothing is young any more. Afterwards nothing is made again, or the script fails.
"""

import argparse
import sqlite3
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from benchmarks.support.videos.sample_recordings import sample_recording
from eus_etl.defs.event_store.clean_up import clean_up
from eus_etl.defs.event_store.database import has_file_per_run
from eus_etl.defs.event_store.space import stored_bytes
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import StudySession


def hospital_of_one_visit(folder: Path) -> TinyHospital:
    """A visit with a recording of a minute, three labels and no sheet."""
    hospital = TinyHospital(folder)
    for video in hospital.videos.rglob("*.mp4"):
        video.unlink()
    del hospital.items[TWO]
    hospital.items[ONE] |= {"Stop Procedure": "00:01:00", "Stop Station 1 1": "00:00:20"}
    hospital.items[ONE] |= {"Start Station 2 1": "00:00:20", "Stop Station 2 1": "00:00:50"}
    hospital.write_items()
    hospital.write_rows("Patient,Cancer type\n")
    hospital.configure(preprocess={"recipes": {"square_512": {"version": 1, "size_px": 512}}})
    made, _ = sample_recording(folder, "convex", 1)
    made.replace(hospital.videos / ONE / f"first{made.suffix}")
    return hospital


def run(hospital: TinyHospital) -> None:
    """What `eus-etl run` does."""
    with open_instance(hospital.home) as instance:
        report = StudySession(hospital.study, instance).run()
    if not report.complete:
        raise SystemExit(f"not complete: {report.failed} {report.unobserved}")


def runs(home: Path) -> list[str]:
    """Ids of all runs, the oldest first."""
    with open_instance(home) as instance:
        return [run.run_id for run in reversed(instance.get_runs())]


def written(home: Path, run_id: str) -> Counter[str]:
    """Bytes of the run's events by type, each as often as it is stored, and of what is kept beside them."""
    found: Counter[str] = Counter()
    for file in (home / "history" / "runs" / f"{run_id}.db", home / "history" / "runs" / "index.db"):
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
            for kind, size in database.execute(
                "SELECT dagster_event_type, sum(length(event)) FROM event_logs WHERE run_id = ? GROUP BY 1",
                (run_id,),
            ):
                found[str(kind)] += size
            for table, column in (
                ("asset_keys", "last_materialization"),
                ("asset_check_executions", "evaluation_event"),
            ):
                run_column = "last_run_id" if table == "asset_keys" else "run_id"
                query = f"SELECT sum(length({column})) FROM {table} WHERE {run_column} = ?"  # noqa: S608 - ours
                found[table] += database.execute(query, (run_id,)).fetchone()[0] or 0
    return found


def edit_label(hospital: TinyHospital, edit: int) -> None:
    """Edit a label, and make what follows."""
    hospital.items[ONE] |= {"Stop Station 1 1": f"00:00:{10 + edit % 10}"}
    hospital.write_items()
    run(hospital)


def over_time(hospital: TinyHospital, edits: int) -> None:
    """Edit a label so many times, clean up, and print what a thousand runs take before and after."""
    with open_instance(hospital.home) as instance:
        for edit in range(3):  # from here on as many runs are kept as ever are
            edit_label(hospital, edit)
        clean_up(instance, time.time() + 1)
        runs_before, before = instance.get_runs_count(), stored_bytes(instance)
        for edit in range(edits):
            edit_label(hospital, edit)
        added, grown = instance.get_runs_count() - runs_before, stored_bytes(instance)
        began = time.process_time()
        done = clean_up(instance, time.time() + 1)
        cpu_s = time.process_time() - began
        left = done.bytes_after - before
        print(
            f"{added} runs of {edits} edits: {(grown - before) / added / 1000:.1f} MB per 1,000 runs "
            f"before a clean-up, {left / added / 1000:.1f} MB after it ({done.runs} of "
            f"{done.runs + done.kept} runs deleted in {cpu_s:.1f} CPU s; {grown / 1e6:.1f} MB before, "
            f"{done.bytes_after / 1e6:.1f} MB now)"
        )
        if made := StudySession(hospital.study, instance).run().made:
            raise SystemExit(f"made again: {made}")
        print("after it nothing was made again, and no video was decoded")


def main() -> None:
    """Print a line per run, and what weighs most in it; then what many of them take."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=20, help="so many edits of a label, of two runs each")
    parser.add_argument(
        "--settings", type=Path, help="a dagster.yaml, for PostgreSQL say; its database is new"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        hospital = hospital_of_one_visit(Path(folder))
        if options.settings:
            hospital.home.mkdir()
            (hospital.home / "dagster.yaml").write_bytes(options.settings.read_bytes())
        known: list[str] = []
        for what in ("first chain", "label edit"):
            if what == "label edit":
                hospital.items[ONE] |= {"Stop Station 1 1": "00:00:25", "Start Station 2 1": "00:00:25"}
                hospital.write_items()
            run(hospital)
            fresh = [run_id for run_id in runs(hospital.home) if run_id not in known]
            known += fresh
            with open_instance(hospital.home) as instance:
                if not has_file_per_run(instance):
                    continue
            for run_id, of_which in zip(fresh, ("its visit", "the tables"), strict=True):
                found = written(hospital.home, run_id)
                file = hospital.home / "history" / "runs" / f"{run_id}.db"
                heaviest = ", ".join(f"{kind} {size / 1000:.0f}" for kind, size in found.most_common(5))
                print(f"{what}, {of_which}: {found.total() / 1000:.0f} kB written ({heaviest}), ", end="")
                print(f"file of the run {file.stat().st_size / 1000:.0f} kB")
        over_time(hospital, options.edits)


if __name__ == "__main__":
    main()
