"""The links from a frame back to its upload: what each states, and whether it still holds.

Reads and hashes files; changes nothing. Of an item only presses of timers are shown, and of the sheet only
which columns were taken: no other text that came from outside.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import dagster as dg
import polars as pl

from eus_etl.commands.trace.address import Address
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.domain.labels.items import presses_of
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import LABELS, LAYOUTS, PREPROCESSED, VIDEOS, frame_table, patients
from eus_etl.errors import FrameUnknownError
from eus_etl.settings import StudyConfig
from eus_etl.steps.observation.snapshot import attributes_of, observed_files, rows_of, sync_rows_of
from eus_etl.storage.files.checksums import file_sha256, md5_of
from eus_etl.storage.image_sums import load_image_sums
from eus_etl.storage.provenance import read_page
from eus_etl.storage.tables.parts import load_frame_table, load_part

_PICTURE = (
    "recipe",
    "path",
    "layout_id",
    "crop_x",
    "crop_y",
    "crop_w",
    "crop_h",
    "scale",
    "pad_x",
    "pad_y",
    "sha256",
)
_REGION = ("layout_id", "screen", "kind", "found_by", "signed_off", "polygon", "signature")
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


@dataclass(frozen=True, slots=True)
class Link:
    """One link.

    Attributes:
        name: what it leads to.
        facts: what is known of that.
        holds: whether what can be compared agrees; None where nothing can be.
        said: what was compared, or why not.
    """

    name: str
    facts: Mapping[str, object]
    holds: bool | None
    said: str


def trace(study: StudyConfig, session: StudySession, address: Address, *, deep: bool = False) -> list[Link]:
    """All links of a frame, from the picture back to the upload.

    Args:
        study: the configuration.
        session: on the Dagster instance, which knows what is current and when runs were.
        address: the frame.
        deep: read the whole raw file, and compare its MD5.

    Raises:
        FrameUnknownError: the visit has no such frame.
        OutputLostError: a table of the visit was made, and is missing or cannot be read.
    """
    paths, patient_id = StudyPaths(study.root), address.patient_id
    table = load_frame_table(paths, frame_table(study.families), patient_id).filter(frame_id=address.frame_id)
    if table.is_empty():
        remedy = "look it up in the visit's frame table; frames that are not extracted have no id"
        raise FrameUnknownError(address.frame_id, "the visit has no such frame", remedy)
    frame = table.row(0, named=True)
    return [
        *_of_release(paths, address),
        *_pictures(paths, address),
        _region(paths, address),
        _extracted(paths, address, frame),
        _frame(study, frame),
        *_labels(study, paths, patient_id, frame),
        _time(paths, address),
        *_video(paths, address, deep=deep),
        _sheet(study, paths, patient_id),
        _runs(session, paths, patient_id),
    ]


def as_json(address: Address, links: list[Link]) -> str:
    """The same for programs."""
    facts = {
        "frame_id": address.frame_id,
        "release": address.release,
        "links": [asdict(link) for link in links],
    }
    return json.dumps(facts, indent=2, default=str)


def _of_release(paths: StudyPaths, address: Address) -> Iterator[Link]:
    if address.by_key:
        facts = {"release": address.release, "found": "by making its pseudonyms with the key"}
        yield Link("release", facts, None, "its record is not here: the picture cannot be compared")
    if address.release_frame is None or address.release is None:
        return
    row = address.release_frame
    facts = {
        "release": address.release,
        "frame_id": row["frame_id"],
        "path": row["path"],
        "sha256": row["sha256"],
    }
    yield Link("release", facts, *_compared(paths.releases / address.release / row["path"], row["sha256"]))


def _pictures(paths: StudyPaths, address: Address) -> Iterator[Link]:
    """The preprocessed images of the frame, the named recipe's alone if one was named."""
    made = load_part(paths, PREPROCESSED, address.patient_id).filter(frame_id=address.frame_id)
    if address.recipe is not None:
        made = made.filter(recipe=address.recipe)
    for row in made.select(_PICTURE).to_dicts():
        yield Link(f"picture {row['recipe']}", row, *_compared(paths.root / row["path"], row["sha256"]))
    if made.is_empty():
        whose = f" by {address.recipe}" if address.recipe else ""
        yield Link("picture", {}, None, f"no preprocessed image{whose}")


def _compared(file: Path, sha256: str) -> tuple[bool, str]:
    if not file.is_file():
        return False, "the file is missing"
    same = file_sha256(file) == sha256
    return same, "SHA-256 agrees" if same else "its SHA-256 is another: the file was changed"


def _region(paths: StudyPaths, address: Address) -> Link:
    """The layout of the frame: that of its picture, else the one whose frames hold its pts."""
    layouts = load_part(paths, LAYOUTS, address.patient_id).filter(video_id=address.video_id)
    made = load_part(paths, PREPROCESSED, address.patient_id).filter(frame_id=address.frame_id)
    own = layouts.filter(pl.col("layout_id").is_in(made["layout_id"].unique().implode()))
    if own.is_empty():
        said = (
            "its picture names a layout that is no longer there"
            if made.height
            else "no picture names a layout"
        )
        return Link("region", {}, False if made.height else None, said)
    facts = own.select(_REGION).row(0, named=True)
    return Link("region", facts, True, "signed off" if facts["signed_off"] else "nobody has signed it off")


def _extracted(paths: StudyPaths, address: Address, frame: Mapping[str, object]) -> Link:
    file = paths.root / str(frame["path"])
    facts = {"path": frame["path"], "dhash": frame["dhash"]}
    if not file.is_file():
        return Link("extracted frame", facts, False, "the file is missing")
    sums = None
    with suppress(ValueError, OSError):
        sums = load_image_sums(paths.extracted_folder(address.patient_id, address.video_id))
    if not sums or file.name not in sums:
        return Link("extracted frame", facts, None, "the file is there; no checksum was taken of it")
    return Link("extracted frame", {**facts, "sha256": sums[file.name]}, *_compared(file, sums[file.name]))


def _frame(study: StudyConfig, frame: Mapping[str, object]) -> Link:
    columns = [
        *("frame_id", "frame_index", "pts", "time_base", "video_s", "timeline_s", "procedure_s"),
        *(*study.families, "border_s", "label_uncertainty_s", "label_certain", "status", "reasons"),
    ]
    return Link("frame", {name: frame[name] for name in columns}, True, "a row of the visit's frame table")


def _labels(
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


def _time(paths: StudyPaths, address: Address) -> Link:
    rows = sync_rows_of(paths, address.patient_id)
    own = pl.concat([rows.filter(video_id=address.video_id), rows.filter(pl.col("video_id").is_null())])
    if own.is_empty():
        return Link("sync.csv", {}, None, "no row: procedure time is the recording's own")
    return Link(
        "sync.csv", own.select("video_id", "offset_s", "scale").row(0, named=True), True, "a row holds"
    )


def _video(paths: StudyPaths, address: Address, *, deep: bool) -> Iterator[Link]:
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


def _sheet(study: StudyConfig, paths: StudyPaths, patient_id: str) -> Link:
    table = patients(study.patients.columns)
    rows, part = rows_of(paths, patient_id), load_part(paths, table, patient_id)
    named = [column.name for column in study.patients.columns]
    taken = [name for name in named if part.height and part[name][0] is not None]
    facts = {"rows": len(rows), "columns_taken": taken}
    return Link(
        "sheet", facts, True if rows else None, f"rows of the visit, as of the last observation: {len(rows)}"
    )


def _runs(session: StudySession, paths: StudyPaths, patient_id: str) -> Link:
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
