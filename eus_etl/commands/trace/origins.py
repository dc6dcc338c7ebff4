"""Links from a frame's row to what it was made from: label item, corrections, video, upload, sheet, runs."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib import metadata

import dagster as dg
import polars as pl

from eus_etl.commands.trace.address import Address
from eus_etl.commands.trace.link import Link
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.domain.labels.items import presses_of
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import LABELS, VIDEOS, patients
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.snapshot import attributes_of, observed_files, rows_of, sync_rows_of
from eus_etl.storage.files.checksums import md5_of
from eus_etl.storage.provenance import read_page
from eus_etl.storage.tables.parts import load_part

_VIDEO = (
    "video_id",
    "md5",
    "bytes",
    "container",
    "codec",
    "width",
    "height",
    "duration_s",
    "timeline_start_s",
)


def frame(study: StudyConfig, frame: Mapping[str, object]) -> Link:
    """Times, labels and status of the frame."""
    columns = [
        *("frame_id", "frame_index", "pts", "time_base", "video_s", "timeline_s", "procedure_s"),
        *(*study.families, "border_s", "label_uncertainty_s", "label_certain", "status", "reasons"),
    ]
    return Link("frame", {name: frame[name] for name in columns}, True, "a row of the visit's frame table")


def labels(
    study: StudyConfig, paths: StudyPaths, patient_id: str, frame: Mapping[str, object]
) -> Iterator[Link]:
    """The interval of each label, with the presses of its timer as the item has them."""
    intervals = load_part(paths, LABELS, patient_id)
    attributes = attributes_of(paths, patient_id) or {}
    at_s = pl.lit(frame["procedure_s"], pl.Float64())
    for family in study.families:
        if frame[family] is None:
            continue
        holds = (pl.col("start_s") <= at_s) & (pl.col("stop_s") > at_s) & (pl.col("status") != "rejected")
        own = intervals.filter(pl.col("family") == family, pl.col("label") == frame[family], holds)
        if own.is_empty():
            yield Link(
                f"label {family}", {"label": frame[family]}, False, "no interval of labels.csv holds it"
            )
            continue
        row = own.drop("patient_id").row(0, named=True)
        presses = presses_of(attributes, study.families, row["label"], row["occurrence"])
        said = (
            "the item has both presses"
            if len(presses) > 1
            else "the item does not have both presses any more"
        )
        yield Link(f"label {family}", {**row, "attributes": presses}, len(presses) > 1, said)


def time(paths: StudyPaths, address: Address) -> Link:
    """The correction of time that holds for the video."""
    rows = sync_rows_of(paths, address.patient_id)
    own = pl.concat([rows.filter(video_id=address.video_id), rows.filter(pl.col("video_id").is_null())])
    if own.is_empty():
        return Link("sync.csv", {}, None, "no row: procedure time is the recording's own")
    return Link(
        "sync.csv", own.select("video_id", "offset_s", "scale").row(0, named=True), True, "a row holds"
    )


def video(paths: StudyPaths, address: Address, *, deep: bool) -> Iterator[Link]:
    """The raw file, without its uploaded name, and the upload that it is a copy of."""
    found = load_part(paths, VIDEOS, address.patient_id).filter(video_id=address.video_id)
    if found.is_empty():
        yield Link("video", {"video_id": address.video_id}, False, "videos.csv does not have it any more")
        return
    row = found.row(0, named=True)
    facts = {name: row[name] for name in _VIDEO} | {
        "folder": paths.relative(paths.raw_folder(address.patient_id))
    }
    file = paths.raw_folder(address.patient_id) / row["file_name"]
    if not file.is_file():
        yield Link("video", facts, False, "the raw file is missing")
    elif file.stat().st_size != row["bytes"]:
        yield Link("video", facts, False, "the raw file has another size")
    elif deep:
        same = md5_of(file) == row["md5"]
        yield Link("video", facts, same, "MD5 agrees" if same else "its MD5 is another: the file was changed")
    else:
        yield Link("video", facts, True, "the raw file has its size; `--deep` compares its MD5")
    uploads = [upload for upload in observed_files(paths, address.patient_id) if upload.md5 == row["md5"]]
    upload = {"source_id": row["source_id"], "recorded_at": row["recorded_at"]}
    if not uploads:
        yield Link("upload", upload, False, "the last observation of the source does not list it")
    else:
        gone = all(one.gone for one in uploads)
        said = "the source no longer has it" if gone else "the source has it, as of the last observation"
        yield Link("upload", upload, not gone, said)


def sheet(study: StudyConfig, paths: StudyPaths, patient_id: str) -> Link:
    """How many rows the sheet has of the visit, and which columns gave a value."""
    table = patients(study.patients.columns)
    rows, part = rows_of(paths, patient_id), load_part(paths, table, patient_id)
    named = [column.name for column in study.patients.columns]
    taken = [name for name in named if part.height and part[name][0] is not None]
    facts = {"rows": len(rows), "columns_taken": taken}
    return Link(
        "sheet", facts, True if rows else None, f"rows of the visit, as of the last observation: {len(rows)}"
    )


def runs(session: StudySession, paths: StudyPaths, patient_id: str) -> Link:
    """Which run made each asset of the visit, when, and whether that is current."""
    page = read_page(paths, patient_id)
    stale = {key.path[-1]: str(reason) for key, reason in session.state.reasons(patient_id).items()}
    ids = list({entry.made_by for entry in page.values()})
    records = session.state.instance.get_run_records(dg.RunsFilter(run_ids=ids)) if ids else []
    started = {record.dagster_run.run_id: record.start_time for record in records}
    facts = {
        asset: {
            "version": entry.version,
            "run": entry.made_by,
            "at": _when(started.get(entry.made_by)),
            "confirmed_by": None if entry.settled_by == entry.made_by else entry.settled_by,
            "code_and_configuration": entry.configuration,
            "current": asset not in stale,
            "why_not": stale.get(asset),
        }
        for asset, entry in page.items()
    }
    facts["eus_etl"] = {"version": metadata.version("eus-etl")}
    said = (
        "all are current"
        if not stale
        else "not current: " + ", ".join(f"{a} ({why})" for a, why in stale.items())
    )
    return Link("runs", facts, not stale, said)


def _when(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
