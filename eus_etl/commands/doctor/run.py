"""All checks of one study, in the order in which one would fix things."""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from eus_etl.commands.doctor.access import examine_credentials, examine_tables, examine_videos, servers
from eus_etl.commands.doctor.cluster import examine_cluster
from eus_etl.commands.doctor.disk_space import examine_room
from eus_etl.commands.doctor.filesystem import examine_places
from eus_etl.commands.doctor.finding import Finding, of_error, ok, warning
from eus_etl.commands.doctor.machine import clock_against, examine_machine, examine_text_reader
from eus_etl.commands.doctor.state import examine_ownership, examine_pages
from eus_etl.domain.paths import StudyPaths
from eus_etl.settings import ROOT_VARIABLE, StudyConfig
from eus_etl.storage.trouble import told


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

    def guarded(check: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
        """Whatever goes wrong in a check is its finding, and the other checks go on."""
        try:
            yield from look()
        except Exception as error:
            fit = told(error, check, paths, home)
            yield of_error(check, fit)

    yield _configuration(study, config_file)
    yield from guarded("machine", examine_machine)
    yield from guarded("text reader", lambda: [examine_text_reader(study.preprocess.text_check)])
    for url, server in servers(study).items():
        yield from guarded(f"clock against {server}", partial(_clock, server, url))
    yield from guarded("places", lambda: examine_places(study.study, paths, home, daemon_seen))
    yield from guarded(
        "all of the root", lambda: [examine_ownership("all of the root", paths.root, paths, home)]
    )
    yield from guarded("all of the home", lambda: [examine_ownership("all of the home", home, paths, home)])
    yield from guarded("cluster", lambda: examine_cluster(study, home))
    yield from guarded("provenance", lambda: [examine_pages(paths)])
    yield from guarded("credentials", lambda: examine_credentials(study))
    yield from guarded("sources.videos", lambda: _videos_and_room(study, paths))
    yield from guarded("tables", lambda: examine_tables(study))


def _clock(server: str, url: str) -> list[Finding]:
    return [clock_against(server, url)]


def _videos_and_room(study: StudyConfig, paths: StudyPaths) -> Iterator[Finding]:
    videos, sizes = examine_videos(study)
    yield videos
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
