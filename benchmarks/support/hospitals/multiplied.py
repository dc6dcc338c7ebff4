"""A study of many visits of which one was made by the real chain, and the others are copies of its records.

The copies have ids, items, rows, tables and provenance of their own, but no images: nothing of a visit alone
can be made of them again, only what is asked, planned and assembled over all visits.
"""

import os
import shutil
from pathlib import Path

import polars as pl

from benchmarks.support.hospitals.large_study import record_made, record_versions, record_visits
from benchmarks.support.hospitals.tiny_hospital import LONG_AGO, ONE, TWO, TinyHospital
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.steps.observation.connect import connect
from eus_etl.steps.observation.observe import observe
from eus_etl.steps.observation.snapshot import SOURCES


def one_visit(folder: Path) -> TinyHospital:
    """A hospital with one visit, which is made."""
    hospital = TinyHospital(folder)
    del hospital.items[TWO]
    hospital.write_items()
    hospital.write_rows(f"Patient,Cancer type\n{ONE},none\n")
    (hospital.videos / "Quiet-Otter-2 scans" / "first.mp4").unlink()
    with open_instance(hospital.home) as instance:
        if not StudySession(hospital.study, instance).run().complete:
            raise SystemExit("the visit could not be made")
    return hospital


def put_records(hospital: TinyHospital, visits: list[str]) -> None:
    """Items, rows and videos of further visits; nothing looks into the videos."""
    of_one = hospital.items[ONE]
    for number, visit in enumerate(visits):
        hospital.items[visit] = {**of_one, "pseudo_name": f"{visit[:6]}-{number}"}
        video = hospital.videos / visit / "first.mp4"
        video.parent.mkdir()
        video.write_text(visit)
        os.utime(video, (LONG_AGO, LONG_AGO))
    hospital.write_items()
    rows = "".join(f"{visit},none\n" for visit in (ONE, *visits))
    hospital.write_rows(f"Patient,Cancer type\n{rows}")


def put_tables(hospital: TinyHospital, visits: list[str]) -> None:
    """The parts and the frame table of the made visit, once more for each of ``visits``."""
    parts = list(hospital.paths.data.rglob(f"{ONE}.parquet"))
    for file in [*parts, hospital.paths.frame_table(ONE).with_suffix(".parquet")]:
        table = pl.read_parquet(file)
        for visit in visits:
            of_visit = table.with_columns(pl.col(pl.String).str.replace_all(ONE, visit, literal=True))
            of_visit.write_parquet(file.with_stem(visit))
    for visit in visits:
        shutil.copyfile(hospital.paths.frame_table(ONE), hospital.paths.frame_table(visit))


def multiply(hospital: TinyHospital, visits: list[str]) -> None:
    """Record further visits as observed and made, if any; the study's tables are made of them."""
    if not visits:
        return
    put_records(hospital, visits)
    put_tables(hospital, visits)
    with open_instance(hospital.home) as instance:
        session = StudySession(hospital.study, instance)
        record_visits(instance, session.graph, visits)
        for source in SOURCES:
            seen = observe(hospital.study, connect(hospital.study), source).versions
            if found := {visit: seen[visit] for visit in visits if visit in seen}:
                record_versions(instance, hospital.home, session.graph.key(source), found)
        made = [node.name for node in session.graph.made(per_patient=True)]
        record_made(instance, hospital.home, session.graph, made, visits)
        report = session.run()
        if not report.complete or any(one.patient_id for one in report.made):
            raise SystemExit(f"the study does not count as made: {report}")
