"""The links from a frame back to its upload: what each states, and whether it still holds.

Reads and hashes files; changes nothing. Of an item only presses of timers are shown, and of the sheet only
which columns were taken: no other text that came from outside.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import polars as pl

from eus_etl.commands.trace import origins
from eus_etl.commands.trace.address import Address
from eus_etl.commands.trace.link import Link, compared
from eus_etl.defs.reconcile.local_session import StudySession
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import LAYOUTS, PREPROCESSED, frame_table
from eus_etl.errors import FrameUnknownError
from eus_etl.settings import StudyConfig
from eus_etl.storage.files.checksums import file_sha256
from eus_etl.storage.image_sums import load_image_sums
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


def trace(
    study: StudyConfig,
    session: StudySession,
    address: Address,
    *,
    deep: bool = False,
    given: Path | None = None,
) -> list[Link]:
    """All links of a frame, from the picture back to the upload.

    Args:
        study: the configuration.
        session: on the Dagster instance, which knows what is current and when runs were.
        address: the frame.
        deep: read the whole raw file, and compare its MD5.
        given: the picture by which a person asks, which may be a copy that lies anywhere.

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
    pictures = [
        *_of_release(paths, address),
        *_pictures(paths, address),
        _region(paths, address),
        _extracted(paths, address, frame),
    ]
    return [
        *([_given(given, pictures)] if given else []),
        *pictures,
        origins.frame(study, frame),
        *origins.labels(study, paths, patient_id, frame),
        origins.time(paths, address),
        *origins.video(paths, address, deep=deep),
        origins.sheet(study, paths, patient_id),
        origins.runs(session, paths, patient_id),
    ]


def as_json(address: Address, links: list[Link]) -> str:
    """The same for programs."""
    facts = {
        "frame_id": address.frame_id,
        "release": address.release,
        "links": [asdict(link) for link in links],
    }
    return json.dumps(facts, indent=2, default=str)


def _given(file: Path, pictures: list[Link]) -> Link:
    """The file that was named: the same as a picture of the frame, whatever its name says."""
    sha256 = file_sha256(file)
    alike = next((link.name for link in pictures if link.facts.get("sha256") == sha256), None)
    if alike:
        return Link("given file", {"sha256": sha256}, True, f"the same as: {alike}")
    if all("sha256" in link.facts for link in pictures if link.name == "extracted frame"):
        return Link("given file", {"sha256": sha256}, False, "it is no picture of this frame, or was changed")
    return Link("given file", {"sha256": sha256}, None, "no checksum was taken that it can be compared with")


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
    yield Link("release", facts, *compared(paths.releases / address.release / row["path"], row["sha256"]))


def _pictures(paths: StudyPaths, address: Address) -> Iterator[Link]:
    """The preprocessed images of the frame, the named recipe's alone if one was named."""
    made = load_part(paths, PREPROCESSED, address.patient_id).filter(frame_id=address.frame_id)
    if address.recipe is not None:
        made = made.filter(recipe=address.recipe)
    for row in made.select(_PICTURE).to_dicts():
        yield Link(f"picture {row['recipe']}", row, *compared(paths.root / row["path"], row["sha256"]))
    if made.is_empty():
        whose = f" by {address.recipe}" if address.recipe else ""
        yield Link("picture", {}, None, f"no preprocessed image{whose}")


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
    return Link("extracted frame", {**facts, "sha256": sums[file.name]}, *compared(file, sums[file.name]))
