"""What an edit sets off under a real daemon: runs, assets, videos decoded, images read, seconds.

    python benchmarks/daemon_edits.py

Two visits of two seconds of video are made; then a label, a row of the sheet, ``sync.csv``, a threshold and
a recipe are edited, and a video is added, replaced and removed, one at a time. Seconds count from the edit to
the end of the last run; ``poll_s`` (1) and the start of a process for each run are included.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import dagster as dg

from benchmarks.support.hospitals.real_daemon import daemon
from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TinyHospital
from eus_etl.defs.instance import open_instance

QUIET_S = 8.0
"""So long without a run, an edit has come to its end: several ticks of each sensor."""

LIMIT_S = 300.0
MADE_BY = "made_by_run"
"""On events of assets that are confirmed."""

_UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


@dataclass
class Cost:
    """What an edit set off."""

    runs: int = 0
    made: int = 0
    confirmed: int = 0
    videos_decoded: int = 0
    images_read: int = 0
    seconds: float = 0.0


def follow(instance: dg.DagsterInstance, edited_at: float) -> Cost:
    """Wait until the runs that an edit set off have ended, and count what they did."""
    quiet_since = time.time()
    while time.time() - quiet_since < QUIET_S or not ended(instance, edited_at):
        if time.time() - edited_at > LIMIT_S:
            raise SystemExit(f"no end within {LIMIT_S:.0f} s")
        if instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY), limit=1):
            quiet_since = time.time()
        time.sleep(0.3)
    return cost_of(instance, edited_at)


def ended(instance: dg.DagsterInstance, edited_at: float) -> list[dg.RunRecord]:
    """Records of the runs that have ended since."""
    records = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]), limit=50)
    return [record for record in records if (record.end_time or 0) > edited_at]


def cost_of(instance: dg.DagsterInstance, edited_at: float) -> Cost:
    cost = Cost()
    for record in ended(instance, edited_at):
        cost.runs += 1
        cost.seconds = max(cost.seconds, (record.end_time or 0) - edited_at)
        events = instance.all_logs(
            record.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        for event in events:
            materialization = event.asset_materialization
            metadata = materialization.metadata if materialization else {}
            if MADE_BY in metadata:
                cost.confirmed += 1
                continue
            cost.made += 1
            for name in ("videos_decoded", "images_read"):
                number = int(str(metadata[name].value)) if name in metadata else 0
                setattr(cost, name, getattr(cost, name) + number)
    return cost


def edits(hospital: TinyHospital) -> Iterator[tuple[str, Callable[[], object]]]:
    """The edits, in order."""

    def label() -> None:
        hospital.items[ONE]["Stop Station 1 1"] = "00:00:02"
        hospital.write_items()

    def sync() -> None:
        row = f"patient_id,offset_s,scale,method,by\n{ONE},0.2,1,clock,xx\n"
        hospital.paths.sync_csv.write_text(row)

    yield "label", label
    yield (
        "row of the sheet",
        lambda: hospital.write_rows(f"Patient,Cancer type\n{ONE},other\n{ALIAS_TWO},other\n"),
    )
    yield "row of sync.csv", sync
    threshold: dict[str, object] = {"no_signal_brightness": 60}
    smaller: dict[str, object] = {"recipes": {"small": {"version": 2, "size_px": 48}}}
    yield "threshold", lambda: hospital.configure(quality=threshold)
    yield "recipe", lambda: hospital.configure(quality=threshold, preprocess=smaller)
    yield "new video", lambda: hospital.add_video(f"{ONE}/second.mp4", first=300)
    yield "replaced video", lambda: hospital.add_video(f"{ONE}/second.mp4", first=500)
    yield "removed video", lambda: (hospital.videos / ONE / "second.mp4").unlink()


def main() -> None:
    columns = ["edit", "runs", "made", "confirmed", "videos decoded", "images read", "seconds"]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    with tempfile.TemporaryDirectory() as folder:
        hospital = TinyHospital(Path(folder))
        with open_instance(hospital.home) as instance, daemon(hospital):
            first = follow(instance, time.time())
            show("first, two visits", first)
            for name, edit in edits(hospital):
                edited_at = time.time()
                edit()
                show(name, follow(instance, edited_at))


def show(name: str, cost: Cost) -> None:
    cells = [name, *(f"{number:.0f}" for number in astuple(cost))]
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
