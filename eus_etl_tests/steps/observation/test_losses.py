"""What a source or a snapshot lost: too great a loss is not believed, and no visit loses anything by it."""

import shutil

import pytest

from eus_etl.errors import SourceUnavailableError
from eus_etl.sources.label_items.base import LabelItem
from eus_etl.sources.patient_rows.base import PatientRow
from eus_etl.sources.videos.base import Listing, SourceFile, WaitingFile
from eus_etl.steps.observation.all_sources import observe_all
from eus_etl.steps.observation.marks import source_mark
from eus_etl.steps.observation.observe import relist_videos
from eus_etl.steps.observation.snapshot import (
    DRIVE_VIDEOS,
    LABEL_ITEMS,
    PATIENT_ROWS,
    observed_files,
    rows_of,
)
from eus_etl.steps.raw_videos.copies import bring_copies
from eus_etl_tests.support.hospitals.observed_study import ALIAS_TWO, ONE, TWO, Copying, Looking, file, of


def test_an_empty_table_of_items_is_not_believed(looking: Looking) -> None:
    looking.outside.items = ()
    with pytest.raises(SourceUnavailableError, match="1 of 1 items are missing"):
        looking.look(LABEL_ITEMS)
    looking.list(file("f1", ALIAS_TWO, "a"))
    assert looking.held(TWO) == {of("f1", "a")}


def test_a_source_that_is_down_keeps_no_other_from_being_seen_and_loses_nothing(looking: Looking) -> None:
    looking.list(file("f1", ONE, "a"))
    looking.outside.rows = (PatientRow(ALIAS_TWO, {"Cancer type": "none"}, 2), PatientRow("who?", {}, 3))
    looking.outside.down = {DRIVE_VIDEOS}
    seen, failed = observe_all(looking.study, looking.outside.sources())
    assert [failure.source for failure in failed] == [DRIVE_VIDEOS]
    assert DRIVE_VIDEOS not in {observation.source for observation in seen}
    assert looking.held(ONE) == {of("f1", "a")}
    assert rows_of(looking.paths, TWO) == ({"Cancer type": "none"},)
    assert looking.rejected(PATIENT_ROWS) == {"row 3": "unknown_patient"}
    with pytest.raises(SourceUnavailableError):
        relist_videos(looking.outside.sources())


@pytest.mark.parametrize("source", [DRIVE_VIDEOS, LABEL_ITEMS, PATIENT_ROWS])
def test_a_source_that_is_suddenly_empty_is_not_believed(looking: Looking, source: str) -> None:
    def fill(count: int) -> None:
        ids = [f"{number:08x}-aaaa-4aaa-8aaa-000000000001" for number in range(count)]
        looking.outside.listing = Listing(tuple(file(i[:8], i, i[:8]) for i in ids), ())
        looking.outside.rows = tuple(PatientRow(i, {}, n) for n, i in enumerate(ids, start=2))
        looking.outside.items = tuple(LabelItem(i, None, {}) for i in ids)

    fill(20)
    looking.look(LABEL_ITEMS)
    before = looking.look(source)
    for count in (0, 8):
        fill(count)
        with pytest.raises(SourceUnavailableError, match=r"`sources\.max_loss_share` to 1"):
            looking.look(source)
    fill(10)
    now = looking.look(source)
    assert set(now) < set(before) if source != DRIVE_VIDEOS else set(now) == set(before)
    believing = looking.study.sources.model_copy(update={"max_loss_share": 1.0})
    looking.study = looking.study.model_copy(update={"sources": believing})
    fill(0)
    looking.look(source)


def test_few_files_may_all_be_replaced_but_not_all_be_gone(looking: Looking) -> None:
    files = [file(f"f{number}", ONE, str(number)) for number in range(10)]
    looking.list(*files)
    other = file("f10", ONE, "other")
    looking.list(other)
    assert sum(gone for _, _, gone in looking.held(ONE)) == 10
    with pytest.raises(SourceUnavailableError, match="1 of 1 files"):
        looking.list()


def test_files_that_moved_wait_or_were_put_into_the_trash_are_not_missing(looking: Looking) -> None:
    files = [file(f"f{number}", ONE, str(number)) for number in range(3)]
    looking.list(*files)
    moved = SourceFile("new place", (TWO, "b.mp4"), 1, files[0].md5)
    waiting = WaitingFile("f1", files[1].parts, "still_being_written")
    trashed = WaitingFile("f2", files[2].parts, "trashed")
    looking.outside.listing = Listing((moved,), (waiting,), (trashed,))
    looking.look()
    assert looking.held(ONE) == {of("f1", "1"), of("f2", "2", gone=True)}
    looking.outside.listing = Listing((), (waiting,), (WaitingFile("new place", moved.parts, "trashed"),))
    looking.look()


@pytest.mark.parametrize("lost", ["drive_videos/versions.json", f"drive_videos/{ONE}-*.json"])
def test_the_mark_changes_when_what_the_last_look_stored_is_lost(looking: Looking, lost: str) -> None:
    def mark() -> str | None:
        return source_mark(looking.study, looking.outside.sources(), DRIVE_VIDEOS)

    looking.outside.listing = Listing((file("f1", ONE, "a"), file("f2", "somewhere", "b")), ())
    versions = looking.look(DRIVE_VIDEOS)
    whole = mark()
    rejected = looking.paths.part("rejected/drive_videos", "_nobody")
    for path in (*looking.paths.inventory.glob(lost), rejected):
        path.unlink()
        assert mark() != whole
        assert looking.look(DRIVE_VIDEOS) == versions
        assert mark() == whole
        assert path.is_file()


def test_a_lost_snapshot_costs_no_visit_what_only_it_knew(looking: Looking) -> None:
    """A copy tells of its upload, also where the source holds it no more."""
    looking.outside.listing = Listing((file("f1", ONE, "a"), file("f2", ONE, "b")), ())
    looking.look(DRIVE_VIDEOS)
    held = observed_files(looking.paths, ONE)
    bring_copies(looking.paths, ONE, Copying(), held, None)
    looking.outside.listing = Listing((file("f2", ONE, "b"),), ())
    before = looking.look(DRIVE_VIDEOS)
    shutil.rmtree(looking.paths.inventory / "drive_videos")
    assert looking.look(DRIVE_VIDEOS) == before
    assert {seen.source_id: seen.gone for seen in observed_files(looking.paths, ONE)} == {
        "f1": True,
        "f2": False,
    }
