"""A run after an edit: what it made, and what lies on the disk then."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from benchmarks.support.videos.pictures import read_picture
from benchmarks.support.videos.small_videos import read_number
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import RunReport, StudySession
from eus_etl.domain.tables import catalog
from eus_etl.domain.tables.schema import Table

KEPT = 10
"""Frames kept of each video: two seconds at 5 Hz."""


def run(hospital: TinyHospital) -> RunReport:
    """Observe and make what is due, with the study's file as it is now."""
    with open_instance(hospital.home) as instance:
        return StudySession(hospital.study, instance).run()


def made(report: RunReport, patient: str | None = None) -> set[str]:
    """Names of the assets made of a visit, or of the whole study; everything could be made."""
    assert report.complete, (report.failed, report.unobserved)
    return {one.asset for one in report.made if one.patient_id == patient}


def frames(hospital: TinyHospital, patient: str) -> pl.DataFrame:
    """A visit's frame table."""
    schema = catalog.frame_table(hospital.study.families).schema
    return pl.read_csv(hospital.paths.frame_table(patient), schema=schema)


def table(hospital: TinyHospital, table: Table) -> pl.DataFrame:
    """A study table."""
    return pl.read_csv(hospital.paths.table(table.name), schema=table.schema)


def numbers(hospital: TinyHospital, patient: str) -> list[int]:
    """What the saved images of a visit show, in the order of its frame table."""
    return [read_number(read_picture(hospital.paths.root / p)) for p in frames(hospital, patient)["path"]]


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Files below ``folder``: size and time of change in ns; but not since when a source was (not) read."""
    found = (file for file in folder.rglob("*") if file.name != "last_read.json")
    files = {file: file.stat() for file in found if file.is_file() and file.parent.name != "unseen"}
    return {str(file.relative_to(folder)): (stat.st_size, stat.st_mtime_ns) for file, stat in files.items()}


@contextmanager
def illegible(*folders: Path) -> Iterator[None]:
    """Overwrite files with nothing of the same size for the block: whoever reads one as what it was fails."""
    contents = {file: file.read_bytes() for folder in folders for file in folder.rglob("*") if file.is_file()}
    for file, content in contents.items():
        file.write_bytes(bytes(len(content)))
    yield
    for file, content in contents.items():
        file.write_bytes(content)
