"""The pictures of one recording: field, screen, episodes and bar code put together, frame by frame."""

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt

from eus_etl.sample import barcode, echo
from eus_etl.sample.fields import Field, make_field, split_fields
from eus_etl.sample.plan import EpisodeKind, Recording, Visit
from eus_etl.sample.report import Report
from eus_etl.sample.screen import Screen, optical_texture, optical_view, ordinary_screen, split_screen

Picture = npt.NDArray[np.uint8]

_REFERENCE_S = 2.9
"""By how much the right one of two pictures side by side runs ahead of the left one."""


def episode_at(recording: Recording, time_s: float) -> EpisodeKind | None:
    """What happens at a time of the recording; None for ordinary scanning."""
    return next((e.kind for e in recording.episodes if e.start_s <= time_s < e.stop_s), None)


def make_screen(visit: Visit, recording: Recording) -> Screen:
    """The screen as the machine sets it up for a recording."""
    width, height = visit.size
    person, field = visit.person, make_field(visit.field_kind, width, height)
    return ordinary_screen(field, width, height, person.name, person.record, visit.clock_start(recording))


def make_split_screen(visit: Visit, recording: Recording) -> Screen:
    """The screen while it shows two pictures side by side."""
    width, height = visit.size
    person, fields = visit.person, split_fields(visit.field_kind, width, height)
    return split_screen(fields, width, height, person.name, person.record, visit.clock_start(recording))


def make_report(visit: Visit, recording: Recording) -> Report:
    """The page of results that the machine shows in place of the screen."""
    person = visit.person
    return Report(*visit.size, person.name, person.record, visit.clock_start(recording))


def pictures(visit: Visit, recording: Recording, rng: np.random.Generator) -> Iterator[Picture]:
    """Each frame of a recording (height, width, 3), BGR, with its bar code, in presentation order.

    In a frozen episode the field keeps its first picture while the screen's clock goes on. Nothing but the
    bar code is lit without a signal; the optical view and the report hide field and screen. A split screen
    shows two smaller fields, between other texts.
    """
    width, height = visit.size
    field, screen = make_field(visit.field_kind, width, height), make_screen(visit, recording)
    fields, split = split_fields(visit.field_kind, width, height), make_split_screen(visit, recording)
    report = make_report(visit, recording)
    phantom, texture = echo.Phantom(rng), optical_texture(rng, width, height)
    frozen: Picture | None = None
    times = zip(recording.times_s().tolist(), visit.procedure_s(recording).tolist(), strict=True)
    for number, (time_s, procedure_s) in enumerate(times):
        kind = episode_at(recording, time_s)
        if kind == "no_signal":
            picture: Picture = np.zeros((height, width, 3), np.uint8)
        elif kind == "optical_view":
            picture = optical_view(texture, time_s, width, height)
        elif kind == "report_screen":
            picture = report.picture.copy()
        elif kind == "split_layout":
            picture = split.at(time_s)
            for part, ahead_s in zip(fields, (0.0, _REFERENCE_S), strict=True):
                picture[part.box] = _scan(part, phantom, kind, time_s + ahead_s)
        else:
            shown = frozen if kind == "frozen" and frozen is not None else _scan(field, phantom, kind, time_s)
            frozen = shown if kind == "frozen" else None
            picture = screen.at(time_s)
            picture[field.box] = shown
        barcode.draw(picture, number, round(1000 * procedure_s))
        yield picture


def _scan(field: Field, phantom: echo.Phantom, kind: EpisodeKind | None, time_s: float) -> Picture:
    """The field's box (height, width, 3), BGR, with what the episode does to the picture."""
    beams = phantom.beams(time_s)
    if kind == "blurred":
        beams = echo.defocus(beams)
    elif kind == "low_contact":
        beams = echo.lose_contact(beams, time_s)
    grey = field.scan_convert(beams)
    shown = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    if kind == "color_mode":
        velocity = field.scan_convert(phantom.flow(time_s))
        # 0 is outside the field, where nothing is converted
        towards, away = velocity > echo.NO_FLOW + 30, (velocity > 0) & (velocity < echo.NO_FLOW - 30)
        shown[towards] = (0, 40, 225)
        shown[away] = (225, 70, 0)
    return shown
