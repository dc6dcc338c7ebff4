"""Proposals for ``sync.csv``: how the stopwatch of each visit may lie on its recording.

Reads tables alone. Writes a proposal that a person copies from; what times are depends on ``sync.csv`` alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from eus_etl.domain.frame_table import synchronised
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.sync_proposals import Candidate, Marks, candidates, judged, marks_of, proposed_rows
from eus_etl.domain.tables.catalog import FRAME_TABLE, LABELS, SYNC, VIDEOS
from eus_etl.domain.timeline import needs_sync
from eus_etl.settings import StudyConfig
from eus_etl.steps.labels import procedure_end_of
from eus_etl.steps.observation.snapshot import alias_of, sync_rows_of
from eus_etl.storage.files.listing import listed
from eus_etl.storage.tables.parts import load_frame_table, load_part
from eus_etl.storage.tables.table_files import write_csv

_TELLS_APART_S = 1.0
"""Whole seconds are what a stopwatch shows."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One visit.

    Attributes:
        marks: what its tables tell; None where its recording has no length or its procedure no end.
        proposed: candidates, the best first; none without marks.
        current: what ``sync.csv`` says of the whole visit, judged alike; None where it says nothing.
        synced: whether ``sync.csv`` relates each of its videos to the stopwatch.
        flagged: whether it is flagged for synchronizing.
    """

    patient_id: str
    alias: str | None
    marks: Marks | None
    proposed: tuple[Candidate, ...]
    current: Candidate | None
    synced: bool
    flagged: bool

    @property
    def alike(self) -> int:
        """How many candidates the tables cannot tell from the best one, itself included."""
        return sum(one.doubt_s < self.proposed[0].doubt_s + _TELLS_APART_S for one in self.proposed)


def propose(study: StudyConfig, patients: Sequence[str]) -> list[Proposal]:
    """Candidates of the chosen visits; without a choice, of all that have frames and no row in ``sync.csv``.

    Raises:
        OutputLostError: a table of a visit was made, and is missing or cannot be read.
    """
    paths = StudyPaths(study.root)
    chosen = patients or [part.stem for part in listed(paths.parts(VIDEOS.name), "*.parquet")]
    proposals = [_of_visit(study, paths, patient_id) for patient_id in chosen]
    return [proposal for proposal in proposals if patients or not proposal.synced]


def write_proposals(proposals: Sequence[Proposal], file: Path) -> None:
    """Write all candidates as rows of ``sync.csv``, the best of each visit first, without initials."""
    rows = [proposed_rows(proposal.patient_id, proposal.proposed) for proposal in proposals]
    write_csv(pl.concat([SYNC.empty(), *rows]), file)


def shown(proposal: Proposal) -> pl.DataFrame:
    """The candidates of a visit as a table for people; what ``sync.csv`` says comes first."""
    current = [("sync.csv", proposal.current)] if proposal.current else []
    numbered = [*current, *((str(n), one) for n, one in enumerate(proposal.proposed, 1))]
    return pl.DataFrame(
        [
            (number, f"{one.offset_s:.2f}", f"{one.scale:.5g}", f"{one.doubt_s:.1f}", one.evidence)
            for number, one in numbered
        ],
        schema=["candidate", "offset_s", "scale", "doubt_s", "evidence"],
        orient="row",
    )


def said(proposal: Proposal) -> list[str]:
    """What is known of a visit's recording and stopwatch, above the table of candidates."""
    head = f"{proposal.alias or 'no alias'} ({proposal.patient_id})"
    marks = proposal.marks
    if marks is None:
        return [f"{head}: no candidate, the recording's length or Stop Procedure is not known"]
    facts = [
        f"recording {marks.recording_s:.1f} s",
        f"Stop Procedure {marks.procedure_s:.1f} s",
        f"ratio {marks.recording_s / marks.procedure_s:.3f}",
    ]
    if marks.lead_in_s is not None:
        facts.append(f"black until {marks.lead_in_s:.1f} s")
    if marks.first_contact_s is not None:
        facts.append(f"tissue from {marks.first_contact_s:.1f} s")
    if len(marks.frozen):
        facts.append(f"{len(marks.frozen)} freezes")
    lines = [head, f"  {', '.join(facts)}"]
    if proposal.flagged:
        lines.append("  flagged: recording and procedure differ in length")
    if proposal.alike > 1:
        lines.append(f"  the tables cannot tell candidates 1 to {proposal.alike} apart: look at the video")
    return lines


def _of_visit(study: StudyConfig, paths: StudyPaths, patient_id: str) -> Proposal:
    videos = load_part(paths, VIDEOS, patient_id)
    sync = sync_rows_of(paths, patient_id)
    procedure_s = procedure_end_of(paths, patient_id)
    frames = load_frame_table(paths, FRAME_TABLE, patient_id)
    marks = marks_of(frames, videos, load_part(paths, LABELS, patient_id), procedure_s)
    synced = bool(videos.height) and all(synchronised(videos, sync))
    of_visit = sync.filter(pl.col("video_id").is_null())
    current = None
    if marks is not None and of_visit.height:
        offset_s, scale = of_visit.select("offset_s", pl.col("scale").fill_null(1.0)).row(0)
        current = judged(marks, offset_s, scale, "the row that holds now")
    return Proposal(
        patient_id=patient_id,
        alias=alias_of(paths, patient_id),
        marks=marks,
        proposed=tuple(candidates(marks)) if marks else (),
        current=current,
        synced=synced,
        flagged=needs_sync(marks.recording_s if marks else None, procedure_s, synced, study.timeline),
    )
