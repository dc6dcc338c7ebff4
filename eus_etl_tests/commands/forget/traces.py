"""Looks for traces of a visit in all files of a root and of a Dagster home, also in what is compressed."""

import io
import json
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

import dagster as dg
import polars as pl

from benchmarks.support.hospitals.tiny_hospital import TinyHospital
from eus_etl.defs.keys import PARTITION_TAG


def places_of(folder: Path, words: Sequence[str]) -> list[str]:
    """Files below a folder whose name or bytes hold one of these words, with the first such word."""
    found = []
    for path in sorted(folder.rglob("*")):
        shown = path.relative_to(folder).as_posix()
        texts = [shown.casefold().encode(), *(_texts_in(path) if path.is_file() else ())]
        for word in words:
            if any(word.casefold().encode() in text or word.encode() in text for text in texts):
                found.append(f"{shown}: {word}")
                break
    return found


def words_of(hospital: TinyHospital, instance: dg.DagsterInstance, patient_id: str, alias: str) -> list[str]:
    """All by which a visit could be told: ids, alias, checksums, ids of its uploads, videos and runs."""
    snapshots = hospital.paths.observed("drive_videos").glob(f"{patient_id}-*")
    files = [file for snapshot in snapshots for file in json.loads(snapshot.read_bytes())["value"]["files"]]
    runs = [run.run_id for run in instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: patient_id}))]
    assert files
    assert runs
    of_files = (word for file in files for word in (file["source_id"], file["md5"], f"v{file['md5'][:12]}"))
    return [patient_id, alias, *runs, *of_files]


def _texts_in(file: Path) -> Iterator[bytes]:
    raw = file.read_bytes()
    yield raw
    if file.suffix == ".parquet":
        yield pl.read_parquet(io.BytesIO(raw)).write_json().encode()
    if file.name == "runs.db":
        with closing(sqlite3.connect(file)) as database, suppress(zlib.error):
            for (body,) in database.execute("SELECT snapshot_body FROM snapshots"):
                yield zlib.decompress(body)
