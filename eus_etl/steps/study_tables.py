"""The study's tables, assembled from one small part per visit.

Tables that need a join are joined some visits at a time, as a frame and everything about it belong to one
visit: memory holds these visits, whatever the size of the study.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables import catalog
from eus_etl.domain.tables.schema import Table
from eus_etl.settings import StudyConfig
from eus_etl.steps.result import StepResult, version_of
from eus_etl.storage.files.atomic import atomic_path
from eus_etl.storage.files.checksums import file_sha256
from eus_etl.storage.files.listing import listed
from eus_etl.storage.tables.gathered import Gathered, gather
from eus_etl.storage.tables.table_files import readable, without_formulas, write_csv
from eus_etl.storage.vouched import vouched_files

Visits = list[str]
"""Ids of some visits."""

BATCH_BYTES = 4 << 20
"""Size of the compressed tables that are joined at once; in memory they take several times as much."""


def assemble_labels(study: StudyConfig) -> StepResult:
    """``labels.csv``: every visit's intervals."""
    return assemble(study, catalog.LABELS, scan_parts(study, catalog.LABELS))


def assemble_patients(study: StudyConfig) -> StepResult:
    """``patients.csv``: one row per visit."""
    table = catalog.patients(study.patients.columns)
    return assemble(study, table, scan_parts(study, table))


def assemble_videos(study: StudyConfig) -> StepResult:
    """``videos.csv``: probed facts joined with what the extraction counted."""
    counted = scan_parts(study, catalog.DECODED).drop("frames_kept")
    videos = (
        scan_parts(study, catalog.VIDEOS)
        .drop(*(set(catalog.DECODED.names) & set(catalog.VIDEOS.names) - {"patient_id", "video_id"}))
        .join(counted, on=["patient_id", "video_id"], how="left", maintain_order="left")
    )
    return assemble(study, catalog.VIDEOS, videos)


def assemble_preprocess_metadata(study: StudyConfig) -> StepResult:
    """``preprocess_metadata.csv``, with labels and status from the frame tables.

    Also ``layouts.csv`` and ``text_checks.csv``.
    """
    families = list(study.families)
    table = catalog.preprocess_metadata(families)

    made, frames = gather_parts(study, catalog.PREPROCESSED), gather_frame_tables(study)

    def rows_of(patients: Visits) -> pl.DataFrame:
        of_frames = frames.load(patients, ["frame_id", *families, "status"])
        images = made.load(patients, catalog.PREPROCESSED.names)
        return images.join(of_frames, on="frame_id", how="left", maintain_order="left")

    layouts = assemble(study, catalog.LAYOUTS, scan_parts(study, catalog.LAYOUTS))
    texts = assemble(study, catalog.TEXT_CHECKS, scan_parts(study, catalog.TEXT_CHECKS))
    result = assemble(study, table, joined_by_batch(table, batches_of(made), rows_of), twin=True)
    return StepResult(
        version_of(result.version, layouts.version, texts.version),
        {**result.metadata, "layouts": layouts.metadata["rows"]},
        outputs=(*result.outputs, *layouts.outputs, *texts.outputs),
    )


def assemble_rejected(study: StudyConfig) -> StepResult:
    """``rejected.csv``: what could not be used, or was used with doubt, and why."""
    paths = StudyPaths(study.root)
    files = vouched_files(paths, paths.parts(catalog.REJECTED.name), nested=True)
    rows = gather(paths, catalog.REJECTED.name, files, catalog.REJECTED).scan().collect()
    rows = rows.sort("stage", "patient_id", "item", "reason", nulls_last=True)
    path = paths.table(catalog.REJECTED.name)
    write_csv(rows, path)
    metadata: dict[str, int | float | str | bool | Path] = {"rows": rows.height, "path": path}
    for stage, count in rows["stage"].value_counts(sort=True).iter_rows():
        metadata[f"of {stage}"] = count
    return StepResult(version_of(file_sha256(path)), metadata, outputs=(path,))


def scan_parts(study: StudyConfig, table: Table) -> pl.LazyFrame:
    """All parts of a table, in the order of patient ids; the caller holds the study's lock.

    Raises:
        OutputLostError: a part was made, and is missing or cannot be read.
    """
    return gather_parts(study, table).scan()


def gather_parts(study: StudyConfig, table: Table) -> Gathered:
    """All parts of a table; the caller holds the study's lock.

    Raises:
        OutputLostError: a part was made, and is missing or cannot be read.
    """
    paths = StudyPaths(study.root)
    return gather(paths, table.name, vouched_files(paths, paths.parts(table.name)), table)


def gather_frame_tables(study: StudyConfig) -> Gathered:
    """The Parquet twins of all frame tables; the caller holds the study's lock.

    Raises:
        OutputLostError: one was made, and is missing or cannot be read.
    """
    paths, table = StudyPaths(study.root), catalog.frame_table(study.families)
    return gather(paths, table.name, vouched_files(paths, paths.frames), table)


def batches_of(gathered: Gathered) -> list[Visits]:
    """The visits that have a file, in batches that fit into memory."""
    batches: list[Visits] = []
    room = 0
    for patient, file in zip(gathered.patients, gathered.marks, strict=True):
        if room <= 0:
            batches.append([])
            room = BATCH_BYTES
        batches[-1].append(patient)
        room -= file.size
    return batches


def joined_by_batch(
    table: Table, batches: Sequence[Visits], rows_of: Callable[[Visits], pl.DataFrame]
) -> pl.LazyFrame:
    """Rows of ``table``: what ``rows_of`` gives for each batch of visits, in their order.

    A lazy join of whole tables would hold one of them in memory, a union of one small join per visit all of
    their plans; and a small join costs more than its rows.
    """

    def read(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        for patients in batches:
            rows = table.conform(rows_of(patients))
            rows = rows if predicate is None else rows.filter(predicate)
            rows = rows if columns is None else rows.select(columns)
            yield rows if limit is None else rows.head(limit)
            limit = None if limit is None else max(0, limit - rows.height)

    return register_io_source(read, schema=table.schema, validate_schema=True)


def assemble(study: StudyConfig, table: Table, rows: pl.LazyFrame, *, twin: bool = False) -> StepResult:
    """Stream ``rows`` to ``<table>.csv`` (and its Parquet twin); memory does not grow with the study.

    Raises:
        OutputLostError: a part cannot be read.
    """
    paths = StudyPaths(study.root)
    path = paths.table(table.name)
    ordered = rows.select(pl.col(name).cast(dtype) for name, dtype in table.schema.items())

    def parts() -> list[Path]:
        return listed(paths.all_parts, "**/*.parquet")

    if twin:
        with readable(parts), atomic_path(path.with_suffix(".parquet")) as partial:
            ordered.sink_parquet(partial, compression="zstd", maintain_order=True)
        ordered = pl.scan_parquet(path.with_suffix(".parquet"))
    with readable(parts), atomic_path(path) as partial:
        ordered.select(without_formulas(table.schema)).sink_csv(partial, maintain_order=True)
    count = ordered.select(pl.len()).collect(engine="streaming").item()
    return StepResult(
        version_of(file_sha256(path)),
        {"rows": count, "path": path},
        outputs=(path, path.with_suffix(".parquet")) if twin else (path,),
    )
