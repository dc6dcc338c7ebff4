"""Rows of regions.csv that hold for a screen: whom they concern, and what a visit gets to see of them."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from benchmarks.support.hospitals.visits import make_study
from eus_etl.domain.tables.catalog import LAYOUTS, REGIONS
from eus_etl.steps.observation.snapshot import LABEL_ITEMS, REGION_ROWS, region_rows_of
from eus_etl.storage.tables.parts import write_part
from eus_etl_tests.steps.observation.test_observe import ONE, TWO, Looking, Outside

SCREEN, OTHER_SCREEN = "480x360-" + "0f" * 16, "480x360-" + "f0" * 16
NEARLY = "480x360-" + "0e" + "0f" * 15


@pytest.fixture
def knowing(tmp_path: Path) -> Looking:
    """A study that knows visit TWO."""
    made = Looking(make_study(tmp_path), Outside())
    made.look(LABEL_ITEMS)
    return made


def shows(looking: Looking, patient: str, *signatures: str) -> None:
    """The visit's layouts show these screens."""
    rows = [{"patient_id": patient, "signature": signature} for signature in signatures]
    write_part(looking.paths, LAYOUTS, patient, LAYOUTS.frame(rows))


def corrected(looking: Looking, *lines: str, header: str = ",".join(REGIONS.names)) -> Mapping[str, str]:
    """Write regions.csv and look at it."""
    looking.paths.regions_csv.parent.mkdir(parents=True, exist_ok=True)
    looking.paths.regions_csv.write_text("\n".join([header, *lines]) + "\n")
    return looking.look(REGION_ROWS)


def test_a_remembered_screen_changes_only_the_visits_that_show_it(knowing: Looking) -> None:
    shows(knowing, ONE, SCREEN)
    shows(knowing, TWO, OTHER_SCREEN)
    assert corrected(knowing) == {}
    first = corrected(knowing, f',,"1,1 9,1 9,9",{NEARLY},')
    assert set(first) == {ONE}
    assert corrected(knowing, f',,"1,1 9,1 9,8",{NEARLY},')[ONE] != first[ONE]
    both = corrected(knowing, f',,"1,1 9,1 9,9",{NEARLY},', f',,"2,2 9,1 9,9",{OTHER_SCREEN},')
    assert both[ONE] == first[ONE]
    assert set(both) == {ONE, TWO}
    assert corrected(knowing) == {}
    assert knowing.rejected(REGION_ROWS) == {}


def test_a_visit_that_is_not_made_yet_gets_the_remembered_rows_too(knowing: Looking) -> None:
    corrected(knowing, f',,"1,1 9,1 9,9",{SCREEN},ab', f'{TWO},,"3,3 9,1 9,9",,')
    assert region_rows_of(knowing.paths, ONE)["polygon"].to_list() == ["1,1 9,1 9,9"]
    assert region_rows_of(knowing.paths, TWO)["polygon"].to_list() == ["3,3 9,1 9,9", "1,1 9,1 9,9"]
    assert region_rows_of(knowing.paths, TWO)["signed_off"].to_list() == [None, "ab"]


def test_layouts_made_anew_are_looked_at_again(knowing: Looking) -> None:
    shows(knowing, ONE, OTHER_SCREEN)
    row = f',,"1,1 9,1 9,9",{SCREEN},'
    assert corrected(knowing, row) == {}
    shows(knowing, ONE, OTHER_SCREEN, SCREEN)
    assert set(corrected(knowing, row)) == {ONE}


def test_a_file_with_the_old_columns_and_old_layouts_still_counts(knowing: Looking) -> None:
    old = knowing.paths.part(LAYOUTS.name, ONE)
    old.parent.mkdir(parents=True)
    pl.DataFrame({"patient_id": [ONE]}).write_parquet(old)
    versions = corrected(knowing, f'{TWO},,"1,1 9,1 9,9"', header="patient_id,video_id,polygon")
    assert set(versions) == {TWO}
    assert corrected(knowing, f',,"1,1 9,1 9,9",{SCREEN},') == {}


def test_rows_that_name_nobody_or_no_screen_are_recorded(knowing: Looking) -> None:
    versions = corrected(knowing, ',,"1,1 9,1 9,9",,', f'{TWO},,"1,1 9,1 9,9",480x360-zz,')
    assert versions == {}
    assert knowing.rejected(REGION_ROWS) == {"row 2": "unknown_patient", "row 3": "bad_signature"}
