"""A server at full speed: arrivals, edits and faults through the real services, then a clean-up.

    python benchmarks/soak.py [--happenings 500] [--seed 1]

Of what happens, half are new visits of one small video each; the others are second uploads, edits of labels,
damaged uploads, sources that are away for a while, and processes that are killed with -9: a run, the daemon,
the code server with its runs, the page. The next happens as soon as fewer than 25 visits wait.

Printed are the runs, the memory of each service over time, what Dagster's records take before and after a
clean-up, and whether each visit and each frame is there once. Wrong data, a visit that is lost, doubled or
stuck, a held place of the pool, or memory that grows by more than a quarter end the script with an error.
"""

import argparse
import os
import random
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
import polars as pl

from benchmarks.support.hospitals.services import CODE, DAEMON, PAGE, Services
from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, LONG_AGO, ONE, TWO, TinyHospital
from eus_etl.defs.event_store.clean_up import clean_up
from eus_etl.defs.instance import open_instance
from eus_etl.defs.keys import DECODING
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.defs.reconcile.run_health import UNDER_WAY
from eus_etl.defs.status import visits_status

NOTICED_S = 20.0
"""A process that died is noticed after so many seconds instead of a minute, and tried again after one."""

FRAMES, KEPT = 10, 2
"""Frames of an upload, and those that are kept of it."""

MOST_WAITING = 25
"""Further visits come only when fewer are not made yet: the memory of a queue is not what is measured."""

PATIENCE_S = 600.0
SAMPLE_S = 5.0
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
MOST_GROWTH = 1.25


@dataclass
class Soak:
    """What has happened so far.

    Attributes:
        uploads: visits to how many good videos they have.
        labels: visits to the second at which their station ends.
        samples: services to their memory over time, in MB.
        happened: what has happened, and how often.
    """

    hospital: TinyHospital
    instance: dg.DagsterInstance
    services: Services
    chance: random.Random
    uploads: Counter[str] = field(default_factory=Counter)
    labels: dict[str, int] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)
    sampled_at: float = 0.0
    happened: Counter[str] = field(default_factory=Counter)

    def new_visit(self) -> None:
        number = len(self.uploads)
        visit = f"44444444-aaaa-4aaa-8aaa-{number:012}"
        self.hospital.items[visit] = {"pseudo_name": f"Soaked-Otter-{number}"}
        self.edit_label(visit)
        self.upload(visit)

    def second_upload(self) -> None:
        self.upload(self.any_visit())

    def upload(self, visit: str) -> None:
        first = FRAMES * self.uploads.total()
        self.hospital.add_video(f"{visit}/{self.uploads[visit]}.mp4", first=first, frames=FRAMES)
        self.uploads[visit] += 1

    def edit_label(self, visit: str | None = None) -> None:
        visit = visit or self.any_visit()
        self.labels[visit] = 1 if self.labels.get(visit) == 2 else 2
        of_station = {"Start Station 1 1": "00:00:00", "Stop Station 1 1": f"00:00:0{self.labels[visit]}"}
        self.hospital.items[visit] |= of_station
        self.hospital.write_items()

    def damaged_upload(self) -> None:
        file = self.hospital.videos / self.any_visit() / f"damaged{self.happened.total()}.mp4"
        file.write_bytes(self.chance.randbytes(5000))
        os.utime(file, (LONG_AGO, LONG_AGO))

    def source_away(self) -> None:
        aside = self.hospital.videos.with_name("aside")
        self.hospital.videos.rename(aside)
        time.sleep(3)
        aside.rename(self.hospital.videos)

    def killed_run(self) -> None:
        for pid in filter(lambda pid: pid > 1, at_work(self.instance)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return

    def killed_service(self) -> None:
        name = self.chance.choice([CODE, DAEMON, PAGE])
        self.services.kill(name)
        self.services.start(name)

    def wait_until(self, what: str, holds: Callable[[], bool]) -> None:
        """Wait for something for as long as runs come to their end, however slow the machine is."""
        ended, since = -1, 0.0
        while not holds():
            self.watch()
            before, ended = ended, self.instance.get_runs_count(dg.RunsFilter(statuses=ENDED))
            since = time.monotonic() if ended != before else since
            if time.monotonic() - since > PATIENCE_S:
                raise SystemExit(f"no run ended, and waited in vain until {what}\n{self.services.log()}")
            time.sleep(1)

    def any_visit(self) -> str:
        return self.chance.choice(sorted(self.uploads))

    def watch(self) -> None:
        """Look at the page as a person would, and note the memory of the services."""
        if time.monotonic() - self.sampled_at < SAMPLE_S:
            return
        self.sampled_at = time.monotonic()
        self.services.look_at_page()
        for name, memory in self.services.memory_mb().items():
            self.samples.setdefault(name, []).append(memory)

    def waiting(self) -> int:
        """How many visits have no run that has succeeded, or have one under way."""
        of_visits = self.instance.get_dynamic_partitions("eusml_patients")
        running = self.instance.get_runs_count(dg.RunsFilter(statuses=list(UNDER_WAY)))
        return max(0, len(self.uploads) - len(of_visits)) + running

    def is_settled(self) -> bool:
        """Whether everything is made, and no run is under way."""
        if self.instance.get_runs_count(dg.RunsFilter(statuses=list(UNDER_WAY))):
            return False
        session = StudySession(self.hospital.study, self.instance)
        patients = session.patients()
        return len(patients) == len(self.uploads) and not any(map(session.plan, [*patients, None]))


def at_work(instance: dg.DagsterInstance) -> Iterator[int]:
    """Processes that work on runs."""
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        for event in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            if event.dagster_event and "pid" in event.dagster_event.engine_event_data.metadata:
                yield int(str(event.dagster_event.engine_event_data.metadata["pid"].value))


def happenings(soak: Soak, number: int) -> Iterator[Callable[[], None]]:
    """What happens, in order: shares are fixed, their order is by chance."""
    shares: Mapping[Callable[[], None], float] = {
        soak.new_visit: 0.5,
        soak.second_upload: 0.16,
        soak.edit_label: 0.2,
        soak.damaged_upload: 0.05,
        soak.source_away: 0.02,
        soak.killed_run: 0.05,
        soak.killed_service: 0.02,
    }
    found = [event for event, share in shares.items() for _ in range(max(1, round(share * number)))]
    soak.chance.shuffle(found)
    yield soak.new_visit
    yield from found


def check(soak: Soak) -> None:
    """Whether each visit and frame is there once, with the last label."""
    data = pl.read_parquet(soak.hospital.paths.table("dataset").with_suffix(".parquet"))
    held = dict(data.group_by("patient_id").len().iter_rows())
    expected = {visit: KEPT * uploads for visit, uploads in soak.uploads.items()}
    wrong = {
        visit: (held.get(visit), frames) for visit, frames in expected.items() if held.get(visit) != frames
    }
    require(held == expected, f"frames: {wrong}")
    require(data["frame_id"].n_unique() == data.height, "frames are there twice")
    items = pl.read_csv(soak.hospital.paths.table("labels"))
    stops = sorted(items.select("patient_id", "stop_s").iter_rows())
    require(stops == sorted((visit, float(stop)) for visit, stop in soak.labels.items()), "labels are old")
    known = set(soak.instance.get_dynamic_partitions("eusml_patients"))
    require(known == set(soak.uploads), "visits are not those that came")
    places = soak.instance.event_log_storage.get_concurrency_info(DECODING)
    require((places.claimed_slots, places.pending_steps) == ([], []), "a place of the pool is held")
    print("each visit and each frame is there once, with its last label")


def require(holds: bool, otherwise: str) -> None:
    """End the script with an error unless a condition holds."""
    if not holds:
        raise SystemExit(otherwise)


def flat(samples: list[float]) -> tuple[float, float]:
    """Median memory in the second and in the last quarter, in MB."""
    quarter = max(1, len(samples) // 4)
    return statistics.median(samples[quarter : 2 * quarter]), statistics.median(samples[-quarter:])


def main() -> None:
    """Let all of it happen, and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--happenings", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        hospital = TinyHospital(Path(folder))
        for visit, upload in ((ONE, ONE), (TWO, f"{ALIAS_TWO} scans")):
            del hospital.items[visit]
            (hospital.videos / upload / "first.mp4").unlink()
        hospital.write_items()
        hospital.write_rows("Patient,Cancer type\n")
        services = Services(hospital, hurry_s=NOTICED_S)
        with open_instance(hospital.home) as instance:
            soak = Soak(hospital, instance, services, random.Random(options.seed))
            with services.running():
                try:
                    for happening in happenings(soak, options.happenings):
                        soak.wait_until("the services keep up", lambda: soak.waiting() < MOST_WAITING)
                        happening()
                        soak.happened[happening.__name__] += 1
                    soak.wait_until("all is made", soak.is_settled)
                finally:
                    show(soak, time.monotonic() - began)
                check(soak)
                clean(soak)
            growth = {name: flat(samples) for name, samples in soak.samples.items()}
            grown = {name: pair for name, pair in growth.items() if pair[1] > MOST_GROWTH * pair[0]}
            if grown:
                raise SystemExit(f"memory grew: {grown}")


def show(soak: Soak, took_s: float) -> None:
    """What happened, which runs it took, and the memory of the services."""
    statuses = Counter(run.status.value for run in soak.instance.get_runs())
    print(f"{soak.happened.total()} happenings in {took_s / 60:.1f} min: {dict(soak.happened)}")
    print(f"{len(soak.uploads)} visits, {soak.uploads.total()} videos; runs: {dict(statuses)}")
    for name, samples in soak.samples.items():
        early, late = flat(samples)
        most = max(samples)
        print(f"{name}: {early:.0f} MB in the second quarter, {late:.0f} in the last, {most:.0f} at most")


def clean(soak: Soak) -> None:
    """Clean up while the services work; nothing is asked for afterwards."""
    study, instance = soak.hospital.study, soak.instance
    before = visits_status(study, StudySession(study, instance))
    runs = instance.get_runs_count()
    done = clean_up(instance, time.time() + 1)
    print(
        f"events, runs and ticks: {done.bytes_before / 1e6:.1f} MB "
        f"({done.bytes_before / runs / 1000:.0f} MB per 1,000 runs) before the clean-up, "
        f"{done.bytes_after / 1e6:.1f} MB after it; {done.runs} runs deleted, {done.kept} kept"
    )
    require(visits_status(study, StudySession(study, instance)) == before, "status is another")
    kept = instance.get_runs_count()
    time.sleep(30)  # many ticks of each sensor
    require(instance.get_runs_count() == kept, "runs were asked for after the clean-up")
    print("status is as before, and no run was asked for afterwards")


if __name__ == "__main__":
    main()
