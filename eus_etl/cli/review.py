"""Commands for a person who looks at what was made."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eus_etl.cli.options import (
    FILE,
    FOLDER,
    config_option,
    patients_option,
    plain_errors,
    study_to_write,
    with_session,
)

if TYPE_CHECKING:
    from eus_etl.defs.reconcile.local_session import StudySession
    from eus_etl.settings import StudyConfig


@click.command()
@config_option
@click.option(
    "--out",
    type=FOLDER,
    help="Folder for the pictures. Default: `calibration` beside the study's other pictures.",
)
@plain_errors
def calibrate(config: Path, out: Path | None) -> None:
    """Plot all scores against the thresholds, with the masked frames nearest to each."""
    from eus_etl import terminal
    from eus_etl.commands.calibrate import calibrate as calibrate_study
    from eus_etl.domain.paths import StudyPaths

    study = study_to_write(config)
    done = calibrate_study(study, out or StudyPaths(study.root).pictures / "calibration")
    terminal.console.print(terminal.data_table(f"{study.title}: thresholds", done.table))
    click.echo(f"distributions: {done.distributions}")
    click.echo(f"frames nearest to each threshold: {len(done.sheets)} sheets in {done.sheets[0].parent}")


@click.command()
@config_option
@patients_option
@click.option(
    "--out", type=FOLDER, help="Folder for the sheets. Default: `.eus_etl/review` below the study's root."
)
@plain_errors
def regions(config: Path, patients: Sequence[str], out: Path | None) -> None:
    """List the region of each layout, and draw sheets for reviewing them (these are NOT masked)."""
    import polars.selectors as cs

    from eus_etl import terminal
    from eus_etl.commands.review_regions import SHOWN, lines_to_sign, review_regions, reviewable
    from eus_etl.domain.paths import StudyPaths
    from eus_etl.steps.observation.snapshot import resolve_patient

    study = study_to_write(config)
    folder = out or StudyPaths(study.root).review
    chosen = [resolve_patient(study, patient) for patient in patients] or reviewable(study)
    layouts = review_regions(study, chosen, folder)
    terminal.console.print(
        terminal.data_table(
            f"{study.title}: regions", layouts.select(SHOWN).with_columns(cs.float().round(2))
        )
    )
    click.echo(
        f"two sheets per layout in {folder}. They show names and numbers: delete them after the review"
    )
    if len(lines := lines_to_sign(layouts)) > 1:
        click.echo("to sign off, copy to regions.csv with your initials; to correct one, change its corners:")
        click.echo("\n".join(lines))


@click.command("sync-check")
@config_option
@patients_option
@click.option(
    "--out", type=FILE, help="The proposal to write. Default: `sync_proposal.csv` beside `sync.csv`."
)
@plain_errors
def sync_check(config: Path, patients: Sequence[str], out: Path | None) -> None:
    """Propose rows for sync.csv: how each stopwatch may lie on its recording. Moves nothing."""
    from eus_etl import terminal
    from eus_etl.commands.sync_check import propose, said, shown, write_proposals
    from eus_etl.domain.paths import StudyPaths
    from eus_etl.steps.observation.snapshot import resolve_patient

    study = study_to_write(config)
    proposals = propose(study, [resolve_patient(study, patient) for patient in patients])
    for proposal in proposals:
        for line in said(proposal):
            terminal.console.print(line, markup=False, soft_wrap=True)
        if proposal.proposed:
            terminal.console.print(terminal.data_table("", shown(proposal)))
    if not any(proposal.proposed for proposal in proposals):
        click.echo("nothing to propose: each visit has a row in sync.csv, no recording or no Stop Procedure")
        return
    file = out or StudyPaths(study.root).sync_proposal
    write_proposals(proposals, file)
    click.echo(f"{file}: copy one row of a visit to sync.csv, with your initials; until then nothing moves")


@click.command()
@with_session
@click.option("--out", type=FILE, help="The page to write. Default: `report.html` beside the study's tables.")
def report(study: "StudyConfig", session: "StudySession", out: Path | None) -> None:
    """Write one HTML page about the study, to be opened in a browser: it asks no server for anything."""
    from datetime import datetime

    from eus_etl.commands.report.facts import gather
    from eus_etl.commands.report.page import report_page
    from eus_etl.defs.status import study_status, visits_status
    from eus_etl.domain.paths import StudyPaths
    from eus_etl.storage.files.atomic import write_atomically

    facts = gather(study, study_status(study, session), visits_status(study, session))
    file = out or StudyPaths(study.root).report
    page = report_page(facts, datetime.now().astimezone())
    write_atomically(file, page)
    click.echo(f"{len(facts.visits)} visits, {len(page) / 1e6:.1f} MB: {file}")


@click.command()
@with_session
@click.argument("frame")
@click.option("--deep", is_flag=True, help="Read the whole raw file, and compare its MD5.")
@click.option("--json", "as_json", is_flag=True, help="All links, as JSON.")
def trace(study: "StudyConfig", session: "StudySession", frame: str, deep: bool, as_json: bool) -> None:
    """Lead from FRAME (a frame_id, or the path of a picture) back to its upload, and check each link.

    Takes frames and pictures of releases too. Exits with 1 if a link no longer holds.
    """
    from eus_etl.commands.trace import links
    from eus_etl.commands.trace.address import find
    from eus_etl.commands.trace.said import lines

    address = find(study, frame)
    given = Path(frame) if Path(frame).is_file() else None
    found = links.trace(study, session, address, deep=deep, given=given)
    click.echo(links.as_json(address, found) if as_json else "\n".join(lines(address, found)))
    sys.exit(1 if any(link.holds is False for link in found) else 0)
