"""What the commands of ``eus-etl`` share: options, a session on the study, errors in one line."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click

from eus_etl.errors import EusEtlError

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
_P = ParamSpec("_P")

config_option = click.option("--config", required=True, type=FILE, help="The study's YAML file.")
patients_option = click.option(
    "--patient", "patients", multiple=True, help="Id or alias of a visit; repeat for several."
)
new_root_option = click.option(
    "--new-root",
    is_flag=True,
    help="Use a root without a mark, although the study already has visits: everything is made again there.",
)


def plain_errors(command: Callable[_P, None]) -> Callable[_P, None]:
    """End a command with one line and exit code 1 on our own errors, without a traceback."""

    @wraps(command)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except EusEtlError as error:
            click.echo(f"eus-etl: {error}", err=True)
            sys.exit(1)

    return run


def with_session(command: Callable[..., None]) -> Callable[..., None]:
    """Pass a command the study of its ``--config`` and a session on its Dagster instance."""

    @config_option
    @plain_errors
    @wraps(command)
    def run(config: Path, **options: object) -> None:
        from eus_etl.defs.instance import dagster_home, open_instance
        from eus_etl.defs.reconcile.local_session import StudySession
        from eus_etl.settings import load_study

        study = load_study(config)
        with open_instance(dagster_home(study)) as instance:
            command(study, StudySession(study, instance), **options)

    return run
