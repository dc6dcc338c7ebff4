"""How a stopwatch may lie on a recording, from tables that are made by hand."""

import polars as pl
import pytest

from eus_etl.domain.sync_proposals import Candidate, Marks, candidates, judged, marks_of, proposed_rows
from eus_etl.domain.sync_rows import sync_row, without_conflicts
from eus_etl.domain.tables.catalog import LABELS, VIDEOS

RATE_HZ = 2
Stretch = tuple[float, float, str]


def visit(
    length_s: float,
    stretches: tuple[Stretch, ...],
    intervals: tuple[tuple[str, float, float], ...],
    procedure_s: float | None,
    videos: int = 1,
) -> Marks | None:
    """Marks of a visit: ``stretches`` of a reason on the timeline, intervals of a family."""
    share_s = length_s / videos
    rows = [
        {"video_id": f"v{n}", "timeline_start_s": n * share_s, "duration_s": share_s} for n in range(videos)
    ]
    times = [number / RATE_HZ for number in range(round(length_s * RATE_HZ))]
    frames = pl.DataFrame(
        {
            "video_id": [f"v{int(time // share_s)}" for time in times],
            "timeline_s": times,
            "reasons": [
                "|".join(reason for start, stop, reason in stretches if start <= time < stop) or None
                for time in times
            ],
        },
        schema_overrides={"reasons": pl.String()},
    )
    labels = LABELS.frame(
        {"family": family, "label": family, "start_s": start_s, "stop_s": stop_s, "status": "ok"}
        for family, start_s, stop_s in intervals
    )
    return marks_of(frames, VIDEOS.frame(rows), labels, procedure_s)


def proposed(marks: Marks | None) -> list[Candidate]:
    assert marks is not None
    return candidates(marks)


def test_marks_are_read_from_the_tables() -> None:
    marks = visit(
        20,
        ((0, 2, "no_signal"), (2, 5, "optical_view"), (8, 9, "frozen|blurred"), (18, 20, "low_contact")),
        (("station", 1, 6), ("fna", 4, 8), ("fna", 10, 12)),
        14,
        videos=2,
    )
    assert marks is not None
    assert marks.labels.tolist() == [[1, 8], [10, 12]]
    assert list(marks.passes) == [4, 8, 10, 12]
    assert [marks.recording_s, marks.lead_in_s] == [20, 2]
    assert [marks.first_contact_s, marks.last_contact_s] == [5, 18]
    assert marks.frozen.tolist() == [[8, 9]]
    assert marks.no_contact.tolist() == [[0, 5], [18, 20]]


@pytest.mark.parametrize(("length_s", "procedure_s"), [(20, None), (0, 20), (20, 0)])
def test_without_both_lengths_nothing_is_proposed(length_s: float, procedure_s: float | None) -> None:
    assert visit(length_s, (), (), procedure_s) is None


def test_a_visit_that_fits_is_left_as_it_is() -> None:
    (only,) = proposed(visit(30, (), (("station", 0, 30),), 30))
    assert (only.offset_s, only.scale, only.doubt_s) == (0, 1, 0)


def test_a_black_lead_in_moves_the_start() -> None:
    best, *_ = proposed(visit(34, ((0, 4, "no_signal"),), (("position", 0, 30),), 30))
    assert (best.offset_s, best.scale) == (4, 1)
    as_it_is = next(one for one in proposed(visit(34, ((0, 4, "no_signal"),), (), 30)) if not one.offset_s)
    assert as_it_is.end_gap_s == 4


def test_freezes_beside_needle_passes_tell_where_they_were() -> None:
    passes = (("fna", 10.0, 30.0), ("fna", 50.0, 90.0))
    freezes = tuple((17 + border, 18 + border, "frozen") for border in (10.0, 30.0, 50.0, 90.0))
    best, *_ = proposed(visit(160, freezes, passes, 120))
    assert best.near_freezes == best.passes == 4
    assert best.most_off_s(17, 1) < 0.5


def test_one_freeze_alone_proposes_nothing() -> None:
    found = proposed(visit(40, ((22, 23, "frozen"),), (("fna", 10, 30),), 40))
    assert not any("freezes fall" in one.found_by for one in found)


def test_clocks_that_differ_by_far_are_not_proposed() -> None:
    assert {one.scale for one in proposed(visit(60, (), (("station", 0, 30),), 30))} == {1.0}


def test_evidence_counts_labels_outside_and_over_black() -> None:
    marks = visit(20, ((0, 2, "no_signal"), (2, 3, "optical_view")), (("station", 0, 19),), 20)
    assert marks is not None
    late = judged(marks, 2, 1.0, "by hand")
    assert (late.outside_s, late.black_s, late.no_contact_s, late.end_gap_s) == (1, 0, 1, -2)
    assert "recording ends 2.0 s before Stop Procedure; 1.0 s of labels outside" in late.evidence
    assert judged(marks, 0, 1.0, "by hand").black_s == 2


def test_a_proposal_has_the_columns_of_the_file_and_no_initials() -> None:
    found = proposed(visit(34, ((0, 4, "no_signal"),), (("position", 0, 30),), 30))
    rows = proposed_rows("p1", found)
    assert rows.columns == ["patient_id", "video_id", "offset_s", "scale", "method", "by"]
    assert rows.height == len(found) > 1
    assert rows["by"].null_count() == rows["video_id"].null_count() == rows.height


def test_copied_as_a_whole_a_proposal_counts_for_nothing() -> None:
    rows = proposed_rows("p1", proposed(visit(34, ((0, 4, "no_signal"),), (("position", 0, 30),), 30)))
    cells = pl.read_csv(rows.write_csv().encode(), infer_schema=False).to_dicts()
    read = {number: sync_row(number, row) for number, row in enumerate(cells, 2)}
    usable = {number: row for number, row in read.items() if isinstance(row, dict)}
    assert usable.keys() == read.keys()
    used, rejected = without_conflicts(usable)
    assert not used
    assert {row.reason for row in rejected.values()} == {"conflict"}
