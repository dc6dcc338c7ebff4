"""Commands that make a study, and say how it stands."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING, NoReturn

import click

from eus_etl.cli.options import (
    FOLDER,
    config_option,
    home_config_option,
    home_of,
    new_root_option,
    patients_option,
    plain_errors,
    study_to_write,
    with_session,
)
from eus_etl.errors import ConfigError

if TYPE_CHECKING:
    from eus_etl.defs.reconcile.local_session import StudySession
    from eus_etl.settings import StudyConfig


LOOK_AGAIN_S = 5.0
"""How often `run --wait` looks again."""


@click.command()
@click.option("--root", type=FOLDER, default=Path("demo"), show_default=True, help="Folder for the demo.")
@plain_errors
def demo(root: Path) -> None:
    """Make a synthetic hospital and run both studies through the asset graph."""
    from eus_etl.commands.demo import run_demo

    sys.exit(0 if run_demo(root.resolve()) else 1)


@click.command("init-home")
@home_config_option
@plain_errors
def init_home(config: Path | None) -> None:
    """Make the Dagster home before daemon, page and code server start."""
    from eus_etl.defs.instance import open_instance

    home = home_of(config)
    open_instance(home).dispose()
    click.echo(f"{home} is ready")


@click.command()
@with_session
@patients_option
@new_root_option
@click.option("--no-wait", is_flag=True, help="Do not wait for files that were copied a moment ago.")
@click.option("--wait", "to_the_end", is_flag=True, help="Stay until nothing waits: uploads, queued visits.")
@click.option("--remake", metavar="ASSET", help="Make this asset again, whatever is recorded of it.")
@click.option("--submit", is_flag=True, help="Let the daemon's queue do the work; with --wait, wait for it.")
def run(
    study: "StudyConfig",
    session: "StudySession",
    patients: Sequence[str],
    new_root: bool,
    remake: str | None,
    no_wait: bool,
    to_the_end: bool,
    submit: bool,
) -> None:
    """Observe the sources, then process what is missing or stale.

    It says what waits and why. With `--wait` it looks again until nothing does; Ctrl-C ends it. With
    `--submit` it works on nothing itself: the runs go to the queue, and it says their ids.
    """
    from eus_etl import terminal

    if no_wait and to_the_end:
        raise ConfigError("--wait", "it contradicts `--no-wait`", "give one of them")
    if submit:
        _submit(study, session, patients, new_root=new_root, remake=remake, to_the_end=to_the_end)
    while True:
        with terminal.visits_progress(study.study) as tell:
            report = session.run(
                patients or None,
                tell,
                new_root=new_root,
                remake=remake,
                wait=None if no_wait else terminal.say_waiting(study.study),
            )
        terminal.show_report(study.study, report)
        if not (to_the_end and (report.is_waiting or report.elsewhere)):
            break
        remake = None
        sleep(LOOK_AGAIN_S)
    sys.exit(0 if report.complete else 1)


def _submit(
    study: "StudyConfig",
    session: "StudySession",
    patients: Sequence[str],
    *,
    new_root: bool,
    remake: str | None,
    to_the_end: bool,
) -> NoReturn:
    from eus_etl.defs.reconcile.submit import Submission

    submission = Submission(session, patients or None, new_root=new_root, remake=remake)
    submitted = []
    for one in submission.to_the_end() if to_the_end else submission.submit():
        submitted.append(one)
        click.echo(f"{study.study}: run {one.run_id} of {one.patient or 'the tables'}: {one.why}")
    for unseen in submission.unobserved:
        click.echo(f"{study.study}: {unseen.source} could not be {unseen.attempt}: {unseen.error}", err=True)
    failed = submission.failed(submitted) if to_the_end else []
    for one in failed:
        said = f"run {one.run_id} of {one.patient or 'the tables'} did not succeed; Dagster's page says why"
        click.echo(f"{study.study}: {said}", err=True)
    did = "ended" if to_the_end else "put into the queue"
    others = submission.elsewhere()
    more = f"; {others} others are queued or in progress" if others else ""
    click.echo(f"{study.study}: {len(submitted)} runs {did}{more}")
    sys.exit(1 if failed or submission.unobserved else 0)


@click.command()
@with_session
@new_root_option
def sync(study: "StudyConfig", session: "StudySession", new_root: bool) -> None:
    """List every source in full, then process what is missing or stale."""
    from eus_etl import terminal

    with terminal.visits_progress(study.study) as tell:
        report = session.run(progress=tell, relist=True, new_root=new_root)
    if report.missed:
        terminal.console.print(f"{study.study}: {report.missed} changes of videos had been missed")
    terminal.show_report(study.study, report)
    sys.exit(0 if report.complete else 1)


@click.command()
@with_session
@patients_option
@click.option(
    "--problems", is_flag=True, help="Only visits that are not done, or of which something was rejected."
)
@click.option("--json", "as_json", is_flag=True, help="All that is known, as JSON.")
def status(
    study: "StudyConfig", session: "StudySession", patients: Sequence[str], problems: bool, as_json: bool
) -> None:
    """Show one line per visit: its state, the step that needs attention, and why."""
    from eus_etl import terminal
    from eus_etl.defs.status import study_status, visits_status
    from eus_etl.steps.observation.snapshot import resolve_patient
    from eus_etl.steps.text_check.check import why_no_text_check

    chosen = {resolve_patient(study, patient) for patient in patients}
    known = visits_status(study, session)
    asked = [visit for visit in known if not chosen or visit.patient_id in chosen]
    visits = [visit for visit in asked if visit.is_problem or not problems]
    whole = study_status(study, session)
    if as_json:
        click.echo(json.dumps(asdict(whole) | {"visits": [asdict(visit) for visit in visits]}, indent=2))
        return
    click.echo(f"{study.study}: root {study.root}\nDagster home {whole.home}")
    if not known:
        click.echo("no visit is known yet. What to do: `eus-etl run`")
        return
    if chosen:
        click.echo("\n".join(line for visit in visits for line in terminal.visit_lines(visit, whole)))
        return
    if visits:
        click.echo("\n".join(terminal.status_lines(visits)))
    click.echo(f"{len(visits)} of {len(known)} visits; `--patient ID` shows one visit in full")
    for line in [*terminal.progress_lines(known), *terminal.study_lines(whole, why_no_text_check(study))]:
        click.echo(line)


@click.command()
@config_option
@plain_errors
def doctor(config: Path) -> None:
    """Check configuration, access, disk, clock and daemon, and say what to do. Changes nothing."""
    from eus_etl.commands.doctor.run import examine
    from eus_etl.defs.instance import daemon_seen, dagster_home
    from eus_etl.settings import load_study

    study = load_study(config)
    findings = examine(study, config, dagster_home(study), daemon_seen)
    for finding in findings:
        click.echo(finding.line)
    sys.exit(1 if any(finding.outcome == "problem" for finding in findings) else 0)


@click.command()
@config_option
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@plain_errors
def adopt(config: Path, dry_run: bool) -> None:
    """Take over a root that the old scripts filled. Deletes and downloads nothing."""
    from eus_etl import terminal
    from eus_etl.commands.adopt.run import adopt_root

    with terminal.steps_progress("adopting") as tell:
        study = study_to_write(config)
        report = adopt_root(study, dry_run=dry_run, progress=tell)
    terminal.console.print(terminal.data_table("raw videos", report.visits))
    terminal.console.print(terminal.data_table("old tables compared with the sources", report.compared))
    for line in report.lines():
        terminal.console.print(line, markup=False, soft_wrap=True)
