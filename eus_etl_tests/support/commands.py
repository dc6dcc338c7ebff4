"""Commands as a user types them."""

from pathlib import Path

from click.testing import CliRunner, Result

from eus_etl.cli import main


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])
