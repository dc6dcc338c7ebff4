"""Commands that look after what is stored."""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from eus_etl.cli.options import config_option, patients_option, plain_errors, study_to_write


@click.command()
@config_option
@patients_option
@click.option(
    "--max-mb-s",
    type=click.FloatRange(min=0.1),
    default=100.0,
    show_default=True,
    help="Read at most so fast.",
)
@plain_errors
def verify(config: Path, patients: Sequence[str], max_mb_s: float) -> None:
    """Read everything that is stored, and compare it with the checksums taken when it was made.

    Damaged derived data is marked, and the next run makes it again. Raw data is never changed. A verification
    that was interrupted goes on where it stopped. Exits with 1 if anything is damaged or missing.
    """
    from eus_etl import terminal
    from eus_etl.commands.upkeep.hashing import BoundedHasher
    from eus_etl.commands.upkeep.orphans import find_orphans
    from eus_etl.commands.upkeep.verification import verify_study
    from eus_etl.domain.paths import StudyPaths
    from eus_etl.steps.observation.snapshot import resolve_patient

    study = study_to_write(config)
    paths = StudyPaths(study.root)
    chosen = [resolve_patient(study, patient) for patient in patients]
    with terminal.steps_progress("verifying", "visits") as tell:
        done = verify_study(paths, BoundedHasher(max_mb_s * 1e6), chosen or None, tell)
    if done.resumed:
        click.echo(f"{study.study}: went on after {done.resumed} visits and releases of an interrupted one")
    for finding in done.findings:
        click.echo(finding.line)
    lost = sum(finding.is_loss for finding in done.findings)
    click.echo(
        f"{study.study}: {done.visits} visits, {done.releases} releases, {done.bytes_read / 1e6:.1f} MB "
        f"read; {lost} damaged or missing"
    )
    if not chosen and (orphans := find_orphans(paths)):
        click.echo(f"{len(orphans)} files that nothing refers to: `eus-etl gc --dry-run` lists them")
    sys.exit(1 if lost else 0)


@click.command()
@config_option
@click.option("--dry-run", is_flag=True, help="Only list them.")
@plain_errors
def gc(config: Path, dry_run: bool) -> None:
    """Delete files that nothing refers to, once they are a day old. Raw data is listed and never deleted."""
    from eus_etl.commands.upkeep.orphans import find_orphans, remove_orphans
    from eus_etl.domain.paths import StudyPaths

    study = study_to_write(config)
    paths = StudyPaths(study.root)
    orphans = find_orphans(paths)
    raw = [file for file in orphans if file.is_relative_to(paths.raw_data)]
    listed = [file for file in orphans if file not in raw] if dry_run else remove_orphans(paths, orphans)
    for file in listed:
        click.echo(paths.relative(file))
    # uploaded names are not shown
    for folder, count in sorted(Counter(paths.relative(file.parent) for file in raw).items()):
        click.echo(f"{folder}: {count} files that are no copies of an upload; they are kept")
    click.echo(f"{study.study}: {len(listed)} files {'that nothing refers to' if dry_run else 'deleted'}")
