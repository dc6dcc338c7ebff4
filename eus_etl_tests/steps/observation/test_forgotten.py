"""What sources still hold of a forgotten visit is neither stored nor told, whichever source it is."""

from datetime import date

from eus_etl.sources.label_items.base import LabelItem
from eus_etl.sources.patient_rows.base import PatientRow
from eus_etl.steps.observation.connect import leaves_out_of
from eus_etl.steps.observation.snapshot import LABEL_ITEMS, PATIENT_ROWS, REGION_ROWS, SYNC_ROWS
from eus_etl.storage.tombstones import set_tombstone
from eus_etl_tests.support.hospitals.observed_study import ALIAS_TWO, ONE, TWO, Looking

THREE = "33333333-aaaa-4aaa-8aaa-000000000003"
PATTERN = "^{key}"


def test_no_source_stores_or_tells_it(looking: Looking) -> None:
    looking.outside.items = (LabelItem(TWO, ALIAS_TWO, {}), LabelItem(ONE, "Brisk-Heron-1", {}))
    looking.outside.rows = tuple(
        PatientRow(key, {}, number) for number, key in enumerate((ALIAS_TWO, TWO, ONE))
    )
    looking.paths.data.mkdir(parents=True)
    looking.paths.sync_csv.write_text(f"patient_id,offset_s,scale\n{ALIAS_TWO},0,1\n{ONE},0,1\n")
    looking.paths.regions_csv.write_text(f"patient_id,polygon\n{TWO},0 0\n")
    set_tombstone(looking.paths, TWO, date(2026, 1, 1), alias=ALIAS_TWO)
    assert set(looking.look(LABEL_ITEMS)) == {ONE}
    assert set(looking.look(PATIENT_ROWS)) == {ONE}
    assert set(looking.look(SYNC_ROWS)) == {ONE}
    assert set(looking.look(REGION_ROWS)) == set()
    assert [looking.rejected(source) for source in (LABEL_ITEMS, PATIENT_ROWS, SYNC_ROWS, REGION_ROWS)] == [
        {}
    ] * 4


def test_a_visit_that_gets_the_alias_of_a_forgotten_one_is_told_so(looking: Looking) -> None:
    set_tombstone(looking.paths, TWO, date(2026, 1, 1), alias=ALIAS_TWO)
    looking.outside.items = (LabelItem(THREE, ALIAS_TWO.lower(), {}),)
    assert set(looking.look(LABEL_ITEMS)) == {THREE}
    assert looking.rejected(LABEL_ITEMS) == {THREE: "alias_of_forgotten"}


def test_an_upload_is_told_by_its_path_or_by_its_id(looking: Looking) -> None:
    set_tombstone(looking.paths, TWO, date(2026, 1, 1), alias=ALIAS_TWO, uploads=["upload-1"])
    looking.outside.items = (LabelItem(ONE, "Brisk-Heron-1", {}),)
    looking.look(LABEL_ITEMS)
    leaves_out = leaves_out_of(looking.paths, PATTERN)
    assert leaves_out("any", (f"{ALIAS_TWO} scans", "a.mp4"))
    assert leaves_out("any", ("2026", TWO.upper(), "a.mp4"))
    assert leaves_out("upload-1", ("renamed", "a.mp4"))
    assert not leaves_out("upload-2", ("renamed", "a.mp4"))
    # it turned out to be another visit's
    assert not leaves_out("upload-1", ("Brisk-Heron-1", "a.mp4"))
    # a path that matches both was nobody's before, and is not given away now
    assert leaves_out("any", ("Brisk-Heron-1", f"{ALIAS_TWO}.mp4"))
