"""The command that makes a release."""

import sys
from typing import TYPE_CHECKING

import click

from eus_etl.cli.options import with_session

if TYPE_CHECKING:
    from eus_etl.defs.reconcile.local_session import StudySession
    from eus_etl.settings import StudyConfig


@click.command()
@with_session
@click.option("--name", required=True, help="Name of a selection: a key of `releases` in the study's file.")
@click.option("--dry-run", is_flag=True, help="Only say what it would hold, and what not.")
@click.option(
    "--accept-unreviewed",
    is_flag=True,
    help="Take visits that nobody signed off; never those that are blocked.",
)
def release(
    study: "StudyConfig", session: "StudySession", name: str, dry_run: bool, accept_unreviewed: bool
) -> None:
    """Make a release: masked pictures in three splits, tables and a card, in a folder that never changes."""
    from eus_etl import terminal
    from eus_etl.commands.show_release import lines_of, tables_of
    from eus_etl.defs.reconcile.request import draft_release, request_release

    if dry_run:
        draft = draft_release(session, name, accept_unreviewed=accept_unreviewed)
        for title, table in tables_of(draft):
            terminal.console.print(terminal.data_table(title, table))
        for line in lines_of(draft):
            click.echo(line)
        return
    report = request_release(session, name, accept_unreviewed=accept_unreviewed)
    for failed in report.failed:
        click.echo(f"eus-etl: {failed.error}", err=True)
    for made in report.made:
        facts = {name: value for name, value in made.metadata.items() if name != "below the root"}
        click.echo(f"{study.study}: release {facts.pop('release')}: {facts.pop('outcome')}")
        folder = study.root / str(facts.pop("folder"))
        click.echo("\n".join(f"  {name}: {value}" for name, value in facts.items()))
        click.echo(f"  {folder}")
    sys.exit(1 if report.failed else 0)
