"""Commands for a person who looks at what was made."""

from collections.abc import Sequence
from pathlib import Path

import click

from eus_etl.cli.options import FOLDER, config_option, patients_option, plain_errors, study_to_write


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
