"""What a person does in Dagster's page, done in a real browser; the docs' pictures are taken so."""

from pathlib import Path

import pytest

from benchmarks.support.hospitals.tiny_hospital import ONE
from benchmarks.support.page.filmed_hospital import THREE
from benchmarks.support.page.tour import take, tour
from benchmarks.support.videos.pictures import read_picture
from eus_etl.storage.tables.parts import all_rejected
from eus_etl_tests.support.browser import require_chromium


@pytest.mark.slow
def test_a_person_makes_a_visit_follows_the_folder_and_reads_what_went_wrong(tmp_path: Path) -> None:
    require_chromium()
    with tour(tmp_path) as visitor:
        pictures = take(visitor)
    for name, picture in pictures.items():
        (tmp_path / f"{name}.png").write_bytes(picture)
        assert read_picture(tmp_path / f"{name}.png").std() > 10, name  # it is not blank
    assert set(pictures) == {
        "asset_graph",
        "contact_sheet",
        "materialize",
        "partition",
        "rejected",
        "runs",
        "sensors",
        "timeline",
    }
    paths = visitor.hospital.paths
    assert paths.frame_table(ONE).is_file()
    assert paths.frame_table(THREE).is_file()
    assert all_rejected(paths)["reason"].to_list() == ["unreadable"]
