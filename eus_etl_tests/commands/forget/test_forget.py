"""A withdrawn consent leaves nothing of a visit but its tombstone, and nothing brings it back."""

import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from benchmarks.support.hospitals.tiny_hospital import ALIAS_TWO, ONE, TWO, TinyHospital
from eus_etl.commands.upkeep.orphans import find_orphans
from eus_etl.defs.instance import open_instance
from eus_etl.defs.reconcile.local_session import RunReport, StudySession
from eus_etl_tests.support.commands import call

UPLOAD = "Kropatschek scan"
ALIAS_ONE = "Brisk-Heron-1"


def run(hospital: TinyHospital) -> RunReport:
    with open_instance(hospital.home) as instance:
        return StudySession(hospital.study, instance).run()


def forget(hospital: TinyHospital, *options: str) -> str:
    done = call("forget", "--config", hospital.config, *options)
    assert done.exit_code == 0, done.output
    return done.output


def texts_in(file: Path) -> Iterator[bytes]:
    """The bytes of a file, also as they are before compression."""
    raw = file.read_bytes()
    yield raw
    if file.suffix == ".parquet":
        yield pl.read_parquet(io.BytesIO(raw)).write_json().encode()


def places_of(folder: Path, *words: str) -> list[str]:
    """Files below a folder whose name or bytes hold one of these words, with the first such word."""
    found = []
    for path in sorted(folder.rglob("*")):
        shown = path.relative_to(folder).as_posix()
        texts = [shown.casefold().encode(), *(texts_in(path) if path.is_file() else ())]
        for word in words:
            if any(word.casefold().encode() in text or word.encode() in text for text in texts):
                found.append(f"{shown}: {word}")
                break
    return found


def words_of(hospital: TinyHospital, patient_id: str, alias: str) -> list[str]:
    """All by which a visit could be told: ids, alias, uploaded names, checksums, ids of uploads and runs."""
    paths = hospital.paths
    snapshots = [json.loads(file.read_bytes())["value"] for file in paths.observed("drive_videos").glob(f"{patient_id}-*")]
    files = [file for snapshot in snapshots for file in snapshot["files"]]
    assert files
    with open_instance(hospital.home) as instance:
        runs = [run.run_id for run in instance.get_runs(dg.RunsFilter(tags={"dagster/partition": patient_id}))]
    assert runs
    return [
        patient_id,
        alias,
        *runs,
        *(word for file in files for word in (file["source_id"], file["md5"], f"v{file['md5'][:12]}")),
    ]


@pytest.fixture
def hospital(made_hospital: TinyHospital) -> TinyHospital:
    """The finished hospital with more traces of its first visit."""
    paths = made_hospital.paths
    paths.sync_csv.write_text(f"patient_id,offset_s,scale,method,by\n{ALIAS_ONE},0,1,x,AB\n{TWO},0,1,x,AB\n")
    paths.regions_csv.write_text("patient_id,video_id,signature,polygon,signed_off\n")
    (paths.legacy / "raw_data" / ALIAS_ONE).mkdir(parents=True)
    (paths.legacy / "raw_data" / ALIAS_ONE / "a.mp4").write_bytes(b"x")
    paths.legacy_tables.mkdir()
    (paths.legacy_tables / "labels.csv").write_text(f"visit,label\n{ONE},a\n{ALIAS_ONE},b\n{TWO},c\n")
    (paths.review / ONE).mkdir(parents=True)
    (paths.frames / f".{ONE}.csv.1-2.partial").write_bytes(b"half")
    made_hospital.add_video(f"{ALIAS_ONE} {ALIAS_TWO}/{UPLOAD}.mp4", first=300)
    assert run(made_hospital).failed == []
    return made_hospital


def test_only_the_tombstone_is_left_and_nothing_else_is_made_again(hospital: TinyHospital) -> None:
    words = words_of(hospital, ONE, ALIAS_ONE)
    assert places_of(hospital.paths.root, *words)
    assert places_of(hospital.home, *words)
    before = {path: path.stat().st_mtime_ns for path in hospital.paths.root.rglob("*.png")}
    said = forget(hospital, ONE)
    assert f"{ONE}: " in said
    assert UPLOAD not in said
    assert places_of(hospital.paths.root, *words, UPLOAD) == []
    assert places_of(hospital.home, *words, UPLOAD) == []
    assert hospital.paths.forgotten.is_file()
    assert pl.read_csv(hospital.paths.table("patients"))["patient_id"].to_list() == [TWO]
    assert hospital.paths.sync_csv.read_text() == f"patient_id,offset_s,scale,method,by\n{TWO},0,1,x,AB\n"
    after = {path: path.stat().st_mtime_ns for path in hospital.paths.root.rglob("*.png")}
    assert {path for path, at in after.items() if "contact_sheet" not in path.name and before[path] != at} == set()


def test_no_source_brings_it_back(hospital: TinyHospital) -> None:
    forget(hospital, ONE)
    hospital.add_video(f"{ALIAS_ONE} again/later.mp4", first=500)
    again = run(hospital)
    assert (again.made, again.failed, again.videos_decoded) == ([], [], 0)
    status = call("status", "--config", hospital.config)
    assert "1 forgotten" in status.output
    assert ALIAS_ONE not in status.output
    assert places_of(hospital.paths.root, ONE, ALIAS_ONE) == []
    assert places_of(hospital.home, ONE, ALIAS_ONE) == []


def test_verify_and_gc_find_nothing_amiss(hospital: TinyHospital) -> None:
    forget(hospital, ONE)
    verified = call("verify", "--config", hospital.config)
    assert verified.exit_code == 0, verified.output
    assert find_orphans(hospital.paths, 1e12) == []
