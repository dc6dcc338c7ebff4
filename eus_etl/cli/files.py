"""Commands on single files; they need no study that was run."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from eus_etl.cli.options import FILE, FOLDER, frame_rate, plain_errors
from eus_etl.errors import ConfigError, SourceError


@click.command()
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


@click.command()
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


@click.command("check-config")
@click.argument("config", type=FILE)
@plain_errors
def check_config(config: Path) -> None:
    """Say what is wrong in a study's file, where, and what would be right."""
    from eus_etl.settings import load_study

    study = load_study(config)
    labels = ", ".join(label.name for family in study.families.values() for label in family)
    click.echo(f"{config}: study {study.study}, root {study.root}, labels {labels}: no problem found")


@click.command()
@click.option("--predictions", required=True, type=FILE, help="A CSV file with frame_id or visit.")
@click.option("--release", required=True, type=FOLDER, help="The release's folder.")
@click.option("--split", default="test", show_default=True, help="The split to evaluate.")
@click.option("--vote", "vote_s", default=2.0, show_default=True, help="Window of the vote, in seconds.")
@click.option("--out", type=FILE, help="Write all figures and what is missing as JSON.")
@plain_errors
def evaluate(predictions: Path, release: Path, split: str, vote_s: float, out: Path | None) -> None:
    """Say what a model's predictions for a release are worth, with intervals over persons."""
    from eus_etl import terminal
    from eus_etl.commands.evaluate import caveats, shown
    from eus_etl.dataset.evaluate import evaluate as evaluate_release
    from eus_etl.storage.files.atomic import write_atomically

    found = evaluate_release(predictions, release, split=split, vote_s=vote_s)
    title = f"{found.release}, {found.split}: 95 % intervals over persons"
    terminal.console.print(terminal.data_table(title, shown(found)))
    for line in caveats(found):
        terminal.console.print(line, markup=False, soft_wrap=True)
    if out:
        write_atomically(out, found.as_json().encode())
        click.echo(f"all figures, and what is missing: {out}")
