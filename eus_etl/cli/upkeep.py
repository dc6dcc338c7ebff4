"""Commands that look after what is stored."""

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eus_etl.cli.options import (
    FILE,
    config_option,
    home_config_option,
    home_of,
    patients_option,
    plain_errors,
    study_to_write,
)
from eus_etl.domain.numbers import bytes_in_units
from eus_etl.errors import ConfigError, EusEtlError

if TYPE_CHECKING:
    from eus_etl.settings import StudyConfig

_DAY_S = 24 * 3600.0


@click.command()
@click.option("--config", type=FILE, help="The study's YAML file. Default: each study in EUS_ETL_CONFIGS.")
@patients_option
@click.option(
    "--max-mb-s",
    type=click.FloatRange(min=0.1),
    default=100.0,
    show_default=True,
    help="Read at most so fast.",
)
@plain_errors
def verify(config: Path | None, patients: Sequence[str], max_mb_s: float) -> None:
    """Read everything that is stored, and compare it with the checksums taken when it was made.

    Damaged derived data is marked, and the next run makes it again. Raw data is never changed. A verification
    that was interrupted goes on where it stopped. Exits with 1 if anything is damaged or missing.
    """
    if config is None and patients:
        raise ConfigError("--patient", "names a visit, and no study is named", "give --config")
    failed = lost = 0
    for file in [config] if config else _all_studies():
        try:
            lost += _verify(study_to_write(file), patients, max_mb_s)
        except EusEtlError as error:
            if config:
                raise
            click.echo(f"eus-etl: {error}", err=True)  # the other studies are verified all the same
            failed += 1
    sys.exit(1 if lost or failed else 0)


def _all_studies() -> list[Path]:
    from eus_etl.settings import study_files

    folder = os.environ.get("EUS_ETL_CONFIGS")
    if not folder:
        raise ConfigError(
            "EUS_ETL_CONFIGS", "is not set, and no study is named", "give --config, or set EUS_ETL_CONFIGS"
        )
    return study_files(Path(folder))


def _verify(study: "StudyConfig", patients: Sequence[str], max_mb_s: float) -> int:
    """Verify one study, or some of its visits; returns how much is damaged or missing."""
    from eus_etl import terminal
    from eus_etl.commands.upkeep.hashing import BoundedHasher
    from eus_etl.commands.upkeep.orphans import find_orphans
    from eus_etl.commands.upkeep.verification import verify_study
    from eus_etl.defs.root import use_leases_of_home
    from eus_etl.domain.paths import StudyPaths
    from eus_etl.steps.observation.snapshot import resolve_patient

    use_leases_of_home(study)
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
    return lost


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


@click.command("clean-up")
@home_config_option
@click.option(
    "--days",
    type=click.FloatRange(min=1),
    default=30.0,
    show_default=True,
    help="Keep everything of the last days.",
)
@click.option("--dry-run", is_flag=True, help="Only count the runs that would be deleted.")
@plain_errors
def clean_up(config: Path | None, days: float, dry_run: bool) -> None:
    """Delete old runs, events, logs and ticks of Dagster that nothing reads any more.

    What staleness, status and the page read stays: nothing is made again afterwards. Daemon and runs may work
    meanwhile, and a clean-up that was interrupted is continued by the next one.
    """
    from eus_etl import terminal
    from eus_etl.defs.event_store.clean_up import clean_up as clean
    from eus_etl.defs.event_store.needed import sort_runs
    from eus_etl.defs.instance import HOME_VARIABLE, is_ready, opened

    home = home_of(config)
    if not is_ready(home):
        raise ConfigError(HOME_VARIABLE, f"{home} is no Dagster home", "name the one that the daemon uses")
    before = time.time() - days * _DAY_S
    with opened(home) as instance:
        if dry_run:
            runs = sort_runs(instance, before)
            click.echo(f"{home}: {len(runs.old)} runs would be deleted, {len(runs.kept)} are kept")
            return
        with terminal.steps_progress("cleaning up", "runs") as tell:
            done = clean(instance, before, tell)
    click.echo(
        f"{home}: {done.runs} runs and {done.events} other events deleted, {done.kept} runs kept; "
        f"{bytes_in_units(done.bytes_before)} before, {bytes_in_units(done.bytes_after)} now"
    )


@click.command()
@config_option
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@plain_errors
def upgrade(config: Path, dry_run: bool) -> None:
    """Bring root and Dagster home of an earlier version to this one. Back them up first (upgrading.md)."""
    from eus_etl.commands.upgrade import upgrade_study
    from eus_etl.defs.instance import dagster_home, open_instance
    from eus_etl.settings import load_study
    from eus_etl.storage.files.permissions import keep_from_others
    from eus_etl.storage.root_owner import FORMAT

    study = load_study(config)
    keep_from_others(study.readers)
    with open_instance(dagster_home(study)) as instance:
        done = upgrade_study(study, instance, dry_run=dry_run)
    if done.before is None:
        click.echo(f"{study.study}: there is no root yet; the first run makes it")
    elif not done.changes:
        click.echo(f"{study.study}: the root has format {FORMAT}, which is this version's")
    else:
        verb = "would be" if dry_run else "was"
        click.echo(f"{study.study}: the root {verb} brought from format {done.before} to {FORMAT}")
        for change in done.changes:
            click.echo(f"  {change}")
