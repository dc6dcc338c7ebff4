"""What is recorded of files that are not taken: why, and what to do only where something needs to be done."""

import pytest

from eus_etl.sources.videos.base import WaitingFile
from eus_etl.steps.observation.not_taken import not_taken, unmatched


@pytest.mark.parametrize(
    "reason", ["special_file", "still_being_written", "not_hashed_yet", "still_uploading", "listed_elsewhere"]
)
def test_where_nothing_needs_to_be_done_there_is_no_remedy(reason: str) -> None:
    recorded = not_taken(WaitingFile("f1", ("a", "b.mp4"), reason), frozenset())
    assert (recorded.item, recorded.file_name, recorded.reason) == ("f1", "a/b.mp4", reason)
    assert recorded.remedy is None


@pytest.mark.parametrize(
    ("visits", "said", "visit"),
    [
        (frozenset(), "no visit matches its path", None),
        (frozenset({"p1"}), "it belongs to visit p1", "p1"),
        (frozenset({"p1", "p2"}), "its path matches 2 visits", None),
    ],
)
def test_says_why_and_of_which_visit(visits: frozenset[str], said: str, visit: str | None) -> None:
    recorded = not_taken(WaitingFile("f1", ("b.mp4",), "empty_file"), visits)
    assert recorded.detail == f"not taken: it is empty; {said}"
    assert recorded.remedy == "upload the file again"
    assert recorded.patient_id == visit


def test_an_unassigned_file_says_how_many_visits_match() -> None:
    assert unmatched("f1", ("b.mp4",), 0).detail == "no visit matches its path"
    assert unmatched("f1", ("b.mp4",), 2).detail == "its path matches 2 visits"
