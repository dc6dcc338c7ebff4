"""Brings a root and a Dagster home that an earlier version wrote to this version's formats."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from eus_etl.defs.graph import study_graph
from eus_etl.defs.reconcile.run_health import runs_under_way
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import BlockedError
from eus_etl.settings import StudyConfig
from eus_etl.storage.root_owner import CHANGES, FORMAT, require_format, root_format, upgrade_root


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What an upgrade does.

    Attributes:
        before: the root's format; None where there is no root yet.
        changes: what comes with the formats since then; empty where nothing is to be done.
    """

    before: int | None
    changes: Sequence[str]


def upgrade_study(study: StudyConfig, instance: dg.DagsterInstance, *, dry_run: bool) -> Upgrade:
    """Upgrade a study's root, and the databases of its Dagster home.

    Args:
        study: the configuration.
        instance: the study's instance.
        dry_run: only say what would be done.

    Raises:
        RootFormatError: a later version wrote the root.
        BlockedError: a run of the study is queued or in progress.
    """
    paths = StudyPaths(study.root)
    match root_format(paths):
        case None:
            return Upgrade(before=None, changes=())
        case int(before) if before in range(1, FORMAT):
            changes = [CHANGES[number] for number in range(before + 1, FORMAT + 1)]
        case _:
            require_format(paths, study.study)
            return Upgrade(before=FORMAT, changes=())
    if runs := runs_under_way(study_graph(study), instance):
        raise BlockedError(
            study.study,
            f"{len(runs)} runs are queued or in progress, such as {runs[0].run_id}",
            "stop the daemon, and wait for them or cancel them in the page; then call again",
        )
    if not dry_run:
        counted = io.StringIO()  # Dagster shows what it looks at
        with contextlib.redirect_stdout(counted), contextlib.redirect_stderr(counted):
            instance.upgrade()
        upgrade_root(paths, study.study)
    return Upgrade(before, changes)
