"""The Dagster instance of a command: the one in ``DAGSTER_HOME``, or one beside the study's root."""

import os
import shutil
from pathlib import Path

import dagster as dg
import yaml

from eus_etl.errors import ConfigError
from eus_etl.settings import StudyConfig, shipped

HOME_VARIABLE = "DAGSTER_HOME"


def dagster_home(study: StudyConfig) -> Path:
    """``$DAGSTER_HOME``, else ``dagster_home`` in the folder that holds the study's root."""
    named = os.environ.get(HOME_VARIABLE)
    return Path(named).expanduser() if named else study.root.parent / "dagster_home"


def daemon_seen(home: Path) -> float | None:
    """When a daemon of the instance in ``home`` last gave a sign, in seconds since 1970; None for never."""
    settings = yaml.safe_load((home / "dagster.yaml").read_text(encoding="utf-8")) or {}
    if "storage" not in settings and not (home / "schedules" / "schedules.db").is_file():
        return None  # opening the instance would make its databases
    with dg.DagsterInstance.from_config(str(home)) as instance:
        return max((beat.timestamp for beat in instance.get_daemon_heartbeats().values()), default=None)


def open_instance(home: Path) -> dg.DagsterInstance:
    """The instance in ``home``, made with the shipped ``dagster.yaml`` where there is none.

    Raises:
        ConfigError: the folder cannot be made.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "dagster.yaml").exists():
            shutil.copyfile(shipped("dagster.yaml"), home / "dagster.yaml")
    except OSError as error:
        raise ConfigError(
            HOME_VARIABLE,
            f"{home} cannot be made ({error.strerror})",
            "set DAGSTER_HOME to a folder that may be written to",
        ) from error
    return dg.DagsterInstance.from_config(str(home))


def run_locks(instance: dg.DagsterInstance) -> Path:
    """The folder of an instance where the processes that work on its runs hold their locks."""
    return Path(instance.root_directory) / "eus_etl_runs"
