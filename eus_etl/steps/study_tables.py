"""The study's tables, assembled from one small part a patient: once a wave, not once a patient."""

from pathlib import Path

import polars as pl

from eus_etl.domain import tables
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.table import Table
from eus_etl.settings import StudyConfig
from eus_etl.steps.result import StepResult, version_of
from eus_etl.storage.atomic import atomic_path
from eus_etl.storage.checksums import file_sha256
from eus_etl.storage.table_files import write_csv


def assemble_labels(study: StudyConfig) -> StepResult:
    """``labels.csv``: every visit's intervals."""
    return assemble(study, tables.LABELS, scan_parts(study, tables.LABELS))


def assemble_patients(study: StudyConfig) -> StepResult:
    """``patients.csv``: a row a visit."""
    table = tables.patients(study.patients.columns)
    return assemble(study, table, scan_parts(study, table))


def assemble_videos(study: StudyConfig) -> StepResult:
    """``videos.csv``: probed facts joined with what the extraction counted."""
    counted = scan_parts(study, tables.DECODED).drop("frames_kept")
    videos = (
        scan_parts(study, tables.VIDEOS)
        .drop("frames_decoded", "decode_errors")
        .join(counted, on=["patient_id", "video_id"], how="left", maintain_order="left")
    )
    return assemble(study, tables.VIDEOS, videos)


def assemble_preprocess_metadata(study: StudyConfig) -> StepResult:
    """``preprocess_metadata.csv``, with labels and status from the frame tables, and ``layouts.csv``."""
    families = list(study.families)
    made = scan_parts(study, tables.PREPROCESSED)
    frames = scan_frame_tables(study).select("frame_id", *families, "status")
    metadata = made.join(frames, on="frame_id", how="left", maintain_order="left")
    layouts = assemble(study, tables.LAYOUTS, scan_parts(study, tables.LAYOUTS))
    result = assemble(study, tables.preprocess_metadata(families), metadata, twin=True)
    return StepResult(
        version_of(result.version, layouts.version),
        {**result.metadata, "layouts": layouts.metadata["rows"]},
    )


def assemble_rejected(study: StudyConfig) -> StepResult:
    """``rejected.csv``: what could not be used, or was used with a doubt, and why."""
    paths = StudyPaths(study.root)
    files = sorted(paths.parts(tables.REJECTED.name).glob("*/*.parquet"))
    rows = pl.concat([tables.REJECTED.empty(), *(pl.read_parquet(file) for file in files)])
    rows = rows.sort("stage", "patient_id", "item", "reason", nulls_last=True)
    path = paths.table(tables.REJECTED.name)
    write_csv(rows, path)
    metadata: dict[str, int | float | str | bool] = {"rows": rows.height, "path": paths.relative(path)}
    for stage, count in rows["stage"].value_counts(sort=True).iter_rows():
        metadata[f"of {stage}"] = count
    return StepResult(version_of(file_sha256(path)), metadata)


def scan_parts(study: StudyConfig, table: Table) -> pl.LazyFrame:
    """All patients' parts of a table, in patient order."""
    return _scan(StudyPaths(study.root).parts(table.name), table)


def scan_frame_tables(study: StudyConfig) -> pl.LazyFrame:
    """All patients' frame tables, from their Parquet twins, in patient order."""
    return _scan(StudyPaths(study.root).frames, tables.frame_table(study.families))


def _scan(folder: Path, table: Table) -> pl.LazyFrame:
    files = sorted(folder.glob("*.parquet"))
    return pl.scan_parquet(files) if files else table.empty().lazy()


def assemble(study: StudyConfig, table: Table, rows: pl.LazyFrame, *, twin: bool = False) -> StepResult:
    """Stream ``rows`` to ``<table>.csv`` (and its Parquet twin); memory does not grow with the study."""
    paths = StudyPaths(study.root)
    path = paths.table(table.name)
    ordered = rows.select(pl.col(name).cast(dtype) for name, dtype in table.schema.items())
    if twin:
        with atomic_path(path.with_suffix(".parquet")) as partial:
            ordered.sink_parquet(partial, compression="zstd", maintain_order=True)
        ordered = pl.scan_parquet(path.with_suffix(".parquet"))
    with atomic_path(path) as partial:
        ordered.sink_csv(partial, maintain_order=True)
    count = ordered.select(pl.len()).collect().item()
    return StepResult(version_of(file_sha256(path)), {"rows": count, "path": paths.relative(path)})
