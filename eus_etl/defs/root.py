"""A study's root as its Dagster instance knows it: one that was there once is never taken for a new one."""

from pathlib import Path

import dagster as dg

from eus_etl.defs.instance import is_ready, opened
from eus_etl.defs.keys import patients_of
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import StudyConfig
from eus_etl.storage.root_owner import claim_root


def take_root(instance: dg.DagsterInstance, study: StudyConfig, *, new: bool = False) -> None:
    """Check that the root is the study's; mark it where neither it nor the instance knows of a visit.

    Args:
        instance: the Dagster instance.
        study: the configuration.
        new: a person says that the root is meant, though the instance knows visits of the study.

    Raises:
        ForeignRootError: the root holds what is not this study's.
        RootUnavailableError: the root has no mark, and the instance knows visits: a disk is not mounted.
    """
    claim_root(StudyPaths(study.root), study.study, known=lambda: _knows(instance, study.study), new=new)


def has_visits(home: Path, study: str) -> bool:
    """Whether the instance in ``home`` knows visits of a study; makes nothing."""
    if not is_ready(home):
        return False
    with opened(home) as instance:
        return _knows(instance, study)


def _knows(instance: dg.DagsterInstance, study: str) -> bool:
    return bool(instance.get_dynamic_partitions(str(patients_of(study).name)))
