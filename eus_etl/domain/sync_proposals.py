"""Ways in which a visit's stopwatch may lie on its recording, each with the evidence for and against it.

From tables alone: opens no image and no video. A person chooses one and copies it into ``sync.csv``; which
rows of that file count is decided in ``sync_rows``, what they do to times in ``timeline``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eus_etl.domain.frame_table import REASON_SEPARATOR
from eus_etl.domain.labels.on_frames import used_intervals
from eus_etl.domain.tables.catalog import SYNC
from eus_etl.domain.timeline import recording_length

FREEZE_FAMILY = "fna"
"""Needle passes: the picture is often frozen as one begins or ends."""
FREEZE_NEAR_S = 3.0
LEAST_SCALE, MOST_SCALE = 0.8, 1.25
"""Two clocks that differ by more do not explain what was recorded: something else is wrong."""

_LEAST_RUN_S = 1.0
_SAME_S = 0.25
_BLACK = frozenset({"no_signal"})
_NO_CONTACT = frozenset({"no_signal", "optical_view", "report_screen", "low_contact"})
_FROZEN = frozenset({"frozen"})

Spans = NDArray[np.float64]
"""Starts and stops in seconds, (n, 2), in order and without overlap."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What a visit's tables tell about its recording and its stopwatch.

    Attributes:
        recording_s: end of the last placed video on the timeline.
        procedure_s: time of Stop Procedure.
        labels: procedure times under any used label.
        passes: starts and stops of needle passes, in procedure time.
        black, no_contact, frozen: timeline times at which the picture is black, without tissue, still.
        lead_in_s: end of the black stretch at the very start; None where there is none.
        first_contact_s, last_contact_s: timeline times of the first and last lasting view of tissue.
    """

    recording_s: float
    procedure_s: float
    labels: Spans
    passes: tuple[float, ...]
    black: Spans
    no_contact: Spans
    frozen: Spans
    lead_in_s: float | None
    first_contact_s: float | None
    last_contact_s: float | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """``timeline_s = offset_s + scale * procedure_s``, how it was found, and what speaks for and against it.

    Attributes:
        offset_s, scale: as in ``sync.csv``.
        found_by: the marks that it is made from.
        procedure_s: time of Stop Procedure.
        end_gap_s: how long the recording goes on after Stop Procedure; negative: it ends before.
        outside_s: labelled seconds before or after the recording.
        black_s: labelled seconds over a black picture.
        no_contact_s: labelled seconds over a picture without tissue, black ones included.
        near_freezes: starts and stops of needle passes with a freeze that begins within ``FREEZE_NEAR_S``.
        passes: how many of these there are.
    """

    offset_s: float
    scale: float
    found_by: str
    procedure_s: float
    end_gap_s: float
    outside_s: float
    black_s: float
    no_contact_s: float
    near_freezes: int
    passes: int

    @property
    def drift_s(self) -> float:
        """How far the two clocks drift apart over the procedure."""
        return abs(self.scale - 1) * self.procedure_s

    @property
    def doubt_s(self) -> float:
        """Seconds that it leaves unexplained; the lower, the better.

        What was recorded before Start and after Stop Procedure (or is missing there), the clocks' drift,
        labels outside the recording or over black, half of those over other pictures without tissue (an
        endoscope is put in under optical view); less a second for each border of a needle pass near a freeze.
        """
        without_tissue_s = 0.5 * (self.no_contact_s - self.black_s)
        contradicted_s = self.outside_s + self.black_s + without_tissue_s
        return abs(self.offset_s) + abs(self.end_gap_s) + self.drift_s + contradicted_s - self.near_freezes

    @property
    def evidence(self) -> str:
        """One line, for people."""
        said = [self.found_by, f"recording {_after(self.end_gap_s)} Stop Procedure"]
        if self.outside_s >= _SAME_S:
            said.append(f"{self.outside_s:.1f} s of labels outside the recording")
        if self.black_s >= _SAME_S:
            said.append(f"{self.black_s:.1f} s of labels over black")
        if self.no_contact_s - self.black_s >= _SAME_S:
            said.append(f"{self.no_contact_s - self.black_s:.1f} s of labels without tissue in view")
        if self.near_freezes:
            said.append(f"a freeze near {self.near_freezes} of {self.passes} FNA borders")
        return "; ".join(said)

    def most_off_s(self, offset_s: float, scale: float) -> float:
        """How far it is from another relation, at most, over the procedure, in seconds."""
        at_start_s = self.offset_s - offset_s
        return max(abs(at_start_s), abs(at_start_s + (self.scale - scale) * self.procedure_s))


def marks_of(
    frames: pl.DataFrame, videos: pl.DataFrame, intervals: pl.DataFrame, procedure_s: float | None
) -> Marks | None:
    """The marks of one visit; None where its recording has no length or its procedure no end.

    Args:
        frames: its frame table; only ``video_id, timeline_s, reasons`` are used.
        videos: ``tables.VIDEOS`` of the visit.
        intervals: ``tables.LABELS`` of the visit; only used ones count.
        procedure_s: time of Stop Procedure.
    """
    recording_s = recording_length(videos)
    if not recording_s or not procedure_s:
        return None
    timed = _timed(frames, videos)
    black, no_contact = _spans(timed, _BLACK), _spans(timed, _NO_CONTACT)
    contact = _lasting(_spans(timed, _NO_CONTACT, among=False))
    lead_in_s = float(black[0, 1]) if len(black) and black[0, 0] < _LEAST_RUN_S else None
    used = used_intervals(intervals)
    passes = used.filter(pl.col("family") == FREEZE_FAMILY)
    return Marks(
        recording_s=recording_s,
        procedure_s=procedure_s,
        labels=_joined(used.select("start_s", "stop_s").sort("start_s").rows()),
        passes=tuple(sorted([*passes["start_s"], *passes["stop_s"]])),
        black=black,
        no_contact=no_contact,
        frozen=_spans(timed, _FROZEN),
        lead_in_s=lead_in_s,
        first_contact_s=float(contact[0, 0]) if len(contact) else None,
        last_contact_s=float(contact[-1, 1]) if len(contact) else None,
    )


def candidates(marks: Marks) -> list[Candidate]:
    """What the marks suggest, the best first; never empty, since nothing may be wrong at all.

    Of several that place the procedure within a quarter of a second of one another, the first suggested one
    is kept.
    """
    kept: list[Candidate] = []
    for offset_s, scale, found_by in _suggested(marks):
        if not LEAST_SCALE <= scale <= MOST_SCALE:
            continue
        candidate = judged(marks, offset_s, scale, found_by)
        if all(candidate.most_off_s(k.offset_s, k.scale) > _SAME_S for k in kept):
            kept.append(candidate)
    return sorted(kept, key=lambda candidate: candidate.doubt_s)


def judged(marks: Marks, offset_s: float, scale: float, found_by: str) -> Candidate:
    """One relation of recording and stopwatch with its evidence."""
    offset_s, scale = round(offset_s, 2), round(scale, 5)
    labels = offset_s + scale * marks.labels
    recorded = np.array([[0.0, marks.recording_s]])
    return Candidate(
        offset_s=offset_s,
        scale=scale,
        found_by=found_by,
        procedure_s=marks.procedure_s,
        end_gap_s=marks.recording_s - (offset_s + scale * marks.procedure_s),
        outside_s=_length(labels) - _shared(labels, recorded),
        black_s=_shared(labels, marks.black),
        no_contact_s=_shared(labels, marks.no_contact),
        near_freezes=_near_freezes(marks, offset_s, scale),
        passes=len(marks.passes),
    )


def proposed_rows(patient_id: str, proposed: Iterable[Candidate]) -> pl.DataFrame:
    """Rows of ``tables.SYNC`` to choose from, without initials.

    Copied as a whole they contradict one another, so none of them would count.
    """
    return SYNC.frame(
        {
            "patient_id": patient_id,
            "video_id": None,
            "offset_s": candidate.offset_s,
            "scale": candidate.scale,
            "method": candidate.evidence,
            "by": None,
        }
        for candidate in proposed
    )


def _suggested(marks: Marks) -> Iterator[tuple[float, float, str]]:
    """Offset, scale and reason of everything that the marks suggest, the simplest first."""
    recording_s, procedure_s = marks.recording_s, marks.procedure_s
    yield 0.0, 1.0, "as it is: both started together, clocks agree"
    yield recording_s - procedure_s, 1.0, "both stopped together, clocks agree"
    yield 0.0, recording_s / procedure_s, "both started and stopped together (ratio of lengths)"
    starts = (("end of the black lead-in", marks.lead_in_s), ("first contact", marks.first_contact_s))
    for name, start_s in starts:
        if start_s is not None:
            yield start_s, 1.0, f"started at the {name}, clocks agree"
            yield start_s, (recording_s - start_s) / procedure_s, f"from the {name} to the recording's end"
    if marks.first_contact_s is not None and marks.last_contact_s is not None:
        length_s = marks.last_contact_s - marks.first_contact_s
        yield marks.first_contact_s, length_s / procedure_s, "from first to last contact"
    for scale in dict.fromkeys((1.0, recording_s / procedure_s)):
        if (best := _by_freezes(marks, scale)) is not None:
            clocks = "clocks agree" if scale == 1.0 else "ratio of lengths"
            yield best, scale, f"freezes fall on FNA borders, {clocks}"


def _by_freezes(marks: Marks, scale: float) -> float | None:
    """The offset that brings most FNA borders onto freezes; None where it would be less than two."""
    if not len(marks.frozen) or not marks.passes:
        return None
    offsets = np.subtract.outer(marks.frozen[:, 0], scale * np.array(marks.passes)).ravel()
    # several near offsets may be equally good: the middle of those is the least surprising
    matched = np.array([_near_freezes(marks, offset, scale) for offset in offsets])
    if matched.max() < 2:
        return None
    best = np.sort(offsets[matched == matched.max()])
    return float(best[len(best) // 2])


def _near_freezes(marks: Marks, offset_s: float, scale: float) -> int:
    if not len(marks.frozen) or not marks.passes:
        return 0
    borders = offset_s + scale * np.array(marks.passes)
    distances = np.abs(np.subtract.outer(borders, marks.frozen[:, 0]))
    return int((distances.min(axis=1) <= FREEZE_NEAR_S).sum())


def _timed(frames: pl.DataFrame, videos: pl.DataFrame) -> pl.DataFrame:
    """``start_s, stop_s, reasons`` of every placed frame: it stands until the next one of its video."""
    ends = videos.select("video_id", end_s=pl.col("timeline_start_s") + pl.col("duration_s"))
    placed = frames.select("video_id", "timeline_s", "reasons").drop_nulls("timeline_s")
    placed = placed.join(ends, on="video_id", how="left").sort("timeline_s")
    following = pl.col("timeline_s").shift(-1).over("video_id")
    return placed.select(
        start_s="timeline_s",
        stop_s=pl.coalesce(following, "end_s", "timeline_s"),
        reasons=pl.col("reasons").fill_null("").str.split(REASON_SEPARATOR),
    )


def _spans(timed: pl.DataFrame, reasons: frozenset[str], *, among: bool = True) -> Spans:
    """Stretches of frames that have any of the reasons, or (``among`` false) none of them."""
    any_of = pl.col("reasons").list.set_intersection(sorted(reasons)).list.len() > 0
    return _joined(timed.filter(any_of if among else ~any_of).select("start_s", "stop_s").rows())


def _joined(spans: Sequence[tuple[float, float]]) -> Spans:
    """Spans in order of their starts, those that touch or overlap joined."""
    joined: list[list[float]] = []
    for start_s, stop_s in spans:
        if joined and start_s <= joined[-1][1] + 1e-6:
            joined[-1][1] = max(joined[-1][1], stop_s)
        elif stop_s > start_s:
            joined.append([start_s, stop_s])
    return np.array(joined, np.float64).reshape(-1, 2)


def _lasting(spans: Spans) -> Spans:
    return spans[spans[:, 1] - spans[:, 0] >= _LEAST_RUN_S]


def _length(spans: Spans) -> float:
    return float((spans[:, 1] - spans[:, 0]).sum())


def _shared(one: Spans, other: Spans) -> float:
    """Seconds that lie in both."""
    starts = np.maximum.outer(one[:, 0], other[:, 0])
    stops = np.minimum.outer(one[:, 1], other[:, 1])
    return float(np.clip(stops - starts, 0, None).sum())


def _after(gap_s: float) -> str:
    if abs(gap_s) < _SAME_S:
        return "ends with"
    return f"ends {abs(gap_s):.1f} s {'after' if gap_s > 0 else 'before'}"
