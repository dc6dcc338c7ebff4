"""All checks of one study, in the order in which one would fix things."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from eus_etl.commands.doctor.access import examine_credentials, examine_tables, examine_videos, servers
from eus_etl.commands.doctor.disk_space import examine_room
from eus_etl.commands.doctor.filesystem import examine_places
from eus_etl.commands.doctor.finding import Finding, ok, warning
from eus_etl.commands.doctor.machine import clock_against, examine_machine, examine_text_reader
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import ROOT_VARIABLE, StudyConfig


def examine(
    study: StudyConfig,
    config_file: Path,
    dagster_home: Path,
    daemon_seen: Callable[[Path], float | None],
) -> list[Finding]:
    """Check everything that a study needs to run, without changing anything or leaving anything behind.

    Args:
        study: the study, as ``load_study`` read it: problems in its file were reported there.
        config_file: that file.
        dagster_home: folder of the Dagster instance; need not exist.
        daemon_seen: time of the last heartbeat of a home's daemon, in seconds since 1970; None for never.

    Returns:
        One finding per check; none names a secret, a person, an uploaded file or the content of a cell.
    """
    return list(_findings(study, config_file, dagster_home, daemon_seen))


def _findings(
    study: StudyConfig, config_file: Path, home: Path, daemon_seen: Callable[[Path], float | None]
) -> Iterator[Finding]:
    paths = StudyPaths(study.root)
    yield _configuration(study, config_file)
    yield from examine_machine()
    yield examine_text_reader(study.preprocess.text_check)
    for url, server in servers(study).items():
        yield clock_against(server, url)
    yield from examine_places(study.study, paths, home, daemon_seen)
    yield from examine_credentials(study)
    videos, sizes = examine_videos(study)
    yield videos
    yield from examine_tables(study)
    if sizes is None:
        yield warning("free disk", "the files to fetch are not known", f"see the finding on {videos.check}")
    else:
        yield examine_room(paths, list(study.preprocess.recipes), sizes)


def _configuration(study: StudyConfig, config_file: Path) -> Finding:
    root_from = f"{ROOT_VARIABLE} in the environment" if os.environ.get(ROOT_VARIABLE) else "the file"
    return ok(
        "configuration",
        f"{config_file.name}: study {study.study}, root {study.root} from {root_from}",
    )
