"""The study's tables over parts that were written at different times, by different versions of the code."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from benchmarks.support.hospitals.tiny_hospital import ONE, TWO, TinyHospital
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables import catalog
from eus_etl.domain.tables.schema import Table
from eus_etl.settings import StudyConfig
from eus_etl.steps.study_tables import (
    assemble_labels,
    assemble_preprocess_metadata,
    assemble_rejected,
    assemble_videos,
)
from eus_etl.storage.tables.parts import load_frame_table


def write_older(file: Path, table: Table, row: Mapping[str, object], lacks: str) -> None:
    """A part without the column ``lacks``, with one that the table no longer has, in another order."""
    part = table.frame([row]).drop(lacks).with_columns(no_more=pl.lit(1))
    file.parent.mkdir(parents=True, exist_ok=True)
    part.select(reversed(part.columns)).write_parquet(file)


def write_now(file: Path, table: Table, row: Mapping[str, object]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    table.frame([row]).write_parquet(file)


def read(study: StudyConfig, table: Table) -> list[dict[str, object]]:
    return pl.read_csv(StudyPaths(study.root).table(table.name), schema=table.schema).to_dicts()


def test_one_older_part_breaks_no_table(tmp_path: Path) -> None:
    study = TinyHospital(tmp_path).study
    paths = StudyPaths(study.root)
    for older, now in ((ONE, TWO), (TWO, ONE)):  # the first file of a table is one of either kind
        for table, lacks in (
            (catalog.LABELS, "problem"),
            (catalog.VIDEOS, "codec"),
            (catalog.DECODED, "decode_errors"),
            (catalog.PREPROCESSED, "sha256"),
        ):
            write_older(paths.part(table.name, older), table, {"patient_id": older}, lacks)
            write_now(paths.part(table.name, now), table, {"patient_id": now, lacks: None})
        rejected = {"stage": "frames", "reason": "a reason"}
        for patient in (older, now):
            file = paths.part(f"{catalog.REJECTED.name}/frames", patient)
            row = {"patient_id": patient, **rejected}
            write_older(file, catalog.REJECTED, row, "remedy") if patient == older else write_now(
                file, catalog.REJECTED, row
            )
        for assemble, table in (
            (assemble_labels, catalog.LABELS),
            (assemble_videos, catalog.VIDEOS),
            (assemble_preprocess_metadata, catalog.preprocess_metadata(study.families)),
            (assemble_rejected, catalog.REJECTED),
        ):
            assert assemble(study).metadata["rows"] == 2
            assert [row["patient_id"] for row in read(study, table)] == [ONE, TWO]


def test_a_frame_table_without_a_new_family_gives_nulls(tmp_path: Path) -> None:
    study = TinyHospital(tmp_path).study
    paths, table = StudyPaths(study.root), catalog.frame_table(study.families)
    file = paths.frame_table(ONE).with_suffix(".parquet")
    write_older(file, table, {"patient_id": ONE, "frame_id": "a frame"}, "tumor")
    found = load_frame_table(paths, table, ONE)
    assert found.select("frame_id", "tumor").to_dicts() == [{"frame_id": "a frame", "tumor": None}]
    assert found.schema["tumor"] == table.schema["tumor"]
