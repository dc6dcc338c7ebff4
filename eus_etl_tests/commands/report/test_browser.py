"""The report in a real browser: what it shows, that it asks nobody for anything, that it can be read."""

import re
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from rapidocr import RapidOCR

from eus_etl.commands.report.page import report_page
from eus_etl.settings import load_shipped_study
from eus_etl_tests.commands.report.made_facts import hostile, study_facts, visit_facts
from eus_etl_tests.commands.report.test_page import EVIL
from eus_etl_tests.support.browser import browser
from eus_etl_tests.support.commands import call
from eus_etl_tests.support.hospitals.demo_run import Demo

_TITLES = [
    "Visits by stage",
    "Visits",
    "Timelines",
    "Balance of labels",
    "Scores and thresholds",
    "Stopwatch and recording",
    "Label problems",
    "Rejected",
    "Contact sheets",
]
_CELLS = "[...document.querySelectorAll('#visits tbody tr')].map(r => r.cells[{}].textContent)"


@pytest.mark.slow
def test_the_report_of_the_demo(demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(demo.root / "dagster_home"))
    study, file = demo.studies["eusml"], tmp_path / "report.html"
    done = call("report", "--config", study.config, "--out", file)
    assert done.exit_code == 0, done.output
    aliases = set(study.truth("visits")["pseudo_name"].drop_nulls())
    index = pl.read_parquet(study.paths.table("dataset").with_suffix(".parquet"))
    fit = index.filter(~pl.col("release_blocked")).drop_nulls("path_square_512")
    shown = fit["patient_id"].n_unique()
    assert shown
    reader = RapidOCR()
    uploaded = {Path(name).name for name in study.truth("files")["file"]}
    with browser(tmp_path / "profile") as page:
        page.open(file.as_uri())
        assert page.run("[...document.querySelectorAll('h2')].map(h => h.textContent)") == _TITLES
        text = str(page.run("document.body.textContent"))
        assert aliases
        assert all(alias in text for alias in aliases)
        assert not any(name in text for name in uploaded)
        frames = study.frames.height
        assert f"{frames:,}frames" in text

        # sorting: by a number, then the other way round
        place = page.run(
            "[...document.querySelectorAll('#visits th')].findIndex(h => h.textContent == 'frames')"
        )
        click = f"document.querySelectorAll('#visits th button')[{place}].click()"
        for ascending in (True, False):
            page.run(click)
            counts = page.run(_CELLS.format(place))
            assert isinstance(counts, list)
            numbers = [int(count.replace(",", "")) for count in counts]
            assert numbers == sorted(numbers, reverse=not ascending)
            assert sum(numbers) == frames

        # every picture could be decoded, and nothing was asked of anybody
        page.run("[...document.images].forEach(image => { image.loading = 'eager' })")
        drawn = "[...document.images].map(image => image.decode())"
        assert page.run(f"Promise.all({drawn}).then(all => all.length)") == shown
        assert page.requests[0] == file.as_uri()
        assert all(address.startswith("data:") for address in page.requests[1:])
        assert page.complaints == []

        for width_px, dark in ((1280, False), (1280, True), (390, False), (390, True)):
            page.open(file.as_uri(), width_px, 900, dark=dark)
            # nothing but the sections' own links may be wider than a phone: a table's rows become cards
            assert page.run("document.documentElement.scrollWidth") == width_px
            if width_px < 600:
                boxes = "[...document.querySelectorAll('.scroll')]"
                assert page.run(f"{boxes}.filter(box => box.scrollWidth > box.clientWidth).length") == 0
            read = words_in(page.picture(), reader)
            for word in ("Endoscopic", "ultrasound", "visits", "undisturbed", "stage", "raw_videos"):
                assert word in read, (word, width_px, dark, read)


def words_in(png: bytes, reader: RapidOCR) -> str:
    """What a machine reads in a picture."""
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return " ".join(getattr(reader(picture), "txts", None) or ())


@pytest.mark.slow
def test_markup_from_outside_neither_runs_nor_loads(tmp_path: Path) -> None:
    facts = hostile(study_facts(load_shipped_study("eusml"), [visit_facts(1)]), EVIL)
    clean = report_page(facts, datetime(2026, 3, 4, tzinfo=UTC))
    # even if one text had slipped through unescaped, the policy would stop it
    slipped = clean.replace(b"<main>", b"<main>" + EVIL.encode())
    assert slipped != clean
    for name, content in (("clean", clean), ("slipped", slipped)):
        file = tmp_path / f"{name}.html"
        file.write_bytes(content)
        with browser(tmp_path / name) as page:
            page.open(file.as_uri())
            assert page.run("window.hacked === undefined") is True
            assert [address for address in page.requests if re.match("https?:", address)] == []
