"""Rows of regions.csv that hold for a screen in any visit: which visits they concern."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from benchmarks.support.hospitals.visits import make_study
from eus_etl.domain.tables.catalog import LAYOUTS, REGIONS
from eus_etl.errors import SnapshotLostError, SourceUnavailableError
from eus_etl.steps.observation.known_screens import (
    known_screens,
    known_screens_version,
    require_known_screens,
    share_of_visit,
)
from eus_etl.steps.observation.snapshot import LABEL_ITEMS, REGION_ROWS, region_rows_of
from eus_etl.storage.tables.parts import write_part
from eus_etl.storage.tombstones import set_tombstone
from eus_etl_tests.support.hospitals.observed_study import ALIAS_TWO, ONE, TWO, Looking, Outside

SCREEN, OTHER_SCREEN = "480x360-" + "0f" * 16, "480x360-" + "f0" * 16
VIDEO, OTHER_VIDEO = "vaaaaaaaaaaaa", "vbbbbbbbbbbbb"
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


def shares(looking: Looking) -> dict[str, str | None]:
    """Versions of what each visit has of the known screens."""
    return {patient: share_of_visit(looking.paths, patient) for patient in (ONE, TWO)}


def test_a_known_screen_concerns_only_the_visits_that_show_it(knowing: Looking) -> None:
    shows(knowing, ONE, SCREEN)
    shows(knowing, TWO, OTHER_SCREEN)
    assert corrected(knowing) == {}
    assert shares(knowing) == {ONE: None, TWO: None}
    assert corrected(knowing, f',,"1,1 9,1 9,9",{NEARLY},') == {}
    first = shares(knowing)
    assert first[ONE] is not None
    assert first[TWO] is None
    corrected(knowing, f',,"1,1 9,1 9,8",{NEARLY},')
    assert shares(knowing)[ONE] not in (None, first[ONE])
    corrected(knowing, f',,"1,1 9,1 9,9",{NEARLY},', f',,"2,2 9,1 9,9",{OTHER_SCREEN},')
    both = shares(knowing)
    assert both[ONE] == first[ONE]
    assert both[TWO] is not None
    corrected(knowing)
    assert shares(knowing) == {ONE: None, TWO: None}
    assert knowing.rejected(REGION_ROWS) == {}


def test_what_is_observed_does_not_depend_on_what_was_made(knowing: Looking) -> None:
    rows = f',,"1,1 9,1 9,9",{SCREEN},ab', f'{TWO},,"3,3 9,1 9,9",,'
    before = corrected(knowing, *rows), known_screens_version(knowing.paths)
    shows(knowing, ONE, SCREEN)
    assert (corrected(knowing, *rows), known_screens_version(knowing.paths)) == before


def test_own_rows_and_known_screens_are_apart(knowing: Looking) -> None:
    corrected(knowing, f',,"1,1 9,1 9,9",{SCREEN},ab', f'{TWO},,"3,3 9,1 9,9",,')
    assert region_rows_of(knowing.paths, ONE).is_empty()
    assert region_rows_of(knowing.paths, TWO)["polygon"].to_list() == ["3,3 9,1 9,9"]
    assert known_screens(knowing.paths).rows["polygon"].to_list() == ["1,1 9,1 9,9"]
    assert known_screens(knowing.paths).rows["signed_off"].to_list() == ["yes"]


def test_layouts_made_again_are_looked_at_again(knowing: Looking) -> None:
    shows(knowing, ONE, OTHER_SCREEN)
    corrected(knowing, f',,"1,1 9,1 9,9",{SCREEN},')
    assert shares(knowing)[ONE] is None
    shows(knowing, ONE, OTHER_SCREEN, SCREEN)
    assert shares(knowing)[ONE] is not None


def test_a_file_with_the_old_columns_and_old_layouts_still_counts(knowing: Looking) -> None:
    old = knowing.paths.part(LAYOUTS.name, ONE)
    old.parent.mkdir(parents=True)
    pl.DataFrame({"patient_id": [ONE]}).write_parquet(old)
    versions = corrected(knowing, f'{TWO},,"1,1 9,1 9,9"', header="patient_id,video_id,polygon")
    assert set(versions) == {TWO}
    corrected(knowing, f',,"1,1 9,1 9,9",{SCREEN},')
    assert shares(knowing) == {ONE: None, TWO: None}


def test_lost_known_screens_come_back_with_the_next_look(knowing: Looking) -> None:
    row = f',,"1,1 9,1 9,9",{SCREEN},'
    corrected(knowing, row)
    shows(knowing, ONE, SCREEN)
    [snapshot] = (knowing.paths.inventory / "known_screens").glob("all-*.json")
    snapshot.write_bytes(b"{")
    with pytest.raises(SnapshotLostError):
        require_known_screens(knowing.paths)
    corrected(knowing, row)
    require_known_screens(knowing.paths)
    assert shares(knowing)[ONE] is not None


def test_a_lost_file_of_known_screens_is_not_an_empty_one(knowing: Looking) -> None:
    corrected(knowing, f',,"1,1 9,1 9,9",{SCREEN},')
    knowing.paths.regions_csv.unlink()
    with pytest.raises(SourceUnavailableError, match="held corrections before"):
        knowing.look(REGION_ROWS)
    assert known_screens(knowing.paths).rows.height == 1


def test_a_sign_off_is_evidence_for_the_visits_that_show_its_screen(knowing: Looking) -> None:
    shows(knowing, ONE, SCREEN)
    corrected(knowing, f'{TWO},{VIDEO},"1,1 400,1 400,300",{NEARLY},XX')
    assert shares(knowing)[ONE] is None
    signed_off = f'{TWO},{VIDEO},"1,1 400,1 400,300",{NEARLY},ab'
    corrected(knowing, signed_off)
    first = shares(knowing)[ONE]
    assert first is not None
    [outline] = known_screens(knowing.paths).confirmed_for([SCREEN])
    assert (outline.signature, outline.polygon) == (NEARLY, "1,1 400,1 400,300")
    # the next video that shows the same makes no visit stale, another outline does
    corrected(knowing, signed_off, f'{TWO},{OTHER_VIDEO},"1,1 401,1 400,300",{NEARLY},ab')
    assert shares(knowing)[ONE] == first
    corrected(knowing, signed_off, f'{TWO},{OTHER_VIDEO},"1,1 401,1 400,200",{NEARLY},ab')
    assert shares(knowing)[ONE] not in (None, first)
    shows(knowing, ONE, OTHER_SCREEN)
    assert shares(knowing)[ONE] is None


def test_what_is_known_of_a_screen_names_no_visit_and_goes_with_a_forgotten_one(knowing: Looking) -> None:
    corrected(
        knowing, f'{TWO},{VIDEO},"1,1 400,1 400,300",{SCREEN},ab', f'{ONE},{VIDEO},"1,1 9,1 9,9",{SCREEN},ab'
    )
    [snapshot] = (knowing.paths.inventory / "known_screens").glob("all-*.json")
    assert "400,300" in snapshot.read_text()
    assert not any(name in snapshot.read_text() for name in (ONE, TWO, VIDEO))
    assert len(known_screens(knowing.paths).confirmed) == 1, "the row of a visit that is not known"
    set_tombstone(knowing.paths, TWO, date(2026, 1, 1), alias=ALIAS_TWO)
    knowing.look(REGION_ROWS)
    assert known_screens(knowing.paths).confirmed == []


def test_rows_without_a_visit_or_a_screen_are_recorded(knowing: Looking) -> None:
    versions = corrected(knowing, ',,"1,1 9,1 9,9",,', f'{TWO},,"1,1 9,1 9,9",480x360-zz,')
    assert versions == {}
    assert knowing.rejected(REGION_ROWS) == {"row 2": "unknown_patient", "row 3": "bad_signature"}
