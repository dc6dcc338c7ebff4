"""A study's root as its Dagster instance knows it: a missing one is never mistaken for a new one."""

import json
import os
from pathlib import Path

import dagster as dg

from eus_etl.defs.event_store.database import database_id, has_file_per_run
from eus_etl.defs.instance import dagster_home, is_ready, opened
from eus_etl.defs.keys import patients_of
from eus_etl.defs.leases import use_leases
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.permissions import keep_from_others
from eus_etl.storage.root_owner import claim_root

_HOME, _DATABASE = "home", "database"


def take_root(instance: dg.DagsterInstance, study: StudyConfig, *, new: bool = False) -> None:
    """Check that the root is the study's; mark it if neither it nor the instance knows of a visit.

    Args:
        instance: the Dagster instance.
        study: the configuration.
        new: someone confirms the root, though the instance knows visits of the study.

    Raises:
        ForeignRootError: the root holds something that is not this study's.
        RootUnavailableError: the root has no mark, and the instance knows visits: a disk is not mounted.
    """
    paths = StudyPaths(study.root)
    keep_from_others(study.readers)
    use_leases(instance, study)
    claim_root(paths, study.study, known=lambda: _knows(instance, study.study), new=new)
    if not instance.is_ephemeral and (new or not paths.home_note.exists()):
        write_atomically(paths.home_note, json.dumps(_place_of(instance, paths)).encode())


def _place_of(instance: dg.DagsterInstance, paths: StudyPaths) -> dict[str, str]:
    """Where an instance records: on many machines each has a home of its own, and all have one database."""
    if not has_file_per_run(instance):
        return {_DATABASE: database_id(instance)}
    # relative: root and home may be moved together
    return {_HOME: os.path.relpath(Path(instance.root_directory).resolve(), paths.root)}


def use_leases_of_home(study: StudyConfig) -> None:
    """Have a command that opens no instance take the leases of the study's home, where there is one."""
    home = dagster_home(study)
    if is_ready(home):
        with opened(home) as instance:
            use_leases(instance, study)


def other_home(paths: StudyPaths, home: Path) -> str | None:
    """What to warn of where a root is worked on with another Dagster home; None where it is this one.

    Only one home, or database, knows what was made and when: in another, everything is made again.
    """
    try:
        noted = json.loads(paths.home_note.read_bytes())
        known = str(noted.get(_DATABASE) or noted[_HOME])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if _DATABASE in noted:
        if known == _database_in(home):
            return None
        other, first = "another database", "let its dagster.yaml name that one"
    else:
        place = (paths.root / known).resolve()
        if place == home.resolve():
            return None
        other, first = f"the Dagster home {place}", "set DAGSTER_HOME to the first"
    return (
        f"the root is worked on with {other}, and this is {home}. What to do: {first}; if this one is meant "
        f"from now on, remove {paths.relative(paths.home_note)} below the root"
    )


def _database_in(home: Path) -> str | None:
    """Id of the database of the instance in a home; None where it has none beside its files."""
    if not is_ready(home):
        return None
    with opened(home) as instance:
        return None if has_file_per_run(instance) else database_id(instance)


def has_visits(home: Path, study: str) -> bool:
    """Whether the instance in ``home`` knows visits of a study; creates nothing."""
    if not is_ready(home):
        return False
    with opened(home) as instance:
        return _knows(instance, study)


def _knows(instance: dg.DagsterInstance, study: str) -> bool:
    return bool(instance.get_dynamic_partitions(str(patients_of(study).name)))
