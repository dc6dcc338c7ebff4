"""``eus-etl``: thin commands over the functions that the assets call.

A command imports what it needs when it runs: only the commands that make or follow assets pay for Dagster.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eus_etl.cli_options import (
    FILE,
    FOLDER,
    config_option,
    frame_rate,
    new_root_option,
    patients_option,
    plain_errors,
    study_to_write,
    with_session,
)
from eus_etl.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from eus_etl.defs.reconcile.local_session import StudySession
    from eus_etl.settings import StudyConfig


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="eus-etl")
def main() -> None:
    """From hospital ultrasound videos to datasets that can be trusted frame by frame."""
    from eus_etl.storage.trouble import silence_libraries

    silence_libraries()


@main.command()
@click.option("--root", type=FOLDER, default=Path("demo"), show_default=True, help="Folder for the demo.")
@plain_errors
def demo(root: Path) -> None:
    """Make a synthetic hospital and run both studies through the asset graph."""
    from eus_etl.commands.demo import run_demo

    sys.exit(0 if run_demo(root.resolve()) else 1)


@main.command("init-home")
@config_option
@plain_errors
def init_home(config: Path) -> None:
    """Make the Dagster home before daemon, page and code server start."""
    from eus_etl.defs.instance import dagster_home, open_instance

    study = study_to_write(config)
    home = dagster_home(study)
    open_instance(home).dispose()
    click.echo(f"{home} is ready")


@main.command()
@with_session
@patients_option
@new_root_option
@click.option("--no-wait", is_flag=True, help="Do not wait for files that were copied a moment ago.")
@click.option("--remake", metavar="ASSET", help="Make this asset again, whatever is recorded of it.")
def run(
    study: "StudyConfig",
    session: "StudySession",
    patients: Sequence[str],
    new_root: bool,
    remake: str | None,
    no_wait: bool,
) -> None:
    """Observe the sources, then process what is missing or stale."""
    from eus_etl import terminal

    with terminal.visits_progress(study.study) as tell:
        report = session.run(
            patients or None,
            tell,
            new_root=new_root,
            remake=remake,
            wait=None if no_wait else terminal.say_waiting(study.study),
        )
    terminal.show_report(study.study, report)
    sys.exit(0 if report.complete else 1)


@main.command()
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


@main.command()
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
    for line in terminal.study_lines(whole, why_no_text_check(study)):
        click.echo(line)


@main.command()
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


@main.command()
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


@main.command()
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


@main.command()
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


@main.command()
@click.argument("videos", nargs=-1, required=True, type=FILE)
@click.option("--out", required=True, type=FOLDER, help="Folder for the frames.")
@click.option("--rate", required=True, help="Frames kept per second, or `all`.")
@plain_errors
def extract(videos: Sequence[Path], out: Path, rate: str) -> None:
    """Extract frames and a frame CSV from any video; needs no study."""
    import polars as pl

    from eus_etl import terminal
    from eus_etl.commands.extract import extract_files
    from eus_etl.settings import ExtractionConfig

    extraction = ExtractionConfig(frame_rate_hz=frame_rate(rate))
    with terminal.videos_progress(len(videos)) as (video_done, frames_decoded):
        outcomes = extract_files(videos, out, extraction, video_done, frames_decoded)
    failed = outcomes.filter(pl.col("outcome") == "failed")
    told = outcomes.filter(pl.col("detail") != "")
    for position, detail in told.select("position", "detail").iter_rows():
        click.echo(f"eus-etl: {videos[position - 1]}: {detail}", err=True)
    kept = outcomes.height - failed.height
    click.echo(f"{outcomes['frames'].sum()} frames of {kept} videos in {out}")
    sys.exit(1 if failed.height else 0)


@main.command()
@click.argument("items", type=FILE)
@click.option("--study", "name", help="Name of a shipped study: eusml or fatty_liver.")
@click.option("--config", type=FILE, help="The study's YAML file, for any other study.")
@click.option("--out", type=FILE, default=Path("labels.csv"), show_default=True, help="The CSV to write.")
@plain_errors
def labels(items: Path, name: str | None, config: Path | None, out: Path) -> None:
    """Make labels.csv from an export of label items (DynamoDB JSON or plain); fails where it takes none."""
    from eus_etl.commands.labels import labels_from_export
    from eus_etl.settings import load_shipped_study, load_study
    from eus_etl.storage.tables.table_files import write_csv

    if (name is None) == (config is None):
        raise ConfigError("--study", "give either --study or --config")
    study = load_study(config) if config else load_shipped_study(name or "")
    table, scan = labels_from_export(items, study)
    for bad in scan.rejected:
        click.echo(f"eus-etl: {bad.item} rejected: {bad.reason}, {bad.detail}", err=True)
    if not scan.items:
        raise SourceError(str(items), "no item could be taken; nothing was written", "export the whole table")
    write_csv(table, out)
    counts = table["status"].value_counts(sort=True)
    statuses = ", ".join(f"{count} {status}" for status, count in counts.iter_rows())
    click.echo(f"{table.height} intervals of {len(scan.items)} items in {out}: {statuses}")


@main.command("check-config")
@click.argument("config", type=FILE)
@plain_errors
def check_config(config: Path) -> None:
    """Say what is wrong in a study's file, where, and what would be right."""
    from eus_etl.settings import load_study

    study = load_study(config)
    labels = ", ".join(label.name for family in study.families.values() for label in family)
    click.echo(f"{config}: study {study.study}, root {study.root}, labels {labels}: no problem found")


if __name__ == "__main__":
    main()
