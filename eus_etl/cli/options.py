"""What the commands of ``eus-etl`` share: options, a session on the study, errors in one line."""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec

import click

from eus_etl.errors import ConfigError, EusEtlError

if TYPE_CHECKING:
    from eus_etl.settings import StudyConfig

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
_P = ParamSpec("_P")

config_option = click.option("--config", required=True, type=FILE, help="The study's YAML file.")
patients_option = click.option(
    "--patient", "patients", multiple=True, help="Id or alias of a visit; repeat for several."
)
home_config_option = click.option(
    "--config", type=FILE, help="The study's YAML file; needed where DAGSTER_HOME is not set."
)
new_root_option = click.option(
    "--new-root",
    is_flag=True,
    help="Use a root without a mark, although the study already has visits: everything is made again there.",
)


def study_to_write(config: Path) -> "StudyConfig":
    """The study of a command that works on its root: from now on others may not read what it makes.

    Raises:
        RootFormatError: another version of this package wrote the root.
    """
    from eus_etl.domain.paths import StudyPaths
    from eus_etl.settings import load_study
    from eus_etl.storage.files.permissions import keep_from_others
    from eus_etl.storage.root_owner import require_format

    study = load_study(config)
    require_format(StudyPaths(study.root), study.study)
    keep_from_others(study.readers)
    return study


def home_of(config: Path | None) -> Path:
    """The Dagster home of the study in this file; of ``DAGSTER_HOME`` where no file is given.

    Raises:
        ConfigError: neither is given.
    """
    from eus_etl.defs.instance import HOME_VARIABLE, dagster_home, named_home
    from eus_etl.storage.files.permissions import keep_from_others

    keep_from_others("group")
    home = dagster_home(study_to_write(config)) if config else named_home()
    if home is None:
        raise ConfigError(
            HOME_VARIABLE, "is not set, and no study is named", f"give --config, or set {HOME_VARIABLE}"
        )
    return home


def frame_rate(text: str) -> float | None:
    """Frames per second of the option ``--rate``; None for all.

    Raises:
        ConfigError: the text is not a rate.
    """
    if text == "all":
        return None
    with suppress(ValueError):
        rate = float(text)
        if 0 < rate < float("inf"):
            return rate
    raise ConfigError("--rate", f"{text!r} is not a rate", "give frames per second above 0, or `all`")


def plain_errors(command: Callable[_P, None]) -> Callable[_P, None]:
    """End a command with one line and exit code 1 on any error, without a traceback or others' messages."""

    @wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            click.echo(f"eus-etl: {_told(error, command.__name__, kwargs)}", err=True)
            sys.exit(1)

    return run


def _told(error: Exception, command: str, options: Mapping[str, object]) -> EusEtlError:
    """The error in one line, with the place below the study's root where the study can be read."""
    if isinstance(error, EusEtlError):
        return error
    from eus_etl.defs.instance import dagster_home
    from eus_etl.domain.paths import StudyPaths
    from eus_etl.settings import load_study
    from eus_etl.storage.trouble import told

    values = [
        item for value in options.values() for item in (value if isinstance(value, tuple) else (value,))
    ]
    given = [value for value in values if isinstance(value, Path)]
    paths, home = None, None
    if isinstance(config := options.get("config"), Path):
        with suppress(EusEtlError, OSError):
            study = load_study(config)
            paths, home = StudyPaths(study.root), dagster_home(study)
    return told(error, command, paths, home, given)


def with_session(command: Callable[..., None]) -> Callable[..., None]:
    """Pass a command the study of its ``--config`` and a session on its Dagster instance."""

    @config_option
    @plain_errors
    @wraps(command)
    def run(config: Path, **options: object) -> None:
        from eus_etl.defs.instance import dagster_home, open_instance
        from eus_etl.defs.reconcile.local_session import StudySession
        from eus_etl.defs.root import other_home
        from eus_etl.domain.paths import StudyPaths

        study = study_to_write(config)
        home = dagster_home(study)
        if other := other_home(StudyPaths(study.root), home):
            click.echo(f"eus-etl: warning: {other}", err=True)
        with open_instance(home) as instance:
            command(study, StudySession(study, instance), **options)

    return run
