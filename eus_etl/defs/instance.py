"""The Dagster instance of a command: that in ``DAGSTER_HOME``, or one beside the study's root."""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TypeVar

import dagster as dg
import yaml
from sqlalchemy import exc

from eus_etl.defs.keys import DECODING
from eus_etl.errors import ConfigError, DatabaseError
from eus_etl.settings import StudyConfig, shipped
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.locks import file_lock

HOME_VARIABLE = "DAGSTER_HOME"

_SOME_RUNS = 4
"""Of so many runs at once, or more, one is kept free."""

_CREATED_S, _AGAIN_S = 5.0, 0.2
"""So long another machine may take to create the tables in a database of both; asked again after so long."""

_LOCK, _SETTINGS = ".eus_etl.lock", "dagster.yaml"
_DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")

_T = TypeVar("_T")


def dagster_home(study: StudyConfig) -> Path:
    """``$DAGSTER_HOME``, else ``dagster_home`` in the folder that holds the study's root."""
    return named_home() or study.root.parent / "dagster_home"


def named_home() -> Path | None:
    """``$DAGSTER_HOME``; None where it is not set."""
    named = os.environ.get(HOME_VARIABLE)
    return Path(named).expanduser() if named else None


def daemon_seen(home: Path) -> float | None:
    """Last heartbeat of a daemon of the instance in ``home``, in seconds since 1970; None for never."""
    if not is_ready(home):
        return None  # opening the instance would create its databases
    with opened(home) as instance:
        return max((beat.timestamp for beat in instance.get_daemon_heartbeats().values()), default=None)


def open_instance(home: Path) -> dg.DagsterInstance:
    """The instance in ``home``, created with the shipped ``dagster.yaml`` if it is missing.

    Processes of this machine take turns: two that create Dagster's databases at once write two schema
    versions into them, and Dagster cannot open them again. On a server, another machine may come at the same
    time.

    Raises:
        ConfigError: the folder cannot be created, or as of ``opened``.
        DatabaseError: as of ``opened``.
    """
    with ExitStack() as held:
        try:
            home.mkdir(parents=True, exist_ok=True)
            held.enter_context(file_lock(home / _LOCK))
            if not (home / _SETTINGS).exists():
                write_atomically(home / _SETTINGS, shipped(_SETTINGS).read_bytes())
        except OSError as error:
            raise ConfigError(
                HOME_VARIABLE,
                f"{home} cannot be created ({error.strerror})",
                "set DAGSTER_HOME to a writable folder",
            ) from error
        instance = opened(home)
        _while_created(home, lambda: _size_pool(instance))
        return instance


def _size_pool(instance: dg.DagsterInstance) -> None:
    """Give decoding as many places as there are cores, unless somebody has given it others.

    One run stays free for what decodes nothing, so that an edit of a label does not wait for videos; of two
    or three, that would cost more than it saves. Where runs are launched on other machines, this one's cores
    say nothing: their number is limited by the queue.
    """
    storage = instance.event_log_storage
    if DECODING not in storage.get_concurrency_keys():
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        runs = instance.get_concurrency_config().run_queue_config
        at_once = runs.max_concurrent_runs if runs and runs.max_concurrent_runs > 0 else cores + 1
        most = decoding_among(at_once)
        elsewhere = launches_elsewhere(Path(instance.root_directory))
        storage.set_concurrency_slots(DECODING, most if elsewhere else min(cores, most))


def decoding_among(runs: int) -> int:
    """How many of so many runs at once may decode."""
    return runs - 1 if runs >= _SOME_RUNS else runs


def opened(home: Path) -> dg.DagsterInstance:
    """The instance in a home that is there.

    Raises:
        ConfigError: its settings are no settings, or another version of Dagster made its databases.
        DatabaseError: its PostgreSQL does not answer, or refuses to create tables.
    """
    try:
        return _while_created(home, lambda: dg.DagsterInstance.from_config(str(home)))
    except (dg.DagsterError, yaml.YAMLError) as error:
        raise ConfigError(
            HOME_VARIABLE,
            f"the instance in {home} cannot be opened ({type(error).__name__})",
            f"correct its {_SETTINGS}, or compare it with the one that comes with this package; if another "
            "version of Dagster made it, `dagster instance migrate`",
        ) from None
    except Exception as error:
        if not type(error).__module__.startswith("dagster_postgres"):
            raise
        raise DatabaseError(
            HOME_VARIABLE,
            f"the PostgreSQL of the instance in {home} does not answer",
            f"start it, and compare its address and password with {_SETTINGS}",
        ) from None


def _while_created(home: Path, do: Callable[[], _T]) -> _T:
    """Do what fails where another machine is just creating the same tables, or rows; then do it again.

    Raises:
        DatabaseError: it still fails.
    """
    until = time.monotonic() + _CREATED_S
    while True:
        try:
            return do()
        except (exc.IntegrityError, exc.ProgrammingError) as error:
            if time.monotonic() > until:
                raise DatabaseError(
                    HOME_VARIABLE,
                    f"the database of the instance in {home} refuses what Dagster needs"
                    f" ({type(error.orig).__name__})",
                    "let its user create tables and write in that database; if another version of Dagster "
                    "made them, `dagster instance migrate`",
                ) from None
            time.sleep(_AGAIN_S)


def make_home_ready() -> None:
    """Create what is missing of the home in ``DAGSTER_HOME``, if that is set.

    Dagster's own processes do not take turns, so this happens before the studies are loaded.
    """
    if (home := named_home()) and not is_ready(home):
        open_instance(home).dispose()


def is_ready(home: Path) -> bool:
    """Whether the instance can be opened without creating anything.

    Raises:
        ConfigError: its settings are not valid YAML.
    """
    if not (home / _SETTINGS).is_file():
        return False
    return "storage" in _settings(home) or all(_is_marked(home / name) for name in _DATABASES)


def launches_elsewhere(home: Path) -> bool:
    """Whether runs of the instance in a home are launched on other machines; opens nothing.

    Raises:
        ConfigError: its settings are not valid YAML.
    """
    return (home / _SETTINGS).is_file() and "run_launcher" in _settings(home)


def _settings(home: Path) -> dict[str, object]:
    try:
        settings = yaml.safe_load((home / _SETTINGS).read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError):
        settings = None
    if not isinstance(settings, dict):
        raise ConfigError(
            HOME_VARIABLE,
            f"{home / _SETTINGS} is not valid YAML",
            "correct it, or remove it: a run makes it again",
        )
    return settings


def _is_marked(database: Path) -> bool:
    """Whether a database of Dagster's has its schema version, which is written after its tables."""
    if not database.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT version_num FROM alembic_version").fetchone() is not None
    except sqlite3.Error:
        return False
