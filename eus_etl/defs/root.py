"""A study's root as its Dagster instance knows it: a missing one is never mistaken for a new one."""

import json
import os
from pathlib import Path

import dagster as dg

from eus_etl.defs.instance import is_ready, opened
from eus_etl.defs.keys import patients_of
from eus_etl.defs.leases import use_leases
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.storage.files.atomic import write_atomically
from eus_etl.storage.files.permissions import keep_from_others
from eus_etl.storage.root_owner import claim_root


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
        # relative: root and home may be moved together
        home = os.path.relpath(Path(instance.root_directory).resolve(), paths.root)
        write_atomically(paths.home_note, json.dumps({"home": home}).encode())


def other_home(paths: StudyPaths, home: Path) -> str | None:
    """What to warn of where a root is worked on with another Dagster home; None where it is this one.

    Only one home knows what was made and when: in another, everything is made again.
    """
    try:
        noted = str(json.loads(paths.home_note.read_bytes())["home"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    known = (paths.root / noted).resolve()
    if known == home.resolve():
        return None
    return (
        f"the root is worked on with the Dagster home {known}, and this is {home}. What to do: set "
        "DAGSTER_HOME to the first; if this one is meant from now on, remove "
        f"{paths.relative(paths.home_note)} below the root"
    )


def has_visits(home: Path, study: str) -> bool:
    """Whether the instance in ``home`` knows visits of a study; creates nothing."""
    if not is_ready(home):
        return False
    with opened(home) as instance:
        return _knows(instance, study)


def _knows(instance: dg.DagsterInstance, study: str) -> bool:
    return bool(instance.get_dynamic_partitions(str(patients_of(study).name)))
