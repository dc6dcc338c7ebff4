"""What is true of a study's video files: frames, episodes, fields, texts. Made of the plan alone.

What is true of items and the sheet is in ``true_records``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from eus_etl.sample.fields import make_field
from eus_etl.sample.phantom import make_screen
from eus_etl.sample.plan import EPISODE_KINDS, BadFile, Recording, StudyPlan, Timer, Visit


@dataclass(frozen=True, slots=True)
class Stored:
    """A file as it lies on the disk."""

    md5: str
    size: int


def frames(plan: StudyPlan, stored: Mapping[str, Stored]) -> pl.DataFrame:
    """A row a frame of every readable file; a second upload of the same bytes is not repeated.

    Columns: patient_id (null: nobody's), file (path below the study's videos), md5, number (in presentation
    order, from 0), video_s (from the file's first frame), procedure_s, one column per label family (the
    label whose usable interval ``[start, stop)`` holds ``procedure_s``, else null), one boolean column per
    kind of episode, field_kind. The bar code holds ``procedure_s`` rounded to milliseconds.
    ``color_mode`` is colour Doppler alone: the optical view, coloured too, is ``optical_view``.
    """
    return pl.concat(_frames(plan, visit, recording, stored) for visit, recording in plan.recordings())


def files(plan: StudyPlan, stored: Mapping[str, Stored]) -> pl.DataFrame:
    """A row a file of the incoming folder, readable or bad (``bad_kind``; a nobody's file may be readable).

    ``polygon`` is the true outline of the ultrasound field, ``x,y x,y ...`` in picture px.
    """
    schema = {
        "patient_id": pl.String(),
        "file": pl.String(),
        "md5": pl.String(),
        "bytes": pl.Int64(),
        "bad_kind": pl.String(),
        "width": pl.Int64(),
        "height": pl.Int64(),
        "frames": pl.Int64(),
        "rate_hz": pl.Int64(),
        "rate_kind": pl.String(),
        "container": pl.String(),
        "codec": pl.String(),
        "recorded_at": pl.Datetime("us"),
        "timeline_start_s": pl.Float64(),
        "field_kind": pl.String(),
        "polygon": pl.String(),
    }
    good = [_readable(visit, recording, stored[recording.file]) for visit, recording in plan.recordings()]
    bad = [_bad(file, stored["/".join(file.parts)]) for file in plan.bad_files]
    return pl.DataFrame([*good, *bad], schema)


def text_boxes(plan: StudyPlan) -> pl.DataFrame:
    """A row a text on the screen of a file: patient_id, file, x, y, width, height (px), text, identity.

    Texts are shown in all frames but those without signal and with the optical view; the clock's is that
    of the first frame.
    """
    rows = [
        {
            "patient_id": visit.patient_id,
            "file": recording.file,
            "x": box.x,
            "y": box.y,
            "width": box.width,
            "height": box.height,
            "text": box.text,
            "identity": box.identity,
        }
        for visit, recording in plan.recordings()
        for box in make_screen(visit, recording).texts
    ]
    return pl.DataFrame(rows)


def _frames(
    plan: StudyPlan, visit: Visit, recording: Recording, stored: Mapping[str, Stored]
) -> pl.DataFrame:
    video_s, procedure_s = recording.times_s(), visit.procedure_s(recording)
    timers = visit.item.timers if visit.item else ()
    columns: dict[str, pl.Series] = {
        family: _labels_at(procedure_s, [t for t in timers if t.label in labels])
        for family, labels in plan.families.items()
    }
    for kind in EPISODE_KINDS:
        during = [(video_s >= e.start_s) & (video_s < e.stop_s) for e in recording.episodes if e.kind == kind]
        columns[kind] = pl.Series(np.any(during, axis=0) if during else np.zeros(video_s.size, bool))
    return pl.DataFrame(
        {"number": np.arange(video_s.size), "video_s": video_s, "procedure_s": procedure_s}
    ).select(
        pl.lit(visit.patient_id, pl.String).alias("patient_id"),
        pl.lit(recording.file).alias("file"),
        pl.lit(stored[recording.file].md5).alias("md5"),
        "number",
        "video_s",
        "procedure_s",
        **columns,
        field_kind=pl.lit(visit.field_kind),
    )


def _labels_at(procedure_s: npt.NDArray[np.float64], timers: Sequence[Timer]) -> pl.Series:
    labels = np.full(procedure_s.size, None, object)
    for timer in timers:
        if timer.used_s is not None:
            start_s, stop_s = timer.used_s
            labels[(procedure_s >= start_s) & (procedure_s < stop_s)] = timer.label
    return pl.Series(labels.tolist(), dtype=pl.String)


def _readable(visit: Visit, recording: Recording, stored: Stored) -> dict[str, object]:
    width, height = visit.size
    polygon = make_field(visit.field_kind, width, height).polygon
    return {
        "patient_id": visit.patient_id,
        "file": recording.file,
        "md5": stored.md5,
        "bytes": stored.size,
        "bad_kind": None if visit.patient_id else "nobody",
        "width": width,
        "height": height,
        "frames": recording.ticks().size,
        "rate_hz": recording.rate_hz,
        "rate_kind": recording.rate_kind,
        "container": recording.container,
        "codec": recording.codec,
        "recorded_at": visit.clock_start(recording) if recording.states_time else None,
        "timeline_start_s": float(recording.timeline_start_s),
        "field_kind": visit.field_kind,
        "polygon": " ".join(f"{x},{y}" for x, y in polygon.tolist()),
    }


def _bad(file: BadFile, stored: Stored) -> dict[str, object]:
    return {
        "patient_id": file.patient_id,
        "file": "/".join(file.parts),
        "md5": stored.md5,
        "bytes": stored.size,
        "bad_kind": file.kind,
    }
