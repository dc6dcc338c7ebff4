"""Looking at sources: whose a file is, what becomes of files that are no longer listed, what nobody owns."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.support.hospitals.visits import make_study
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.tables.catalog import REJECTED
from eus_etl.errors import EusEtlError, SourceUnavailableError
from eus_etl.settings import StudyConfig
from eus_etl.sources.label_items.base import ItemScan, LabelItem
from eus_etl.sources.patient_rows.base import PatientRow, RowScan
from eus_etl.sources.videos.base import Listing, Missed, SourceFile, WaitingFile
from eus_etl.steps.observation.connect import Sources
from eus_etl.steps.observation.observe import observe, observe_all, relist_videos, videos_mark
from eus_etl.steps.observation.snapshot import (
    DRIVE_VIDEOS,
    LABEL_ITEMS,
    PATIENT_ROWS,
    REGION_ROWS,
    SYNC_ROWS,
    attributes_of,
    observed_files,
    refused_sync_rows_of,
    region_rows_of,
    rows_of,
    subject_of,
    sync_rows_of,
)
from eus_etl.steps.raw_videos.copies import bring_copies
from eus_etl.storage.tables.parts import NOBODY, rejected_part

ONE, TWO = "11111111-aaaa-4aaa-8aaa-000000000001", "22222222-aaaa-4aaa-8aaa-000000000002"
ALIAS_TWO = "Quiet-Otter-2"


@dataclass
class Outside:
    """Sources that hold what a test puts into them; ``down`` ones do not answer."""

    listing: Listing = field(default_factory=lambda: Listing((), ()))
    items: tuple[LabelItem, ...] = field(default_factory=lambda: (LabelItem(TWO, ALIAS_TWO, {}),))
    rows: tuple[PatientRow, ...] = ()
    surplus: tuple[int, ...] = ()
    persons: Mapping[str, str] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)

    def sources(self) -> Sources:
        return Sources(lambda: self, lambda: self, lambda: self, self.read_persons)

    def read_persons(self) -> Mapping[str, str]:
        self._answer("subjects")
        return self.persons

    def list_files(self) -> Listing:
        self._answer(DRIVE_VIDEOS)
        return self.listing

    def revision(self) -> str:
        self._answer(DRIVE_VIDEOS)
        return str(hash(self.listing))

    def relist(self) -> Missed:
        self._answer(DRIVE_VIDEOS)
        return Missed(appeared=("a",), vanished=("b", "c"), changed=("d",))

    def fetch_many(self, wanted: object, progress: object = None) -> Mapping[str, EusEtlError]:
        raise AssertionError("looking fetches nothing", wanted, progress)

    def scan(self) -> ItemScan:
        self._answer(LABEL_ITEMS)
        return ItemScan(self.items, ())

    def read(self) -> RowScan:
        self._answer(PATIENT_ROWS)
        return RowScan(self.rows, (), self.surplus)

    def _answer(self, source: str) -> None:
        if source in self.down:
            raise SourceUnavailableError(source, "it is down", "wait")


class Copying(Outside):
    """Gives out whatever is asked of it."""

    def fetch_many(self, wanted: object, progress: object = None) -> Mapping[str, EusEtlError]:
        assert isinstance(wanted, list)
        assert callable(progress)
        for fetched, target in wanted:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(fetched.md5)
        return {}


@dataclass
class Looking:
    """A study that is looked at again and again."""

    study: StudyConfig
    outside: Outside

    @property
    def paths(self) -> StudyPaths:
        return StudyPaths(self.study.root)

    def look(self, source: str = DRIVE_VIDEOS) -> Mapping[str, str]:
        """Look once; versions of patients."""
        return observe(self.study, self.outside.sources(), source).versions

    def list(self, *files: SourceFile, waiting: Sequence[SourceFile] = ()) -> Mapping[str, str]:
        """Look at videos of which ``waiting`` are not to be had now."""
        unfinished = tuple(WaitingFile(file.source_id, file.parts, "still_uploading") for file in waiting)
        self.outside.listing = Listing(files, unfinished)
        return self.look()

    def held(self, patient: str) -> set[tuple[str, str, bool]]:
        """Files of a visit: source id, MD5, whether it is gone."""
        return {(file.source_id, file.md5, file.gone) for file in observed_files(self.paths, patient)}

    def rejected(self, source: str = DRIVE_VIDEOS) -> dict[str, str]:
        """What belongs to nobody: item to reason."""
        path = rejected_part(self.paths, source, NOBODY)
        rows = pl.read_parquet(path) if path.exists() else REJECTED.empty()
        return dict(rows.select("item", "reason").iter_rows())


@pytest.fixture
def looking(tmp_path: Path) -> Looking:
    """A study that knows the alias of one visit."""
    made = Looking(make_study(tmp_path), Outside())
    made.look(LABEL_ITEMS)
    return made


def file(source_id: str, folder: str, content: str) -> SourceFile:
    return SourceFile(source_id, (folder, "a.mp4"), 1, content.ljust(32, "0"))


def of(source_id: str, content: str, gone: bool = False) -> tuple[str, str, bool]:
    return source_id, content.ljust(32, "0"), gone


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


def test_an_empty_table_of_items_is_not_believed(looking: Looking) -> None:
    looking.outside.items = ()
    with pytest.raises(SourceUnavailableError, match="1 of 1 items are missing"):
        looking.look(LABEL_ITEMS)
    looking.list(file("f1", ALIAS_TWO, "a"))
    assert looking.held(TWO) == {of("f1", "a")}


def test_subject_ids_that_cannot_be_read_stay_and_hold_no_label_up(looking: Looking) -> None:
    looking.outside.persons = {TWO: "person"}
    looking.look(LABEL_ITEMS)
    looking.outside.down = {"subjects"}
    looking.outside.items = (LabelItem(TWO, ALIAS_TWO, {"Start Procedure": "00:00:01"}),)
    looking.look(LABEL_ITEMS)
    assert subject_of(looking.paths, TWO) == "person"
    assert attributes_of(looking.paths, TWO) == {"Start Procedure": "00:00:01"}
    assert looking.rejected(LABEL_ITEMS) == {"subjects": "no_subject_ids"}


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
        return videos_mark(looking.study, looking.outside.sources())

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


SYNC_HEADER = "patient_id,video_id,offset_s,scale\n"


def test_a_row_of_sync_that_cannot_be_used_takes_no_other_with_it(looking: Looking) -> None:
    looking.outside.items += (LabelItem(ONE, None, {}),)
    looking.look(LABEL_ITEMS)
    a, b = f"v{'a' * 12}", f"v{'b' * 12}"
    looking.paths.data.mkdir(parents=True)
    looking.paths.sync_csv.write_text(
        f"{SYNC_HEADER}{ONE},,inf,1\n{ALIAS_TWO},{a},2,1\n{TWO},{b},1,5,3\nwho?,,1,1\n"
        f"{ONE},Jane Doe,1,nan\n{TWO},,3,\n"
    )
    looking.look(SYNC_ROWS)
    assert sync_rows_of(looking.paths, ONE).is_empty()
    used = sync_rows_of(looking.paths, TWO).select("patient_id", "video_id", "offset_s", "scale").rows()
    assert used == [(TWO, a, 2.0, 1.0), (TWO, None, 3.0, None)]
    refused = {
        patient: [
            (row.rejection.item, row.rejection.reason, row.video_id)
            for row in refused_sync_rows_of(looking.paths, patient)
        ]
        for patient in (ONE, TWO)
    }
    assert refused == {
        ONE: [("row 2", "not_a_number", None), ("row 6", "not_a_number", "unknown-6")],
        TWO: [("row 4", "surplus_cells", b)],
    }
    assert looking.rejected(SYNC_ROWS) == {"row 5": "unknown_patient"}


def test_a_row_with_a_video_id_as_it_once_was_is_used_and_recorded(looking: Looking) -> None:
    bare, polygon = "123456e78901", '"1,1 9,1 9,9"'
    looking.outside.items += (LabelItem(ONE, None, {}),)
    looking.look(LABEL_ITEMS)
    looking.paths.data.mkdir(parents=True)
    looking.paths.sync_csv.write_text(
        f"{SYNC_HEADER}{ONE},{bare},1,\n{ONE},v{'0' * 12},2,\n{ONE},1.2e+12,3,\n"
    )
    looking.paths.regions_csv.write_text(f"patient_id,video_id,polygon\n{ONE},{bare},{polygon}\n")
    looking.look(SYNC_ROWS)
    looking.look(REGION_ROWS)
    assert sync_rows_of(looking.paths, ONE)["video_id"].to_list() == [f"v{bare}", f"v{'0' * 12}", "unknown-4"]
    assert region_rows_of(looking.paths, ONE)["video_id"].to_list() == [f"v{bare}"]
    assert looking.rejected(SYNC_ROWS) == {"row 2": "bare_video_id"}
    assert looking.rejected(REGION_ROWS) == {"row 2": "bare_video_id"}


@pytest.mark.parametrize("source", [SYNC_ROWS, REGION_ROWS])
def test_a_correction_file_that_is_lost_is_not_an_empty_one(looking: Looking, source: str) -> None:
    path, header, row = {
        SYNC_ROWS: (looking.paths.sync_csv, SYNC_HEADER, f"{TWO},,2,1\n"),
        REGION_ROWS: (looking.paths.regions_csv, "patient_id,polygon\n", f'{TWO},"1,1 9,1 9,9"\n'),
    }[source]
    assert looking.look(source) == {}
    path.parent.mkdir(parents=True)
    path.write_text(header + row)
    assert set(looking.look(source)) == {TWO}
    for lose in (path.unlink, lambda: path.write_text("")):
        lose()
        with pytest.raises(SourceUnavailableError, match="gone or blank"):
            looking.look(source)
    path.write_text(header)  # this is meant
    assert looking.look(source) == {}
    path.unlink()
    assert looking.look(source) == {}


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


def test_a_row_of_the_sheet_with_too_many_cells_is_recorded(looking: Looking) -> None:
    looking.outside.surplus = (2,)
    looking.look(PATIENT_ROWS)
    assert looking.rejected(PATIENT_ROWS) == {"row 2": "surplus_cells"}


@pytest.mark.parametrize("lost", ["drive_videos/versions.json", f"drive_videos/{ONE}-*.json"])
def test_the_mark_changes_when_what_the_last_look_stored_is_lost(looking: Looking, lost: str) -> None:
    def mark() -> str | None:
        return videos_mark(looking.study, looking.outside.sources())

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
