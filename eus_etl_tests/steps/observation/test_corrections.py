"""Hand-written corrections: rows that cannot be used, and files that are lost."""

import pytest

from eus_etl.errors import SourceUnavailableError
from eus_etl.sources.label_items.base import LabelItem
from eus_etl.steps.observation.snapshot import (
    LABEL_ITEMS,
    REGION_ROWS,
    SYNC_ROWS,
    refused_sync_rows_of,
    region_rows_of,
    sync_rows_of,
)
from eus_etl_tests.support.hospitals.observed_study import ALIAS_TWO, ONE, TWO, Looking

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


def test_a_sign_off_that_signs_nothing_off_is_recorded_and_its_polygon_used(looking: Looking) -> None:
    looking.outside.items += (LabelItem(ONE, None, {}),)
    looking.look(LABEL_ITEMS)
    video, polygon, screen = f"v{'a' * 12}", '"1,1 9,1 9,9"', "480x360-" + "0f" * 16
    looking.paths.data.mkdir(parents=True)
    looking.paths.regions_csv.write_text(
        "patient_id,video_id,polygon,signature,signed_off\n"
        f"{ONE},{video},{polygon},,AB\n{ONE},{video},{polygon},,xx\n{ONE},,{polygon},,AB\n,,{polygon},{screen},AB\n"
        f"{ONE},{video},{polygon},,\n"
    )
    looking.look(REGION_ROWS)
    assert region_rows_of(looking.paths, ONE)["signed_off"].to_list() == ["yes", None, "yes", None]
    assert looking.rejected(REGION_ROWS) == dict.fromkeys(("row 3", "row 4", "row 5"), "not_signed_off")


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
