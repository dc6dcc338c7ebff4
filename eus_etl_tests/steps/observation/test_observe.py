"""Looking at sources: whose a file is, what becomes of files that are no longer listed, what nobody owns."""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.support.hospitals.visits import make_study
from eus_etl.sources.label_items.base import LabelItem
from eus_etl.sources.videos.base import Listing, SourceFile, WaitingFile
from eus_etl.steps.observation.marks import source_mark
from eus_etl.steps.observation.observe import relist_videos
from eus_etl.steps.observation.snapshot import (
    DRIVE_VIDEOS,
    LABEL_ITEMS,
    PATIENT_ROWS,
    attributes_of,
    observed_files,
    subject_of,
)
from eus_etl.storage.tables.parts import NOBODY, rejected_part
from eus_etl_tests.support.hospitals.observed_study import ALIAS_TWO, ONE, TWO, Looking, Outside, file, of


def test_files_go_to_the_visit_that_their_path_names(looking: Looking) -> None:
    versions = looking.list(file("f1", ONE, "a"), file("f2", f"{ALIAS_TWO} scans", "b"))
    assert set(versions) == {ONE, TWO}
    assert looking.held(ONE) == {of("f1", "a")}
    assert looking.held(TWO) == {of("f2", "b")}
    assert looking.rejected() == {}


def test_a_file_of_nobody_or_of_two_is_recorded_and_never_guessed(looking: Looking) -> None:
    both = SourceFile("f2", (ONE, f"{ALIAS_TWO}.mp4"), 1, "b" * 32)
    assert set(looking.list(file("f1", "somewhere", "a"), both)) == set()
    assert looking.rejected() == {"f1": "matches_nobody", "f2": "matches_several"}


def test_replaced_moved_gone_and_returned_are_told_apart(looking: Looking) -> None:
    looking.list(file("f1", ONE, "a"), file("f2", ONE, "b"), file("f3", ONE, "c"))
    looking.list(file("f1", ONE, "new"), file("f2", TWO, "b"))
    assert looking.held(ONE) == {of("f1", "new"), of("f3", "c", gone=True)}
    assert looking.held(TWO) == {of("f2", "b")}
    looking.list(file("f1", ONE, "new"), file("f2", TWO, "b"), file("f3", ONE, "c"))
    assert looking.held(ONE) == {of("f1", "new"), of("f3", "c")}


def test_the_same_content_uploaded_anew_is_not_gone(looking: Looking) -> None:
    looking.list(file("f1", ONE, "a"))
    looking.list(file("f9", ONE, "a"))
    assert looking.held(ONE) == {of("f9", "a")}


def test_a_file_that_waits_stays_as_it_was(looking: Looking) -> None:
    known = file("f1", ONE, "a")
    before = looking.list(known)
    assert looking.list(waiting=[known]) == before
    assert looking.held(ONE) == {of("f1", "a")}
    assert looking.rejected() == {"f1": "still_uploading"}


def test_what_waits_is_recorded_of_the_visit_that_its_path_matches(looking: Looking) -> None:
    looking.list(file("f3", "somewhere", "c"), waiting=[file("f1", ONE, "a"), file("f2", "elsewhere", "b")])
    path = rejected_part(looking.paths, DRIVE_VIDEOS, NOBODY)
    rows = pl.read_parquet(path).select("item", "patient_id", "stage").rows()
    assert rows == [("f1", ONE, DRIVE_VIDEOS), ("f2", None, DRIVE_VIDEOS), ("f3", None, DRIVE_VIDEOS)]


def test_all_below_a_folder_that_waits_stays_as_it_was(looking: Looking) -> None:
    before = looking.list(file("f1", ONE, "a"), file("f2", TWO, "b"))
    looking.outside.listing = Listing(
        (file("f2", TWO, "b"),), (WaitingFile("folder", (ONE,), "cannot_be_read"),)
    )
    assert looking.look() == before


def test_what_was_taken_under_an_unfinished_name_is_let_go_while_it_is_listed(
    looking: Looking,
) -> None:
    early = SourceFile("f1", (ONE, ".p2.mp4.Xy12Zz"), 1, "a".ljust(32, "0"))
    looking.list(early)  # as before such names were known
    looking.list(file("f2", TWO, "b"), waiting=[early])
    assert looking.held(ONE) == set()
    looking.list(early)
    looking.list(file("f2", TWO, "b"))  # nobody holds it any more but raw_data
    assert looking.held(ONE) == {of("f1", "a", gone=True)}


def test_every_reason_not_to_take_a_file_has_a_remedy(looking: Looking) -> None:
    reasons = ["temporary_name", "hidden_name", "link_outside", "special_file", "cannot_be_read", "trashed"]
    looking.outside.listing = Listing(
        (), tuple(WaitingFile(reason, (ONE, reason), reason) for reason in reasons)
    )
    looking.look()
    assert looking.rejected() == {reason: reason for reason in reasons}


def test_a_visit_whose_files_all_moved_keeps_an_entry(looking: Looking) -> None:
    before = looking.list(file("f1", ONE, "a"))
    after = looking.list(file("f1", TWO, "a"))
    assert set(after) == {ONE, TWO}
    assert after[ONE] != before[ONE]
    assert looking.held(ONE) == set()


@pytest.mark.parametrize("fits", [0, 2])
def test_a_slip_in_the_items_takes_no_video_from_a_visit(looking: Looking, fits: int) -> None:
    known = file("f1", ALIAS_TWO, "a")
    before = looking.list(known)
    right = looking.outside.items
    looking.outside.items = (*right, LabelItem(ONE, ALIAS_TWO, {})) if fits else (LabelItem(TWO, "Odd", {}),)
    looking.look(LABEL_ITEMS)
    looking.list(known)
    assert [(seen.source_id, seen.unclear) for seen in observed_files(looking.paths, TWO)] == [("f1", True)]
    assert looking.rejected() == {"f1": "matches_several" if fits else "matches_nobody"}
    looking.list(file("f1", "elsewhere", "a"))  # now a person has moved it
    assert looking.held(TWO) == set()
    looking.outside.items = right
    looking.look(LABEL_ITEMS)
    assert looking.list(known) == before


def test_a_slip_that_is_mended_leaves_no_trace(looking: Looking) -> None:
    known = file("f1", ALIAS_TWO, "a")
    before = looking.list(known)
    right, looking.outside.items = looking.outside.items, (LabelItem(TWO, "Odd", {}),)
    looking.look(LABEL_ITEMS)
    assert looking.list(known) != before
    looking.outside.items = right
    looking.look(LABEL_ITEMS)
    assert looking.list(known) == before


def test_an_alias_that_moves_to_another_visit_takes_its_files_along(looking: Looking) -> None:
    known = file("f1", ALIAS_TWO, "a")
    looking.list(known)
    looking.outside.items = (LabelItem(TWO, None, {}), LabelItem(ONE, ALIAS_TWO, {}))
    looking.look(LABEL_ITEMS)
    looking.list(known)
    assert (looking.held(TWO), looking.held(ONE)) == (set(), {of("f1", "a")})


def test_subject_ids_that_cannot_be_read_stay_and_hold_no_label_up(looking: Looking) -> None:
    looking.outside.persons = {TWO: "person"}
    looking.look(LABEL_ITEMS)
    looking.outside.down = {"subjects"}
    looking.outside.items = (LabelItem(TWO, ALIAS_TWO, {"Start Procedure": "00:00:01"}),)
    looking.look(LABEL_ITEMS)
    assert subject_of(looking.paths, TWO) == "person"
    assert attributes_of(looking.paths, TWO) == {"Start Procedure": "00:00:01"}
    assert looking.rejected(LABEL_ITEMS) == {"subjects": "no_subject_ids"}


def test_a_person_who_becomes_known_changes_the_version_of_that_visit_alone(looking: Looking) -> None:
    looking.outside.items += (LabelItem(ONE, None, {}),)
    before = looking.look(LABEL_ITEMS)
    looking.outside.persons = {TWO: "0f" * 32}
    after = looking.look(LABEL_ITEMS)
    assert after[ONE] == before[ONE]
    assert after[TWO] != before[TWO]
    assert (subject_of(looking.paths, ONE), subject_of(looking.paths, TWO)) == (None, "0f" * 32)


def test_the_mark_changes_with_the_listing_and_with_the_aliases(looking: Looking) -> None:
    def mark() -> str | None:
        return source_mark(looking.study, looking.outside.sources(), DRIVE_VIDEOS)

    first = mark()
    assert mark() == first
    looking.look(LABEL_ITEMS)  # the same items
    assert mark() == first
    looking.outside.items = (LabelItem(TWO, ALIAS_TWO, {"Start Station 1 1": "00:00:01"}),)
    looking.look(LABEL_ITEMS)  # another label: no reason to list videos
    assert mark() == first
    looking.outside.items += (LabelItem(ONE, "Brisk-Heron-1", {}),)
    looking.look(LABEL_ITEMS)
    second = mark()
    looking.outside.listing = Listing((file("f1", ONE, "a"),), ())
    assert len({first, second, mark()}) == 3


def test_a_row_of_the_sheet_with_too_many_cells_is_recorded(looking: Looking) -> None:
    looking.outside.surplus = (2,)
    looking.look(PATIENT_ROWS)
    assert looking.rejected(PATIENT_ROWS) == {"row 2": "surplus_cells"}


def test_a_full_listing_says_how_much_was_missed(looking: Looking) -> None:
    assert relist_videos(looking.outside.sources()) == 4


_PLACES = st.dictionaries(
    st.sampled_from(["f1", "f2", "f3", "f4"]),
    st.tuples(
        st.sampled_from([ONE, f"{ALIAS_TWO} scans", "somewhere"]), st.sampled_from("abcd"), st.booleans()
    ),
)
"""Drive ids to folder, content, and whether the file waits."""


@given(st.lists(_PLACES, min_size=1, max_size=5))
def test_whatever_happens_to_files_none_is_lost_and_none_is_doubled(
    listings: list[dict[str, tuple[str, str, bool]]],
) -> None:
    with TemporaryDirectory() as folder:
        study = make_study(Path(folder))
        believing = study.sources.model_copy(update={"max_loss_share": 1.0})
        looking = Looking(study.model_copy(update={"sources": believing}), Outside())
        looking.look(LABEL_ITEMS)
        visits: set[str] = set()
        for places in listings:
            files = {key: file(key, where, content) for key, (where, content, _) in places.items()}
            listed = {key for key, (_, _, waits) in places.items() if not waits}
            known = {patient: looking.held(patient) for patient in (ONE, TWO)}
            versions = looking.list(
                *(files[key] for key in sorted(listed)), waiting=[files[key] for key in files.keys() - listed]
            )
            visits |= versions.keys()
            assert visits == set(versions)  # a visit that was seen once is never forgotten
            now = {patient: looking.held(patient) for patient in (ONE, TWO)}
            placed = [(key, md5) for held in now.values() for key, md5, gone in held if not gone]
            reasons = looking.rejected()
            for key in listed:  # each listed file is of one visit, or recorded
                mine = placed.count((key, files[key].md5))
                assert mine == (files[key].parts[0] != "somewhere")
                assert (reasons.get(key) == "matches_nobody") == (mine == 0)
            contents = {files[key].md5 for key in listed}
            for patient, held in known.items():  # what is nowhere else is kept
                for key, md5, _ in held:
                    if key not in listed and md5 not in contents:
                        assert {(key, md5, False), (key, md5, True)} & now[patient]
            assert looking.look() == versions  # looking again changes nothing
