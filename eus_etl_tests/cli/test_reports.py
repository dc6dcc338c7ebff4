"""What a report of a run says on a terminal."""

import pytest

from eus_etl.defs.reconcile.local_session import RunReport
from eus_etl.defs.status import StudyStatus, VisitStatus
from eus_etl.errors import SourceUnavailableError
from eus_etl.steps.observation.stored import Failure
from eus_etl.terminal import progress_lines, show_report, study_lines


@pytest.mark.parametrize("attempt", ["observed", "listed in full"])
def test_it_says_what_could_not_be_done_with_a_source(
    attempt: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = Failure("drive_videos", SourceUnavailableError("sources.videos", "it is down"), attempt)
    show_report("eusml", RunReport(unobserved=[failure]))
    said = capsys.readouterr().out
    assert f"eusml: drive_videos could not be {attempt}: sources.videos: it is down." in said


@pytest.mark.parametrize(
    ("without_upload", "said"),
    [([], "everything is up to date"), (["p1"], "everything else is up to date")],
)
def test_everything_is_up_to_date_only_where_no_upload_is_missed(
    without_upload: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    show_report("eusml", RunReport(without_upload=without_upload))
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"eusml: {said}, 0 videos decoded"
    missed = [f"eusml: no upload has been given to {p}" for p in without_upload]
    assert [line.partition(";")[0] for line in lines[:-1]] == missed


def test_a_status_says_that_false_does_not_mean_checked() -> None:
    status = StudyStatus(study="eusml", home="", tables={}, unassigned={}, unassigned_uploads={})
    assert study_lines(status, None) == []
    lines = study_lines(status, "not done: tesseract is not installed")
    assert max(map(len, lines)) <= 80
    said = " ".join(line.strip() for line in lines)
    assert said.endswith("not installed; a release takes only visits that a person signed off")


def visit(reason: str | None, error: str | None = None) -> VisitStatus:
    """A visit of which the frame table is stale, has failed, or is done."""
    return VisitStatus(
        patient_id="p1",
        alias=None,
        assets={"frame_table": "failed" if error else "stale" if reason else "done"},
        reasons={"frame_table": reason} if reason else {},
        errors={"frame_table": error} if error else {},
        rejected={},
        uploads={},
    )


def test_a_status_says_how_far_an_edit_of_everything_has_come() -> None:
    assert progress_lines([visit(None)] * 3) == []
    visits = [visit(None)] * 7 + [visit("configuration changed")] * 3
    visits += [visit("inputs changed: labels"), visit(None, "frame_table of p1: no room")]
    assert " ".join(" ".join(progress_lines(visits)).split()) == (
        "7 of 12 visits are up to date; left are 3 frame_table: configuration changed, "
        "1 frame_table: inputs changed, 1 frame_table: failed"
    )
