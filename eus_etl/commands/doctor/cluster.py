"""Many machines: broker, database, and whether each worker sees what this machine sees."""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from eus_etl.commands.doctor.finding import Finding, of_error, ok, problem, warning
from eus_etl.defs.cluster.sight import Code, Sight, code_now, note_file, study_digest
from eus_etl.defs.event_store.database import database_id, has_file_per_run
from eus_etl.defs.instance import decoding_among, is_ready, launches_elsewhere, opened
from eus_etl.defs.keys import DECODING
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import EusEtlError
from eus_etl.settings import StudyConfig

BROKER, DATABASE, WORKERS, POOL = "broker", "database", "workers", f"pool `{DECODING}`"
CLOCK_S = 1.0
"""Clocks may differ by so much: what is held for a minute must not seem over to another machine."""

_AGAIN = "`systemctl restart eus-etl-worker` there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Here:
    """What this machine sees, for each worker to see as well.

    Attributes:
        database: id of the database.
        study: a hash of the study's configuration but for its root.
        code: what is installed.
        note: what the note in the root says; None where there was none to be left.
    """

    database: str
    study: str
    code: Code
    note: str | None


def examine_cluster(study: StudyConfig, home: Path) -> Iterator[Finding]:
    """Check broker, database and workers; nothing where runs are not launched on other machines.

    Leaves a note in the root's state folder while it asks, for the workers to read, and removes it.
    """
    # opening the instance might create its databases
    if not (launches_elsewhere(home) and is_ready(home)):
        return
    try:
        with opened(home) as instance:
            yield from _findings(study, instance)
    except EusEtlError as error:
        yield of_error(DATABASE, error)
    except ModuleNotFoundError as error:
        yield problem(
            BROKER, f"{error.name} is not installed", "install this package with its extra `celery`"
        )


def _findings(study: StudyConfig, instance: dg.DagsterInstance) -> Iterator[Finding]:
    from eus_etl.defs.cluster.broker import ask, celery_of, facts_of_broker, reached, workers

    if has_file_per_run(instance):
        yield problem(
            DATABASE, "it is SQLite, on this machine alone", "use deploy/celery/dagster.celery.yaml"
        )
    else:
        yield ok(DATABASE, "PostgreSQL answers")
    try:
        app = celery_of(instance)
        with reached(app) as broker:
            yield examine_broker(facts_of_broker(broker))
            names = workers(app, broker)
            if not names:
                yield problem(
                    WORKERS, "none answers", "start one: `systemctl start eus-etl-worker` on its machine"
                )
                return
        with _note(StudyPaths(study.root)) as (name, text), reached(app) as broker:
            answers = {worker: ask(app, broker, worker, study.study, name) for worker in names}
    except EusEtlError as error:
        yield of_error(BROKER, error)
        return
    here = Here(database=database_id(instance), study=study_digest(study), code=code_now(), note=text)
    queue = instance.get_concurrency_config().run_queue_config
    places = sum(answer.sight.places for answer in answers.values() if answer.sight)
    yield examine_places(len(names), places, queue.max_concurrent_runs if queue else -1)
    pool = instance.event_log_storage.get_concurrency_info(DECODING).slot_count
    yield from examine_pool(places, pool)
    for worker, answer in answers.items():
        if answer.sight is None:
            yield problem(worker, "it does not say what it sees", f"it may run other code: {_AGAIN}")
        else:
            yield from examine_worker(worker, answer.sight, answer.off_s, here)
    if text is None:
        yield warning(
            "root of all workers",
            "it is not marked yet, so no note could be left in it",
            "call again after the first run",
        )


def examine_broker(facts: Mapping[str, str]) -> Finding:
    """Whether a Redis keeps what it is given.

    Args:
        facts: what it says of itself.
    """
    if facts.get("aof_enabled") != "1":
        return warning(
            BROKER,
            "Redis answers, but forgets queued runs, and which are at work, when it is killed",
            "set `appendonly yes`, as deploy/celery/redis.eus-etl.conf does",
        )
    if facts.get("maxmemory_policy", "noeviction") != "noeviction":
        return warning(
            BROKER,
            "Redis answers, but drops queued runs when its memory is full",
            "set `maxmemory-policy noeviction`",
        )
    return ok(BROKER, f"Redis {facts.get('redis_version', '')} answers, and keeps what is queued")


def examine_places(number: int, places: int, at_once: int) -> Finding:
    """Whether as many runs are let go at once as there are places for.

    Args:
        number: of workers.
        places: that they have together.
        at_once: how many runs the queue lets go at once; -1 for any number.
    """
    found = (
        f"{number} with {places} places; the queue lets {'any number of' if at_once < 0 else at_once} runs go"
    )
    if at_once == places:
        return ok(WORKERS, found)
    return warning(
        WORKERS,
        found,
        f"set `max_concurrent_runs: {places}` in dagster.yaml: more wait at the broker, fewer leave places "
        "empty",
    )


def examine_pool(places: int, decoding: int) -> Iterator[Finding]:
    """Whether as many videos are decoded at once as there are places for; nothing if so.

    Args:
        places: that all workers have together.
        decoding: places of the pool.
    """
    if decoding < (most := decoding_among(places)):
        yield warning(
            POOL,
            f"of {places} places, {decoding} may decode at once: the pool was sized when they were fewer",
            f"`dagster instance concurrency set {DECODING} {most}`, with this DAGSTER_HOME",
        )


def examine_worker(worker: str, sight: Sight, off_s: float, here: Here) -> Iterator[Finding]:
    """What a worker sees otherwise than this machine.

    Args:
        worker: its name.
        sight: what it sees.
        off_s: how far its clock is ahead, at least; negative where it is behind.
        here: what this machine sees.
    """
    found = []
    if sight.database != here.database:
        found.append(
            problem(
                f"database of {worker}",
                "it records in another database",
                f"give it this dagster.yaml, then {_AGAIN}",
            )
        )
    if sight.study != here.study:
        found.append(
            problem(
                f"study of {worker}",
                "it has no file of this study" if sight.study is None else "its file of this study differs",
                "let all machines read the same folder of studies' files (EUS_ETL_CONFIGS), and mount the "
                "data at the same place",
            )
        )
    elif here.note is not None and sight.note != here.note:
        found.append(
            problem(
                f"root of {worker}",
                "it does not see what this machine writes into the root",
                "mount the same file system at the root on both machines",
            )
        )
    elif here.note is not None and not sight.writable:
        found.append(
            problem(
                f"root of {worker}", "it may not write into the root", "run it as the user who owns the root"
            )
        )
    if differing := _differing(sight.code, here.code):
        found.append(
            problem(
                f"code of {worker}",
                f"it runs other code than is installed here: {differing}",
                f"install the same version on both, then {_AGAIN}",
            )
        )
    if abs(off_s) > CLOCK_S:
        found.append(
            problem(
                f"clock of {worker}",
                f"its clock is {abs(off_s):.1f} s {'ahead' if off_s > 0 else 'behind'}",
                "keep both clocks set with NTP (`timedatectl set-ntp true`)",
            )
        )
    yield from found or [
        ok(worker, f"{sight.places} places; same root, study, code and database, and the clocks agree")
    ]


def _differing(theirs: Code, ours: Code) -> str:
    packages = [
        f"{name} {theirs.versions.get(name, 'missing')} for {ours.versions.get(name, 'missing')}"
        for name in sorted({*theirs.versions, *ours.versions})
        if theirs.versions.get(name) != ours.versions.get(name)
    ]
    own = ["eus_etl itself"] if theirs.sources != ours.sources else []
    return ", ".join([*own, *packages][:5])


@contextmanager
def _note(paths: StudyPaths) -> Iterator[tuple[str, str | None]]:
    """Leave a note in a marked root for the block: its name and what it says, None where it has no mark."""
    name, text = secrets.token_hex(8), secrets.token_hex(8)
    file = note_file(paths, name)
    if not paths.owner_file.is_file():
        yield name, None
        return
    try:
        with file.open("x", encoding="utf-8") as note:
            note.write(text)
            note.flush()
            os.fsync(note.fileno())
        yield name, text
    finally:
        file.unlink(missing_ok=True)
