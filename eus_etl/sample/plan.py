"""What a synthetic study is made of: visits, recordings, episodes, timer presses. Values only.

The two studies' plans are in ``eusml`` and ``fatty_liver``, what is made of a plan in the other modules.
"""

import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from eus_etl.sample.fields import FieldKind

EpisodeKind = Literal[
    "no_signal", "frozen", "blurred", "color_mode", "optical_view", "split_layout", "report_screen",
    "low_contact",
]  # fmt: skip
EPISODE_KINDS: tuple[EpisodeKind, ...] = get_args(EpisodeKind)
OTHER_SCREENS: tuple[EpisodeKind, ...] = ("split_layout", "report_screen")
Codec = Literal["libx264", "mpeg2video", "mjpeg"]
RateKind = Literal["constant", "variable"]
# how a study's items were spelt over the years: `Start Station 1 1`, `Start Station1 1`, `station1Start`
Spelling = Literal["spaced", "joined", "camel"]
BadKind = Literal["unreadable", "audio_only", "empty", "nobody", "two_patients", "duplicate_upload"]

DOCTOR = "Ruckelhausen"
_SURNAMES = (
    "Quillfeather", "Morgenthaler", "Nettlewick", "Pendlebury", "Zibelthal", "Oberhuemer", "Farthingale",
    "Kropatschek", "Wolkenstein", "Thistlewood", "Baerenzung", "Grimmelshaus",
)  # fmt: skip
_GIVEN = ("Adelgunde", "Balthasar", "Cunigunde", "Dietmund", "Eulalia", "Fridolin", "Gismara", "Hadubrand")
_ALIAS_FIRST = ("Coming", "Rival", "Balanced", "Quiet", "Golden", "Rapid", "Gentle", "Amber", "Hollow")
_ALIAS_SECOND = ("Ola", "Calypso", "Shara", "Dune", "Mira", "Tessel", "Bran", "Juno", "Pavo")


@dataclass(frozen=True, slots=True)
class Person:
    """An invented patient."""

    given: str
    surname: str
    record: str

    @property
    def name(self) -> str:
        """Given name and surname."""
        return f"{self.given} {self.surname}"


@dataclass(frozen=True, slots=True)
class Episode:
    """Something that lasts from ``start_s`` to before ``stop_s`` of its recording."""

    kind: EpisodeKind
    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class Recording:
    """One readable video file.

    Attributes:
        parts: folder names and file name below the study's folder of videos.
        container: the muxer's name: mp4, mpegts, vob or avi.
        rate_hz: nominal frame rate.
        duration_s: from the first frame to the end of the last.
        episodes: what happens in it; they do not overlap.
        timeline_start_s: its start on the visit's timeline.
        states_time: whether the container states a creation time (its first frame's).
        rate_kind: whether the time between frames is constant.
        first_pts_s: pts of the first frame; a muxer may add a little of its own.
        b_frames: frames between two references, whose pts then lie out of decoding order.
    """

    parts: tuple[str, ...]
    codec: Codec
    container: str
    rate_hz: int
    duration_s: int
    episodes: tuple[Episode, ...] = ()
    timeline_start_s: int = 0
    states_time: bool = False
    rate_kind: RateKind = "constant"
    first_pts_s: int = 0
    b_frames: int = 0

    @property
    def file(self) -> str:
        """Path below the study's folder of videos, with ``/``."""
        return "/".join(self.parts)

    @property
    def time_base(self) -> Fraction:
        """Unit of ``ticks``, in seconds."""
        return Fraction(1, 1000 if self.rate_kind == "variable" else self.rate_hz)

    def ticks(self) -> npt.NDArray[np.int64]:
        """Presentation time of each frame from the first, (frames,), in units of ``time_base``."""
        if self.rate_kind == "constant":
            return np.arange(self.duration_s * self.rate_hz, dtype=np.int64)
        step_ms = 1000 // self.rate_hz
        # an uneven rhythm as of a screen recorder: early, late, and now and then a frame left out
        rhythm = np.resize(
            [step_ms, step_ms - 13, step_ms + 13, 2 * step_ms, step_ms - 7, step_ms + 7], 10_000
        )
        times_ms = np.concatenate([[0], np.cumsum(rhythm)])
        return times_ms[times_ms < 1000 * self.duration_s].astype(np.int64)

    def times_s(self) -> npt.NDArray[np.float64]:
        """Presentation time of each frame from the first, (frames,), in seconds."""
        return self.ticks() / float(1 / self.time_base)


@dataclass(frozen=True, slots=True)
class Timer:
    """One pair of timer presses as an item holds it, and what a reader must make of it.

    Attributes:
        label, occurrence: the label's name and its count from 1.
        start, stop: the values as written; None where the item has none.
        used_s: start and stop of the interval that must be usable, neighbours' overlap of a tick cut off the
            earlier one; None where the interval must not be used, or may be either.
        problems: any of these must be found on it; empty where it is good.
        group: intervals of one group show their problem on at least one of them; empty: on each.
    """

    label: str
    occurrence: int
    start: str | None
    stop: str | None
    used_s: tuple[int, int] | None = None
    problems: tuple[str, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One label item, apart from what its visit says already."""

    timers: tuple[Timer, ...] = ()
    stop_procedure: str | None = None
    spelling: Spelling = "spaced"
    cancer: bool | str | None = None
    morphology: tuple[str, ...] | str | None = None
    morphology_presumed: tuple[str, ...] | str | None = None
    biopsy: str | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of one person.

    Attributes:
        patient_id: UUID of the visit; None for an unassigned recording.
        alias: readable name in the label item; None where there is no item.
        started_at: UTC time at which the visit's timeline starts.
        size: screen width and height in px.
        offset_s, scale: ``procedure_s = (timeline_s - offset_s) / scale``.
    """

    person: Person
    patient_id: str | None
    alias: str | None
    started_at: datetime
    field_kind: FieldKind
    size: tuple[int, int]
    recordings: tuple[Recording, ...]
    item: Item | None = None
    offset_s: float = 0.0
    scale: float = 1.0

    def procedure_s(self, recording: Recording) -> npt.NDArray[np.float64]:
        """True procedure time of each frame of a recording, (frames,), in seconds."""
        return (recording.timeline_start_s + recording.times_s() - self.offset_s) / self.scale

    def clock_start(self, recording: Recording) -> datetime:
        """UTC time of the recording's first frame."""
        return self.started_at + timedelta(seconds=recording.timeline_start_s)


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file that must not become a visit's video.

    Attributes:
        patient_id: whose folder it lies in; None if it fits no visit, or two.
        copy_of: ``Recording.file`` of which it is a copy, byte for byte.
    """

    parts: tuple[str, ...]
    kind: BadKind
    patient_id: str | None = None
    copy_of: str | None = None


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row of the patient sheet.

    Attributes:
        key: visit's id or alias as typed.
        patient_id: whose row it is; None if the key fits no visit.
        name, remark: invented identity that the sheet holds beside the study's columns.
        cells: column name to the text typed.
        good: column name to the value that must come out of it.
        bad: column name to why no value must come out of it.
    """

    key: str
    patient_id: str | None
    name: str
    remark: str
    cells: Mapping[str, str]
    good: Mapping[str, str | float]
    bad: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """All of one synthetic study.

    Attributes:
        families: label family to its labels.
        visits: of patients; a visit without an item, without recordings, but not without both.
        nobody: recordings that belong to no patient, each with an invented person.
        key_header: header of the sheet's column of keys.
        headers: headers of the sheet's other columns by their names in tables.
    """

    study: str
    families: Mapping[str, tuple[str, ...]]
    visits: tuple[Visit, ...]
    nobody: tuple[Visit, ...]
    bad_files: tuple[BadFile, ...]
    key_header: str
    headers: Mapping[str, str]
    rows: tuple[SheetRow, ...]

    def recordings(self) -> list[tuple[Visit, Recording]]:
        """Every readable file with its visit, in a fixed order."""
        return [
            (visit, recording) for visit in (*self.visits, *self.nobody) for recording in visit.recordings
        ]


@dataclass
class Cast:
    """Draws invented people, ids and aliases, each once; the same seed draws the same."""

    rng: random.Random
    surnames: list[str] = field(default_factory=lambda: list(_SURNAMES))
    aliases: set[str] = field(default_factory=set)

    def person(self) -> Person:
        """An invented person; no surname comes twice."""
        surname = self.surnames.pop(self.rng.randrange(len(self.surnames)))
        return Person(self.rng.choice(_GIVEN), surname, str(self.rng.randrange(10_000_000, 99_999_999)))

    def patient_id(self) -> str:
        """A UUID."""
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def alias(self) -> str:
        """A readable alias such as ``Coming-Ola-52``."""
        while True:
            first, second = self.rng.choice(_ALIAS_FIRST), self.rng.choice(_ALIAS_SECOND)
            alias = f"{first}-{second}-{self.rng.randrange(10, 100)}"
            if alias not in self.aliases:
                self.aliases.add(alias)
                return alias

    def day(self, number: int) -> datetime:
        """The start of the ``number``-th visit: a past day, some time in the morning (UTC by convention)."""
        return datetime(2025, 3, 3, 8) + timedelta(days=number, seconds=self.rng.randrange(4 * 3600))
