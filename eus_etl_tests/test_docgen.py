"""Docs in step with the code."""

import importlib.util
import re
from pathlib import Path

import pytest

from benchmarks.support.places import CHECKOUT
from eus_etl.cli import main
from eus_etl.docgen import pages
from eus_etl.domain.quality.scores import REASONS
from eus_etl.domain.tables import catalog
from eus_etl.steps.observation.not_taken import WHY
from eus_etl_tests.support.hospitals.demo_run import Demo
from eus_etl_tests.support.uploads import MAY_NAME_UPLOADS

PAGES = [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")]


def test_generated_pages_are_what_the_code_says() -> None:
    for name, text in pages().items():
        assert (CHECKOUT / "docs" / name).read_text(encoding="utf-8") == text, (
            f"run `make format` for docs/{name}"
        )


def test_every_column_is_in_the_dictionary() -> None:
    text = pages()["data_dictionary.md"]
    for table in (
        catalog.LABELS,
        catalog.PATIENTS,
        catalog.VIDEOS,
        catalog.FRAME_TABLE,
        catalog.PREPROCESSED,
        catalog.REJECTED,
    ):
        for column in table.columns:
            assert f"`{column.name}`" in text
            assert column.meaning


def test_the_picture_shows_the_graph_as_it_is() -> None:
    script = CHECKOUT / "docs" / "pictures" / "make.py"
    spec = importlib.util.spec_from_file_location("make_pictures", script)
    assert spec is not None
    assert spec.loader is not None
    pictures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pictures)
    shown = pictures.SHOWN.read_text(encoding="utf-8").strip()
    assert shown == pictures.graph_hash(), "the asset graph has changed: run `make pictures`"


def test_the_readmes_lines_load_the_demo(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    monkeypatch.chdir(demo.folder)
    names: dict[str, object] = {}
    exec(lines, names)  # noqa: S102 (the README's own lines)
    images = names["images"]
    assert isinstance(images, list)
    assert len(images) > 10
    assert images[0].shape == (512, 512)


def test_the_readme_names_every_command() -> None:
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    for command in main.commands:
        assert f"eus-etl {command}" in text, command


def test_what_the_readme_says_that_you_see_is_what_the_code_says() -> None:
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    rows = [row.split("|")[1] for row in text.partition("## When it breaks")[2].splitlines() if "| " in row]
    shown = [said for row in rows for said in re.findall(r"`([^`]+)`", row) if not said.startswith("eus-etl")]
    code = "\n".join(file.read_text(encoding="utf-8") for file in (CHECKOUT / "eus_etl").rglob("*.py"))
    assert len(shown) > 5
    for said in shown:
        assert said.strip(".") in code, said


def test_every_reason_why_an_upload_is_not_taken_is_explained() -> None:
    text = pages()["why-not-made.md"]
    for reason in (*WHY, "matches_nobody", "matches_several"):
        assert f"| `{reason}` |" in text


def test_every_reason_is_explained() -> None:
    text = (CHECKOUT / "docs" / "quality.md").read_text(encoding="utf-8")
    for reason in REASONS:
        assert reason in text


def test_the_page_on_privacy_names_every_place_that_may_name_an_upload() -> None:
    text = (CHECKOUT / "docs" / "privacy.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| `")]
    said = {
        place
        for places, holds, _ in rows
        if "file names" in holds
        for place in re.findall("`([^`]+)`", places)
    }
    assert said == set(MAY_NAME_UPLOADS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_named_in_docs_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8")))
    assert named <= targets
