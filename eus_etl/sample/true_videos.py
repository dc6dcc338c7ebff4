"""What is true of a study's video files: frames, episodes, fields, texts. Made of the plan alone.

What is true of items and the sheet is in ``true_records``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from eus_etl.sample.fields import make_field, split_fields
from eus_etl.sample.phantom import make_report, make_screen, make_split_screen
from eus_etl.sample.plan import EPISODE_KINDS, OTHER_SCREENS, BadFile, Recording, StudyPlan, Timer, Visit
from eus_etl.sample.screen import TextBox


@dataclass(frozen=True, slots=True)
class Stored:
    """A file on the disk."""

    md5: str
    size: int


def frames(plan: StudyPlan, stored: Mapping[str, Stored]) -> pl.DataFrame:
    """One row per frame of every readable file; a second upload of the same bytes is not repeated.

    Columns: patient_id (null: unassigned), file (path below the study's videos), md5, number (in presentation
    order, from 0), video_s (from the file's first frame), procedure_s, one column per label family (the
    label whose usable interval ``[start, stop)`` holds ``procedure_s``, else null), one boolean column per
    kind of episode, field_kind. The bar code holds ``procedure_s`` rounded to milliseconds.
    ``color_mode`` is colour Doppler alone: the optical view, coloured too, is ``optical_view``.
    """
    return pl.concat(_frames(plan, visit, recording, stored) for visit, recording in plan.recordings())


def files(plan: StudyPlan, stored: Mapping[str, Stored]) -> pl.DataFrame:
    """One row per file of the incoming folder, readable or bad (``bad_kind``; unassigned ones may be either).

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
    """One row per text on a screen: patient_id, file, screen, x, y, width, height (px), text, identity.

    ``screen`` is one of those in ``layouts``. Texts are shown in all frames of their screen but those
    without signal and with the optical view; the clock's is that of the first frame.
    """
    rows = [
        {
            "patient_id": visit.patient_id,
            "file": recording.file,
            "screen": screen,
            "x": box.x,
            "y": box.y,
            "width": box.width,
            "height": box.height,
            "text": box.text,
            "identity": box.identity,
        }
        for visit, recording in plan.recordings()
        for screen, boxes in _texts(visit, recording).items()
        for box in boxes
    ]
    return pl.DataFrame(rows)


def layouts(plan: StudyPlan) -> pl.DataFrame:
    """One row per stretch ``[start_s, stop_s)`` of a file with one arrangement of the screen, in its order.

    Columns: patient_id, file, screen (``ultrasound``, ``split_layout`` or ``report_screen``), start_s,
    stop_s, polygons (true outlines of what shows ultrasound, ``x,y x,y ...`` in picture px: one, two, or
    none). Without a signal and in the optical view the screen counts as ``ultrasound``.
    """
    rows: list[tuple[str | None, str, str, float, float, list[str]]] = []
    for visit, recording in plan.recordings():
        other = [e for e in recording.episodes if e.kind in OTHER_SCREENS]
        borders = [0.0, *(border for e in other for border in (e.start_s, e.stop_s)), recording.duration_s]
        for number, (start_s, stop_s) in enumerate(pairwise(borders)):
            if start_s < stop_s:
                screen = other[number // 2].kind if number % 2 else "ultrasound"
                rows.append(
                    (visit.patient_id, recording.file, screen, start_s, stop_s, _polygons(visit, screen))
                )
    schema = {
        "patient_id": pl.String(),
        "file": pl.String(),
        "screen": pl.String(),
        "start_s": pl.Float64(),
        "stop_s": pl.Float64(),
        "polygons": pl.List(pl.String),
    }
    return pl.DataFrame(rows, schema, orient="row")


def _texts(visit: Visit, recording: Recording) -> dict[str, Sequence[TextBox]]:
    texts: dict[str, Sequence[TextBox]] = {"ultrasound": make_screen(visit, recording).texts}
    shown = {episode.kind for episode in recording.episodes}
    if "split_layout" in shown:
        texts["split_layout"] = make_split_screen(visit, recording).texts
    if "report_screen" in shown:
        texts["report_screen"] = make_report(visit, recording).texts
    return texts


def _polygons(visit: Visit, screen: str) -> list[str]:
    if screen == "report_screen":
        return []
    if screen == "split_layout":
        return [_text_of(field.polygon) for field in split_fields(visit.field_kind, *visit.size)]
    return [_text_of(make_field(visit.field_kind, *visit.size).polygon)]


def _text_of(polygon: npt.NDArray[np.int32]) -> str:
    return " ".join(f"{x},{y}" for x, y in polygon.tolist())


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
        "polygon": _text_of(polygon),
    }


def _bad(file: BadFile, stored: Stored) -> dict[str, object]:
    return {
        "patient_id": file.patient_id,
        "file": "/".join(file.parts),
        "md5": stored.md5,
        "bytes": stored.size,
        "bad_kind": file.kind,
    }
