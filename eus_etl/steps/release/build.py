"""Builds a release's folder beside its place, and publishes it."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.release.card import card
from eus_etl.domain.release.croissant import croissant
from eus_etl.domain.release.leaks import LeakReport
from eus_etl.domain.release.splits import SPLIT_NAMES
from eus_etl.domain.tables import catalog
from eus_etl.domain.tables.schema import Table
from eus_etl.settings import StudyConfig
from eus_etl.steps.release.changes import changes
from eus_etl.steps.release.content import (
    ROWS_AT_ONCE,
    frame_rows,
    kept_rows,
    metadata_rows,
    splits_rows,
)
from eus_etl.steps.release.draft import Draft
from eus_etl.steps.release.leak_gate import check_leaks
from eus_etl.steps.release.pictures import put_pictures
from eus_etl.steps.release.records import kept_frames, write_record
from eus_etl.steps.release.source import recipe_of
from eus_etl.storage.files.atomic import atomic_path, folder_beside, publish_folder
from eus_etl.storage.files.checksums import file_sha256
from eus_etl.storage.tables.table_files import read_csv, without_formulas

SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class Made:
    """What is known of a release once it is made.

    Attributes:
        leaks: what the search for leaks found, in a sentence.
    """

    leaks: str


def build(study: StudyConfig, draft: Draft, tell: Callable[[str], None]) -> Made:
    """Build and publish a release, with its record, which the ledger has yet to follow.

    Raises:
        LeakError, FramesMissingError, PermanentError, DiskFullError: nothing is published.
    """
    paths, content, release = StudyPaths(study.root), draft.content, draft.record.release
    final, kept = paths.releases / release, kept_frames(paths, release)
    with atomic_path(kept) as partial:
        back = kept_rows(content, recipe_of(study, draft.rule))
        back.sink_parquet(partial, compression="zstd", maintain_order=True, row_group_size=ROWS_AT_ONCE)
    with folder_beside(final) as folder:
        tell(f"linking {content.frames.height} pictures")
        for rows in _slices(kept):
            put_pictures(paths, rows, folder)
        tell("searching for leaks")
        found = search_for_leaks(study, release, kept)
        tell("writing tables")
        tables = _tables(draft, release)
        tables["leaks.csv"] = (catalog.LEAKS, found.table.lazy())
        _write_tables(folder, tables)
        statistics = {"release": release, "parent": draft.record.parent, **draft.statistics}
        of_files = {name: of for name, (of, _) in tables.items()}
        texts = _texts(paths, draft, folder, statistics, found.sentence, of_files)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        _write_sums(folder, [*of_files, *texts])
        write_record(
            paths, draft.record, draft.content.assignment.appended.with_columns(since=pl.lit(release))
        )
        publish_folder(folder, final)
    return Made(found.sentence)


def search_for_leaks(study: StudyConfig, release: str, kept: Path) -> LeakReport:
    """Compare held-out frames with training ones: who is who by the study's table, whatever the ledger says.

    Args:
        study: the configuration.
        release: the release's id.
        kept: file of its ``tables.KEPT_FRAMES``.

    Raises:
        LeakError: there are leaks.
    """
    paths = StudyPaths(study.root)
    patients = catalog.patients(study.patients.columns)
    people = read_csv(paths.table(patients.name), patients).select("patient_id", "subject_id")
    split = pl.col("path").str.split("/").list.first().alias("split")
    rows = pl.read_parquet(kept).with_columns(split)
    rows = rows.join(people, on="patient_id", how="left", maintain_order="left")
    return check_leaks(paths, release, rows)


def _slices(table: Path) -> Iterator[pl.DataFrame]:
    """The rows of a Parquet file, some at a time."""
    rows = pl.scan_parquet(table)
    for start in range(0, rows.select(pl.len()).collect().item(), ROWS_AT_ONCE):
        yield rows.slice(start, ROWS_AT_ONCE).collect()


def _tables(draft: Draft, release: str) -> dict[str, tuple[Table, pl.LazyFrame]]:
    content = draft.content
    patients = catalog.released_patients(content.columns)
    found: dict[str, tuple[Table, pl.LazyFrame]] = {
        "frames.parquet": (catalog.released_frames(content.families), frame_rows(content)),
        "labels.csv": (catalog.RELEASED_LABELS, content.labels.lazy()),
        "patients.csv": (patients, content.patients.lazy()),
        "splits.csv": (catalog.RELEASED_SPLITS, splits_rows(content, draft.ledger, release).lazy()),
    }
    metadata = catalog.released_metadata(content.families, content.columns)
    for split in SPLIT_NAMES:
        if (content.frames["split"] == split).any():
            found[f"{split}/metadata.csv"] = (metadata, metadata_rows(content, split))
    return found


def _write_tables(folder: Path, tables: Mapping[str, tuple[Table, pl.LazyFrame]]) -> None:
    for name, (table, rows) in tables.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".parquet":
            rows.sink_parquet(path, compression="zstd", maintain_order=True, row_group_size=ROWS_AT_ONCE)
        else:
            rows.select(without_formulas(table.schema)).sink_csv(path, maintain_order=True)


def _texts(
    paths: StudyPaths,
    draft: Draft,
    folder: Path,
    statistics: Mapping[str, object],
    leaks: str,
    tables: Mapping[str, Table],
) -> dict[str, str]:
    content, rule, release = draft.content, draft.rule, draft.record.release
    sums = {name: (table, file_sha256(folder / name)) for name, table in tables.items()}
    return {
        "statistics.json": json.dumps(statistics, indent=2) + "\n",
        "croissant.json": json.dumps(croissant(release, statistics, sums, licence=rule.licence), indent=2)
        + "\n",
        "CHANGES.md": changes(paths, content, draft.record.selection, draft.parent, draft.pseudonyms),
        "README.md": card(
            release,
            statistics,
            content.columns,
            licence=rule.licence,
            intended_use=rule.intended_use,
            grouped_by_visit=int((~content.patients["subject_known"]).sum()),
            leaks=leaks,
        ),
    }


def _write_sums(folder: Path, names: Iterable[str]) -> None:
    """A line for each of these files and for each picture, as ``sha256sum`` writes them."""
    pictures = pl.scan_parquet(folder / "frames.parquet").select(
        pl.format("{}  {}", "sha256", "path").alias("line")
    )
    others = pl.LazyFrame({"line": [f"{file_sha256(folder / name)}  {name}" for name in sorted(names)]})
    pl.concat([others, pictures]).sink_csv(
        folder / SUMS, include_header=False, quote_style="never", maintain_order=True
    )
