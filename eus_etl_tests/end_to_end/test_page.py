"""Dagster's page over the demo, in a real browser."""

from pathlib import Path

import pytest

from benchmarks.support.page.webserver import webserver
from eus_etl_tests.support.browser import browser
from eus_etl_tests.support.hospitals.demo_run import Demo

STREET = ("drive_videos", "raw_videos", "frames", "regions", "label_items", "labels", "frame_table")


@pytest.mark.slow
def test_the_page_shows_the_lineage_and_one_check_per_visit(demo: Demo, tmp_path: Path) -> None:
    home, configs = demo.root / "dagster_home", demo.root / "configs"
    with browser(tmp_path / "profile") as page, webserver(home, configs, tmp_path / "log") as address:
        # the page draws what is in sight alone: all that one table is made from fits into the window
        upstream = "view=lineage&lineageScope=upstream&lineageDepth=5"
        page.open(f"{address}/assets/eusml/frame_table?{upstream}", 2000, 2000, scale=1)
        page.wait_for(*STREET)
        page.open(f"{address}/assets/eusml/frame_table?view=checks", 2000, 2000, scale=1)
        page.wait_for("frames_equal_rows", "extracted frames")
